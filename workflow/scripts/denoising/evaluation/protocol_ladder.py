"""Why the 2019 study's numbers differ from the CARE paper's: from one to the other, one change per
step.

0. As the 2019 study ran on tribolium: truth and input are swapped, so the CLEAN stack was restored
   and scored against the NOISY one. Other datasets begin with the next step.
1. The roles are right: the 2019 study's protocol.
2. The input is fitted to the truth by least squares, like any other image.
3. SSIM takes a data range of 1 instead of 2, which scikit-image 0.15 took for float images.
4. The means are subtracted and images scaled by cov / var: the paper's protocol.

Beside the ladder stand what two programs would print for the same images (`other_scorers`):

5. ZeroCostDL4Mic.
6. UniFMIR.

The table is tidy, one value per row: dataset, model, condition, volume, output (input or network),
step, label, metric (nrmse, ssim, and psnr where it is defined), value. A value that a step does not
change is repeated.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from denoising.evaluation.compared_images import errors_naming
from denoising.evaluation.moments import least_squares_fit
from denoising.evaluation.other_scorers import GAUSSIAN_WIDTH, unifmir_scores, zerocost_scores
from denoising.evaluation.protocols import PROTOCOLS, Protocol, score_volume
from denoising.images.volumes import Pair, open_volume
from denoising.study.metrics import SHOWN
from denoising.study.names import TRUTH

SWAPPED = "2019, roles swapped"
# The steps after the swap, each a protocol
STEPS = {
    "2019, roles right": PROTOCOLS["study2019"],
    "input rescaled": Protocol(least_squares_fit, rescales_input=True, data_range=2, metrics=SHOWN),
    "SSIM data range 1": Protocol(
        least_squares_fit, rescales_input=True, data_range=1, metrics=SHOWN
    ),
    "means subtracted (paper)": PROTOCOLS["paper"],
}
PRINTED = ("as ZeroCostDL4Mic prints", "as UniFMIR prints")
LABELS = (SWAPPED, *STEPS, *PRINTED)
PAPER_STEP = len(STEPS)  # the last of the ladder, which those beside it are compared with


def score_protocol_steps(
    pair: Pair,
    restored: Path,
    restored_truth: Path | None,
    organism: str | None = None,
    threads: int = 1,
    scratch: Path | None = None,
) -> list[dict]:
    """Score the input and the network's restoration of one volume at every step.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : Path
        Folder of restorations, {condition}/{volume}.tif.
    restored_truth : Path or None
        Folder of restorations of the ground truth, truth/{volume}.tif; without it there is no step
        0.
    organism : str or None
        The organism of the published test set that this one stands for: it decides which planes
        UniFMIR scores.
    threads : int
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.

    Returns
    -------
    list of dict
        Rows of condition, volume, output, step, label, metric and value. Errors name the file.
    """
    path = restored / pair.restored_name
    truth, low, network = (
        open_volume(file, pair.axes, scratch) for file in (pair.truth, pair.image, path)
    )
    with errors_naming(pair, path):
        rows = _score_steps(truth, low, network, STEPS, threads, pair.by_plane)
        if min(truth.shape[-2:]) >= GAUSSIAN_WIDTH:
            images = {"input": low, "network": network}
            rows += _printed(truth, images, organism, pair.condition, threads)
        if restored_truth is not None:
            clean_path = restored_truth / TRUTH / pair.restored_name.name
            clean = open_volume(clean_path, pair.axes, scratch)
            swapped = {SWAPPED: PROTOCOLS["study2019"]}
            first = _score_steps(low, truth, clean, swapped, threads, pair.by_plane)
            rows = first + rows
    return [{"condition": pair.condition, "volume": pair.volume} | row for row in rows]


def _score_steps(
    truth: np.ndarray,
    low: np.ndarray,
    network: np.ndarray,
    steps: Mapping[str, Protocol],
    threads: int,
    by_plane: bool,
) -> list[dict]:
    """Rows of the input and of its restoration under the protocols of `steps`, by label."""
    return [
        {"output": output, "step": LABELS.index(row["protocol"]), "label": row["protocol"]}
        | {key: row[key] for key in ("metric", "value")}
        for output, image in (("input", low), ("network", network))
        for row in score_volume(truth, image, steps, output == "input", threads, by_plane)
    ]


def _printed(
    truth: np.ndarray,
    images: Mapping[str, np.ndarray],
    organism: str | None,
    condition: str,
    threads: int,
) -> list[dict]:
    """Rows of what other programs print for the images, by output."""
    rows = []
    for output, image in images.items():
        scores = (
            zerocost_scores(truth, image, threads),
            unifmir_scores(truth, image, organism, condition, threads),
        )
        for label, values in zip(PRINTED, scores, strict=True):
            row = {"output": output, "step": LABELS.index(label), "label": label}
            rows += [row | {"metric": name, "value": value} for name, value in values.items()]
    return rows
