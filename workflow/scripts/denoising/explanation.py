"""Why the 2019 study's numbers differ from the CARE paper's: from one to the other, one change a step.

0. As the 2019 study ran on tribolium: truth and input in swapped order, so the CLEAN stack was restored and scored
   against the NOISY one. Other datasets begin with the next step.
1. The roles right: the 2019 study's protocol.
2. The input fitted to the truth by least squares, like any other image.
3. SSIM with data_range 1 instead of 2, what scikit-image 0.15 took for float images.
4. Means subtracted and images scaled by cov / var: the paper's protocol.

The table is tidy, a row a value: dataset, model, condition, volume, output (input or network), step, label, metric
(nrmse or ssim), value. What a step does not touch keeps its value.
"""

from pathlib import Path

import numpy as np

from denoising.metrics import TRUTH_PERCENTILES, fit_to, score_volume, ssim
from denoising.volumes import TRUTH, Pair, normalise, read_volume

STEPS = (
    "2019, roles swapped",
    "2019, roles right",
    "input rescaled",
    "SSIM data range 1",
    "means subtracted (paper)",
)
COLUMNS = ["dataset", "model", "condition", "volume", "output", "step", "label", "metric", "value"]


def explain_pair(pair: Pair, restored: Path, restored_truth: Path | None) -> list[dict]:
    """Every step of one volume in one condition, for the input and for the network's restoration.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : Path
        Folder of restorations, {condition}/{volume}.tif.
    restored_truth : Path, optional
        Folder of restorations of the ground truth, truth/{volume}.tif; without it there is no step 0.

    Returns
    -------
    list of dict
        condition, volume, output, step, label, metric and value. Errors name the file.
    """
    path = restored / pair.condition / f"{pair.volume}.tif"
    truth, low, network = (read_volume(each, pair.axes) for each in (pair.truth, pair.image, path))
    try:
        steps = {"input": ladder(truth, low, is_input=True), "network": ladder(truth, network)}
        if restored_truth is not None:
            of_clean = read_volume(restored_truth / TRUTH / f"{pair.volume}.tif", pair.axes)
            steps["input"] = [_study2019(low, truth, is_input=True), *steps["input"]]
            steps["network"] = [_study2019(low, of_clean), *steps["network"]]
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    known = {"condition": pair.condition, "volume": pair.volume}
    return [
        known | {"output": output, "step": step, "label": STEPS[step], "metric": metric, "value": scores[metric]}
        for output, taken in steps.items()
        for step, scores in enumerate(taken, start=len(STEPS) - len(taken))
        for metric in ("nrmse", "ssim")
    ]


def ladder(truth: np.ndarray, image: np.ndarray, is_input: bool = False) -> list[dict[str, float]]:
    """NRMSE and SSIM of one image from step 1, the 2019 study's protocol, to step 4, the paper's.

    Parameters
    ----------
    truth : ndarray
        Ground truth as acquired, (Z, Y, X) or (Y, X), arbitrary units.
    image : ndarray
        The restoration; or, with `is_input`, the low-SNR image as acquired.
    is_input : bool
        Whether `image` is the low-SNR input itself.

    Returns
    -------
    list of dict
        A dict a step, metric to value, without unit.

    Raises
    ------
    ValueError
        As `score_volume`.
    """
    first = _study2019(truth, image, is_input)
    # Least squares undo any gain and offset: the input as acquired serves as well as normalised
    rescaled = _study2019(truth, image) if is_input else first
    target = normalise(truth, *TRUTH_PERCENTILES).astype(np.float64)
    ranged = rescaled | {"ssim": ssim(target, fit_to(target, image.astype(np.float64)), data_range=1)}
    return [first, rescaled, ranged, _scores(truth, image, "paper", is_input)]


def _study2019(truth: np.ndarray, image: np.ndarray, is_input: bool = False) -> dict[str, float]:
    return _scores(truth, image, "study2019", is_input)


def _scores(truth: np.ndarray, image: np.ndarray, protocol: str, is_input: bool) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in score_volume(truth, image, [protocol], is_input)}
