"""The columns of the tidy tables that scoring writes and the report reads, one value per row."""

# `seed` is empty for an ensemble; `model`, `seed` and `trained_on` for the input and baselines
SCORES = (
    "model", "seed", "trained_on", "tested_on", "condition", "volume", "stratum", "output",
    "protocol", "metric", "value",
)  # fmt: skip
# Scores of images: with the window of SSIM, such as 7x7
IMAGE_SCORES = (*SCORES, "window")
# The curve of precision against recall: nuclei found right, all found, and true ones
NUCLEI = (*SCORES[:8], "threshold", "right", "found", "true")
# Fourier ring correlation and transfer at each frequency; `direction` is xy or z
RESOLUTION = (*SCORES[:8], "direction", "frequency", "correlation", "transfer", "count")
CALIBRATION = (
    "intervals", "kind", "condition", "volume", "level", "expected", "observed", "count",
)  # fmt: skip
# `step` counts the changes from the 2019 study's protocol to the CARE paper's
PROTOCOL_STEPS = (
    "dataset", "model", "condition", "volume", "output", "step", "label", "metric", "value",
)  # fmt: skip
