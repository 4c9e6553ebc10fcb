"""Why the 2019 study's numbers differ from the CARE paper's: from one to the other, one change a
step.

0. As the 2019 study ran on tribolium: truth and input in swapped order, so the CLEAN stack was
restored and scored
   against the NOISY one. Other datasets begin with the next step.
1. The roles right: the 2019 study's protocol.
2. The input fitted to the truth by least squares, like any other image.
3. SSIM with data_range 1 instead of 2, what scikit-image 0.15 took for float images.
4. Means subtracted and images scaled by cov / var: the paper's protocol.

The table is tidy, a row a value: dataset, model, condition, volume, output (input or network),
step, label, metric (nrmse or ssim), value. What a step does not touch keeps its value.
"""

from pathlib import Path

import numpy as np

from denoising.evaluation.protocols import PROTOCOLS, Protocol, fitted, score_volume
from denoising.images.volumes import TRUTH, Pair, open_volume

METRICS = ("nrmse", "ssim")
SWAPPED = "2019, roles swapped"
# The steps after the swap, each a protocol
STEPS = {
    "2019, roles right": PROTOCOLS["study2019"],
    "input rescaled": Protocol(fitted, rescales_input=True, data_range=2, metrics=METRICS),
    "SSIM data range 1": Protocol(fitted, rescales_input=True, data_range=1, metrics=METRICS),
    "means subtracted (paper)": PROTOCOLS["paper"],
}
LABELS = (SWAPPED, *STEPS)
COLUMNS = ["dataset", "model", "condition", "volume", "output", "step", "label", "metric", "value"]


def explain_pair(
    pair: Pair,
    restored: Path,
    restored_truth: Path | None,
    threads: int = 1,
    scratch: Path | None = None,
) -> list[dict]:
    """Every step of one volume in one condition, for the input and for the network's restoration.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : Path
        Folder of restorations, {condition}/{volume}.tif.
    restored_truth : Path, optional
        Folder of restorations of the ground truth, truth/{volume}.tif; without it there is no step
        0.
    threads : int
    scratch : Path, optional
        A folder for what must be decoded, as `open_volume` has it.

    Returns
    -------
    list of dict
        condition, volume, output, step, label, metric and value. Errors name the file.
    """
    path = restored / pair.condition / f"{pair.volume}.tif"
    truth, low, network = (
        open_volume(each, pair.axes, scratch) for each in (pair.truth, pair.image, path)
    )
    try:
        rows = _steps(truth, low, network, STEPS, threads)
        if restored_truth is not None:
            of_clean = open_volume(
                restored_truth / TRUTH / f"{pair.volume}.tif", pair.axes, scratch
            )
            rows = _steps(low, truth, of_clean, {SWAPPED: PROTOCOLS["study2019"]}, threads) + rows
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    return [{"condition": pair.condition, "volume": pair.volume} | row for row in rows]


def _steps(
    truth: np.ndarray, low: np.ndarray, network: np.ndarray, steps: dict, threads: int
) -> list[dict]:
    """Scores of the input and of its restoration under each protocol of `steps`, by label."""
    return [
        {"output": output, "step": LABELS.index(row["protocol"]), "label": row["protocol"]}
        | {key: row[key] for key in ("metric", "value")}
        for output, image in (("input", low), ("network", network))
        for row in score_volume(truth, image, steps, output == "input", threads)
        if row["metric"] in METRICS
    ]
