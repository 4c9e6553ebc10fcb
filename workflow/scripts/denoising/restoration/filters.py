"""Classical filters, each with one strength: the baselines that networks are compared with.

A filter takes an image, (Z, Y, X) or (Y, X), float32, and returns the part `inside`, denoised. A
local filter needs its reach around that part: the function NAME_reach gives the voxels along each
axis that decide on one. `method` makes a filter a baseline, by the name that it has in
`denoising/study/baselines.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pywt
from scipy.ndimage import gaussian_filter, median_filter

from denoising.restoration.tiling import Region

Filter = Callable[..., np.ndarray]
Reach = Callable[..., list[int]]


@dataclass(frozen=True)
class Method:
    """A filter, the unit of its strength, and the strengths that are tried on some patches.

    `unit` is "voxels", or "noise": standard deviations of the estimated noise. `reach` gives, for a
    local filter, the voxels along each axis that decide on one; None for a filter of the image as a
    whole.
    """

    filter: Filter
    unit: str
    strengths: tuple[float, ...]
    patches: int = 32
    reach: Reach | None = None


METHODS: dict[str, Method] = {}


def method(
    name: str,
    unit: str,
    strengths: tuple[float, ...],
    patches: int = 32,
    reach: Reach | None = None,
) -> Callable[[Filter], Filter]:
    """Make the function below a baseline of this name, as `Method` describes it."""

    def register(function: Filter) -> Filter:
        METHODS[name] = Method(function, unit, strengths, patches, reach)
        return function

    return register


def _by_axis(ndim: int, strength: float, z_scale: float) -> list[float]:
    return [strength * z_scale] * (ndim - 2) + [strength] * 2


def gaussian_reach(ndim: int, sigma: float, z_scale: float) -> list[int]:
    return [int(4 * width + 0.5) for width in _by_axis(ndim, sigma, z_scale)]


@method(
    "gaussian",
    "voxels",
    (0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.4, 2.8, 4),
    reach=gaussian_reach,
)
def gaussian(image: np.ndarray, inside: Region, sigma: float, z_scale: float = 1.0) -> np.ndarray:
    """Gaussian filter of `sigma` voxels, `z_scale` times that along Z, cut off at four sigma."""
    reach = gaussian_reach(image.ndim, sigma, z_scale)
    return gaussian_filter(image, _by_axis(image.ndim, sigma, z_scale), radius=reach)[inside]


def median_reach(ndim: int, size: float, z_scale: float) -> list[int]:
    return [max(0, round((edge - 1) / 2)) for edge in _by_axis(ndim, size, z_scale)]


@method("median", "voxels", (1, 3, 5, 7), reach=median_reach)
def median(image: np.ndarray, inside: Region, size: float, z_scale: float = 1.0) -> np.ndarray:
    """Median over a box of `size` voxels, `z_scale` times that along Z. Edges are rounded to odd
    numbers.
    """
    edges = [1 + 2 * reach for reach in median_reach(image.ndim, size, z_scale)]
    return median_filter(image, edges)[inside]


@method("tv", "noise", (0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8))
def total_variation(image: np.ndarray, inside: Region, weight: float) -> np.ndarray:
    """Total variation denoising (Chambolle 2004): the larger `weight`, the flatter."""
    # Imported here: loading scikit-image takes longer than most baselines, which do without it
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(image, weight=weight, channel_axis=None)[inside]


@method("wavelet", "noise", (0.7, 1, 1.4, 1.7, 2, 2.4, 2.8, 4))
def wavelet(image: np.ndarray, inside: Region, sigma: float) -> np.ndarray:
    """Wavelet shrinkage for noise of standard deviation `sigma` (BayesShrink, Chang et al. 2000),
    averaged over shifts by a voxel.

    At most two levels: volumes then lose the same bands as the patches that the strength is tuned
    on. Without the shifts (Coifman and Donoho 1995), errors were 10 % larger.
    """
    from skimage.restoration import cycle_spin, denoise_wavelet

    # scikit-image counts axes of length 1 among those to be decomposed
    thick = np.squeeze(image)
    levels = min(2, max(1, pywt.dwtn_max_level(thick.shape, "db2")))
    settings = {"sigma": sigma, "wavelet": "db2", "wavelet_levels": levels, "rescale_sigma": False}
    restored = cycle_spin(
        thick, denoise_wavelet, max_shifts=1, workers=1, func_kw=settings, channel_axis=None
    )
    return restored.reshape(image.shape)[inside].astype(np.float32)
