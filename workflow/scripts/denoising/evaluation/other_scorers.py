"""Scores that two widely used programs print for a restoration: ZeroCostDL4Mic and UniFMIR.

Written from what their public code does, with numpy and scikit-image, so that their printed numbers
can be told from those of the two protocols: plane by plane, with 2D SSIM in a Gaussian window.

`zerocost_scores`
    Quality control of the CARE notebooks (HenriquesLab/ZeroCostDL4Mic,
    Colab_notebooks/CARE_3D_ZeroCostDL4Mic.ipynb at 057412d). Each plane is normalised and fitted by
    itself, as in the CARE paper; what is printed as NRMSE is the root of the mean ABSOLUTE error.
    The notebook does not empty its lists between files. So it prints for a file the mean of these
    values over all files so far, weighted by their planes.
`unifmir_scores`
    Tests of the denoising task (cxm12/UNiFMIR, trainer.py and utility.py at 10f0792). Truth and
    restoration are scaled to their own least and greatest values; a few planes count, the top left
    600 x 600 of each; on tribolium these are scaled once more.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from skimage.metrics import structural_similarity

from denoising.evaluation.moments import nrmse, psnr, scale_to
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.images.percentiles import blocks

CORNER = 600  # voxels
SIGMA = 1.5  # of SSIM's Gaussian window, which is 11 wide
GAUSSIAN_WIDTH = 11

Scores = dict[str, float]


def zerocost_scores(truth: np.ndarray, image: np.ndarray, threads: int = 1) -> Scores:
    """Score a restoration, or an input, as ZeroCostDL4Mic's CARE notebooks do.

    Parameters
    ----------
    truth, image : ndarray, (Z, Y, X) or (Y, X), one shape
        As acquired or as restored: gains and offsets do not matter.
    threads : int
        Planes scored at a time.

    Returns
    -------
    dict
        nrmse (by their name), psnr in dB and ssim, means over planes; a plane of one value, for
        which the notebook prints nan, is left out.

    Raises
    ------
    ValueError
        If a plane is smaller than SSIM's window.
    """

    def plane_scores(plane: int) -> Scores:
        y, q = (np.asarray(_planes(volume)[plane], np.float64) for volume in (truth, image))
        low, high = np.percentile(y, TRUTH_PERCENTILES)
        if low == high or np.ptp(q) == 0:
            return dict.fromkeys(("nrmse", "psnr", "ssim"), np.nan)
        y, q = scale_to((y - low) / (high - low), q)
        window = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False}
        return {
            "nrmse": float(np.sqrt(np.mean(np.abs(y - q)))),
            "psnr": psnr(nrmse(y, q) ** 2, 1.0),
            "ssim": float(structural_similarity(y, q, data_range=1.0, **window)),
        }

    return _mean_scores(plane_scores, range(len(_planes(truth))), threads)


def unifmir_scores(
    truth: np.ndarray, image: np.ndarray, organism: str | None, condition: str, threads: int = 1
) -> Scores:
    """Score a restoration as UniFMIR's tests of denoising do; see `zerocost_scores`.

    Parameters
    ----------
    organism : str or None
        planaria or tribolium: which planes count, and how they are scaled. Others: as planaria,
        the middle three planes.
    condition : str
        As published: of condition 1 more planes count.

    Returns
    -------
    dict
        psnr in dB and ssim.
    """
    scales = [_extremes(volume) for volume in (truth, image)]

    def plane_scores(plane: int) -> Scores:
        corners = []
        for volume, (low, high) in zip((truth, image), scales, strict=True):
            corner = np.asarray(_planes(volume)[plane, :CORNER, :CORNER], np.float64)
            corner = _scaled(corner, low, high)
            if organism == "tribolium":
                corner = _scaled(corner, corner.min(), corner.max())
            corners.append(corner)
        y, q = corners
        window = {"gaussian_weights": True, "sigma": SIGMA, "win_size": GAUSSIAN_WIDTH}
        return {
            "psnr": psnr(nrmse(y, q) ** 2, 1.0),
            "ssim": float(structural_similarity(y, q, data_range=1.0, **window)),
        }

    planes = unifmir_planes(len(_planes(truth)), organism, condition)
    return _mean_scores(plane_scores, planes, threads)


def unifmir_planes(depth: int, organism: str | None, condition: str) -> range:
    """The planes of a stack that UniFMIR scores; the middle three of a stack too thin for its own.

    Condition 1 has five or more from the 10th plane of planaria, six or more from the 2nd of
    tribolium; other conditions have planes 85 and 86 of planaria (or the last three), and the
    middle three of tribolium.
    """
    middle = range(max(depth // 2 - 1, 0), min(depth // 2 + 2, depth))
    if condition == "1" and organism in ("planaria", "tribolium"):
        margin, count = (10, 5) if organism == "planaria" else (2, 6)
        step = (depth - 2 * margin) // count
        return range(margin, depth - margin, step) if step > 0 else middle
    if organism == "planaria" and depth > 3:
        return range(85, 87) if depth > 87 else range(depth - 3, depth)
    return middle


def _mean_scores(
    plane_scores: Callable[[int], Scores], planes: Iterable[int], threads: int
) -> Scores:
    with ThreadPoolExecutor(threads) as pool:
        rows = list(pool.map(plane_scores, planes))
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def _planes(volume: np.ndarray) -> np.ndarray:
    """A volume as (Z, Y, X); an image is one plane."""
    return volume if len(volume.shape) == 3 else np.asarray(volume)[None]


def _extremes(volume: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value of a volume, block by block."""
    parts = [np.asarray(volume[block]) for block in blocks(volume)]
    return float(min(part.min() for part in parts)), float(max(part.max() for part in parts))


def _scaled(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 to 1 between these values; a constant image is 0."""
    return (image - low) / (high - low) if high > low else np.zeros_like(image)
