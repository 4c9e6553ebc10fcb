"""How noisy an image is, by itself: no clean image is needed."""

from math import nan

import numpy as np

from denoising.images.percentiles import percentiles
from denoising.images.slabs import slabs
from denoising.images.volumes import INPUT_PERCENTILES


def noise(image: np.ndarray) -> float:
    """How noisy an image is, whatever its gain and offset.

    Parameters
    ----------
    image : ndarray, (Y, X) or (Z, Y, X)
        A memory map is read slab by slab.

    Returns
    -------
    float
        Standard deviation of the white noise that would make voxels differ as these do, as a
        fraction of the range between `INPUT_PERCENTILES`: the median over lines along X, as edges
        and hot pixels are in few. nan for an image without a range, or smaller than 3 voxels.
    """
    low, high = percentiles(image, INPUT_PERCENTILES)
    lines = [unevenness(np.asarray(image[slab])) for slab in slabs(image.shape, 8)]
    return relative_noise(lines, low, high)


def relative_noise(lines: list[np.ndarray], low: float, high: float) -> float:
    """Median over lines, as a fraction of the range from `low` to `high`; see `noise`."""
    if not high > low or not any(part.size for part in lines):
        return nan
    return float(np.median(np.concatenate(lines))) / (high - low)


def unevenness(image: np.ndarray) -> np.ndarray:
    """Root mean square of second differences across Y and X, for each line along X but two, over
    that of white noise; empty for an image smaller than 3 voxels.
    """
    if min(image.shape[-2:]) < 3:
        return np.empty(0)
    # Differences of voxels two apart, because resampling, as in a registration, makes neighbours
    # alike
    image = np.asarray(image, np.promote_types(image.dtype, np.float32))
    across = image[..., 2:, :] - image[..., :-2, :]
    across = across[..., 2:] - across[..., :-2]
    return np.sqrt(np.square(across).mean(axis=-1)).ravel() / 2
