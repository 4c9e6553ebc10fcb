"""Scores of a restoration against its ground truth, under two protocols that are never mixed.

`paper`      the CARE paper's: both images mean-subtracted, the image scaled to the truth; PSNR and SSIM with
             data_range 1. Recovered from public copies of the authors' code (Weigert et al. 2018).
`study2019`  the 2019 replication's: the input as it is, a restoration fitted to the truth by least squares;
             SSIM with data_range 2, what scikit-image 0.15 took for float images.

In both, `y' = N(y; 0.1, 99.9)` is the truth that is compared with, and `x' = N(x; 3, 99.8)` the input that
every method restores.
"""

import re
from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

from denoising.volumes import SMALLEST_AXIS as SSIM_WINDOW
from denoising.volumes import Pair, normalise, normalise_input, read_volume

TRUTH_PERCENTILES = (0.1, 99.9)
SSIM_SLAB = 16  # planes
# The tidy table of scores: a value a row
COLUMNS = [
    "model", "seed", "trained_on", "tested_on", "condition", "volume", "stratum", "output", "protocol", "metric",
    "value",
]  # fmt: skip


def scale_to(target: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtract both means and scale `image` to `target`, as the CARE paper's code does.

    Parameters
    ----------
    target, image : ndarray of float64, one shape

    Returns
    -------
    target, image : ndarray of float64
        `y - mean(y)` and `a (q - mean(q))` with a = cov(q, y) / var(q), the sample covariance (n - 1) over
        the population variance (n): numpy's defaults for both.
    """
    _refuse_constant(image)
    target, image = target - target.mean(), image - image.mean()
    covariance = np.vdot(image, target) / (image.size - 1)
    image *= covariance / (np.vdot(image, image) / image.size)
    return target, image


def fit_to(target: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The affine image `a q + b` of least squared error against `target` (csbdeep's `normalize_minmse`)."""
    _refuse_constant(image)
    mean = target.mean()
    fitted = image - image.mean()
    fitted *= np.vdot(fitted, target - mean) / np.vdot(fitted, fitted)
    fitted += mean
    return fitted


def _refuse_constant(image: np.ndarray) -> None:
    if image.min() == image.max():
        raise ValueError("the image is constant, so it cannot be scaled to the ground truth.")


def nrmse(target: np.ndarray, image: np.ndarray) -> float:
    """Root of the mean squared error; the normalised truth's range is 1, so this is the NRMSE."""
    return float(np.sqrt(np.mean((target - image) ** 2)))


def psnr(target: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal images."""
    mse = np.mean((target - image) ** 2)
    return float("inf") if mse == 0 else float(10 * np.log10(data_range**2 / mse))


def ssim(target: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Structural similarity: uniform window of 7 along every axis, sample covariance, K1 0.01, K2 0.03,
    mean over the image less a border of 3 (scikit-image's defaults; Wang et al. 2004).
    """
    border = SSIM_WINDOW // 2
    inside = (slice(border, -border),) * target.ndim
    total = 0.0
    # Slabs along the first axis with the windows' reach around them: memory does not grow with the volume
    for start in range(border, len(target) - border, SSIM_SLAB):
        slab = slice(start - border, min(start + SSIM_SLAB, len(target) - border) + border)
        _, local = structural_similarity(
            target[slab], image[slab], win_size=SSIM_WINDOW, data_range=data_range, full=True
        )
        total += local[inside].sum()
    return float(total / np.prod([size - 2 * border for size in target.shape]))


def score_paper(truth: np.ndarray, image: np.ndarray, is_input: bool) -> dict[str, float]:
    """NRMSE, PSNR and SSIM of the CARE paper; the input is scaled like any other image."""
    target, scaled = scale_to(truth, image)
    return {
        "nrmse": nrmse(target, scaled),
        "psnr": psnr(target, scaled, data_range=1),
        "ssim": ssim(target, scaled, data_range=1),
    }


def score_study2019(truth: np.ndarray, image: np.ndarray, is_input: bool) -> dict[str, float]:
    """RMSE and SSIM of the 2019 study; the input is not rescaled, anything else is fitted to the truth."""
    compared = image if is_input else fit_to(truth, image)
    return {"nrmse": nrmse(truth, compared), "ssim": ssim(truth, compared, data_range=2)}


PROTOCOLS = {"paper": score_paper, "study2019": score_study2019}


def score_volume(truth: np.ndarray, image: np.ndarray, protocols: list[str], is_input: bool = False) -> list[dict]:
    """Score one image under each protocol.

    Parameters
    ----------
    truth : ndarray
        Ground truth as acquired, (Z, Y, X) or (Y, X), arbitrary units.
    image : ndarray
        The restoration of `N(x; 3, 99.8)`; or, with `is_input`, the low-SNR image x as acquired.
    protocols : list of str
        Keys of `PROTOCOLS`.
    is_input : bool
        Whether `image` is the low-SNR input itself.

    Returns
    -------
    list of dict
        A row a value: protocol, metric, value. NRMSE and SSIM have no unit, PSNR is in dB.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, or an axis is shorter than SSIM's window of 7.
    """
    if truth.shape != image.shape:
        raise ValueError(f"ground truth is {truth.shape} and the image {image.shape}, expected one shape.")
    if min(truth.shape) < SSIM_WINDOW:
        raise ValueError(f"the image is {truth.shape}, but SSIM's window needs {SSIM_WINDOW} along every axis.")
    if not (np.isfinite(truth).all() and np.isfinite(image).all()):
        raise ValueError("ground truth or image holds NaN or infinite values, which cannot be scored.")
    y = normalise(truth, *TRUTH_PERCENTILES).astype(np.float64)
    q = (normalise_input(image) if is_input else image).astype(np.float64)
    return [
        {"protocol": protocol, "metric": metric, "value": value}
        for protocol in protocols
        for metric, value in PROTOCOLS[protocol](y, q, is_input).items()
    ]


def score_pair(pair: Pair, restored: Path | None, protocols: list[str], stratum: str | None) -> list[dict]:
    """Score one volume in one condition: the restoration under `restored`, or the input where that is None.

    `stratum` is a regular expression whose group, searched in the volume's name, is its stratum. Returns rows with
    condition, volume, stratum, protocol, metric and value; errors name the file.
    """
    path = pair.image if restored is None else restored / pair.condition / f"{pair.volume}.tif"
    truth, image = read_volume(pair.truth, pair.axes), read_volume(path, pair.axes)
    try:
        scores = score_volume(truth, image, protocols, is_input=restored is None)
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    found = re.search(stratum, pair.volume) if stratum else None
    known = {"condition": pair.condition, "volume": pair.volume, "stratum": found.group(1) if found else ""}
    return [known | row for row in scores]
