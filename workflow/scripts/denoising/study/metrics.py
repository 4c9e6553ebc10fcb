"""The metrics and the protocols of scores: how each is called, and what tables show."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Metric:
    """A metric: its name in scores, its label with unit, and the decimals that tables show.

    `best` is "low", "high", or the value that is best, as 1 for a ratio; `axis` is the label of an
    axis; `limits` are the lowest and the highest value that the metric can take, which no interval
    exceeds.
    """

    name: str
    label: str
    decimals: int
    best: str | float
    axis: str = ""
    limits: tuple[float, float] = (-inf, inf)


SHARE = (0.0, 1.0)
METRICS = {
    metric.name: metric
    for metric in (
        Metric("nrmse", "NRMSE", 3, "low", "NRMSE\n(fraction of range)", (0.0, inf)),
        Metric("ssim", "SSIM", 3, "high", "SSIM", (-1.0, 1.0)),
        Metric("psnr", "PSNR (dB)", 1, "high"),
        Metric("ece", "ECE", 3, "low", limits=SHARE),
        Metric("inside", "inside 95 %", 3, 0.95, limits=SHARE),
        Metric("ratio", "error / scale", 2, 1.0, limits=(0.0, inf)),
        Metric("f1", "F1", 2, "high", "F1", SHARE),
        Metric("recall", "recall", 2, "high", "recall (share of\ntrue nuclei found)", SHARE),
        Metric(
            "precision", "precision", 2, "high", "precision (share of\nfound nuclei true)", SHARE
        ),
        Metric("average_precision", "average precision", 2, "high", limits=SHARE),
        Metric("count_error", "error of the count", 2, 0.0, limits=(-1.0, inf)),
        Metric("intensity_error", "error of intensity", 3, "low", limits=(0.0, inf)),
        Metric("intensity_correlation", "correlation of intensity", 3, "high", limits=(-1.0, 1.0)),
        Metric("resolution_xy", "resolution XY", 2, "low", limits=(0.0, inf)),
        Metric("resolution_z", "resolution Z", 2, "low", limits=(0.0, inf)),
        Metric("detail_xy", "half transfer XY", 2, "low", limits=(0.0, inf)),
        Metric("detail_z", "half transfer Z", 2, "low", limits=(0.0, inf)),
    )
}
# Metrics that figures of restorations show; tables add PSNR, a volume's NRMSE in decibels
SHOWN = ("nrmse", "ssim")
TABULATED = (*SHOWN, "psnr")
# Metrics of the table of nuclei
OBJECT_METRICS = (
    "f1", "recall", "precision", "count_error", "average_precision", "intensity_error",
    "intensity_correlation",
)  # fmt: skip
# The protocol of scores of nuclei, which are no scores of images
OBJECTS = "nuclei"
# Metrics of the table of resolution, in the unit of the voxel size; the protocol of these scores
RESOLUTION_METRICS = ("resolution_xy", "resolution_z", "detail_xy", "detail_z")
RESOLUTION = "resolution"
# Metrics of the table of calibration
CALIBRATION_METRICS = ("ece", "inside", "ratio")


@dataclass(frozen=True)
class ProtocolWords:
    """A protocol of scores: its name, a short label, and what it does."""

    name: str
    label: str
    description: str


# The first is scored where nothing published is compared with
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        ProtocolWords(
            "paper",
            "as in the CARE paper",
            "Ground truth scaled to its 0.1 and 99.9 percentiles; means subtracted, input and "
            "restoration then scaled to the ground truth by least squares; SSIM with data range 1.",
        ),
        ProtocolWords(
            "study2019",
            "as in the 2019 study",
            "Ground truth scaled to its 0.1 and 99.9 percentiles; input scaled to its own 3 and "
            "99.8 percentiles, restoration to the ground truth by least squares; NRMSE is the 2019 "
            "study's RMSE; SSIM with data range 2.",
        ),
    )
}
