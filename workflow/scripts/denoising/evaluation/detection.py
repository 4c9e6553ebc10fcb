"""Nuclei in an image: found as blobs of one size by their Laplacian of a Gaussian.

Lengths are in micrometres and positions are counted from the centre of the first voxel, so that
voxels may be as flat or long as the microscope made them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max

from denoising.images.slabs import slabs

TRUNCATE = 4.0  # standard deviations that the Gaussian reaches
SLAB_BYTES = 1 << 26


@dataclass(frozen=True)
class Blobs:
    """The blobs of an image, the strongest first.

    Attributes
    ----------
    centres_um : ndarray of float64, (n, axes)
    contrasts : ndarray of float64, (n,)
        How far each is brighter than what surrounds it, in the unit of the image.
    """

    centres_um: np.ndarray
    contrasts: np.ndarray


def find_blobs(
    image: np.ndarray,
    diameter_um: float,
    voxel_um: tuple[float, ...],
    gain: float = 1.0,
    least: float = 0.0,
) -> Blobs:
    """Find blobs of about one size: local maxima of the negative Laplacian of a Gaussian.

    The Gaussian's standard deviation is that at which a ball (in 2D, a disk) of this diameter
    answers most, radius / sqrt(axes) (Lindeberg, International Journal of Computer Vision 30, 79,
    1998). The answer is multiplied by the variance: a ball answers with 0.93 of its contrast, a
    disk with 0.74, whatever its size, and a constant background with nothing. No two blobs lie
    closer than one radius. Images are read by slabs, with the same result.

    Parameters
    ----------
    image : ndarray, (Z, Y, X) or (Y, X)
        A memory map may be larger than memory.
    diameter_um : float
    voxel_um : tuple of float
        Size of a voxel along each axis.
    gain : float
        Factor of the image; an offset would change nothing.
    least : float
        Contrast that a blob must exceed.
    """
    voxel = np.array(voxel_um)
    radii = diameter_um / 2 / voxel
    sigma = radii / np.sqrt(image.ndim)
    apart = np.maximum(radii, 1)
    halo = int(np.ceil(TRUNCATE * sigma[0]) + np.ceil(apart[0]) + 1)
    places = []
    answers = []
    for slab in slabs(image.shape, 4, (1, *image.shape[1:]), SLAB_BYTES):
        first = max(slab[0].start - halo, 0)
        answer = _answer(gain * image[first : slab[0].stop + halo].astype(np.float32), sigma)
        peaks = peak_local_max(
            answer, threshold_abs=least, footprint=_ellipsoid(apart), exclude_border=False
        )
        answers_there = answer[tuple(peaks.T)]
        peaks[:, 0] += first
        is_own = (peaks[:, 0] >= slab[0].start) & (peaks[:, 0] < slab[0].stop)
        places.append(peaks[is_own])
        answers.append(answers_there[is_own])
    contrasts = np.concatenate(answers).astype(np.float64)
    centres = np.concatenate(places) * voxel
    order = np.lexsort((*centres.T, -contrasts))
    # Neighbours with exactly the same answer are one blob
    pairs = cKDTree(centres[order]).query_pairs(0.999 * diameter_um / 2, output_type="ndarray")
    order = np.delete(order, pairs.max(axis=1))
    return Blobs(centres[order], contrasts[order])


def _answer(image: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Negative Laplacian of a Gaussian times its variance (float32), sigma in voxels."""
    # Sampled at voxels, a narrow kernel has a sum, which would answer to a background
    total = float(_curvature(np.ones((1,) * image.ndim, np.float32), sigma).item())
    return total * gaussian_filter(image, sigma, truncate=TRUNCATE) - _curvature(image, sigma)


def _curvature(image: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Sum of second derivatives, each times its variance, of the smoothed image (float32)."""
    curvature = np.zeros(image.shape, np.float32)
    for axis, width in enumerate(sigma):
        order = np.eye(image.ndim, dtype=int)[axis] * 2
        curvature += width**2 * gaussian_filter(image, sigma, order, truncate=TRUNCATE)
    return curvature


def _ellipsoid(radii: np.ndarray) -> np.ndarray:
    """Which voxels of a window lie within these radii (in voxels) of its middle."""
    reach = np.floor(radii).astype(int)
    grid = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    return sum((x / radius) ** 2 for x, radius in zip(grid, radii, strict=True)) <= 1
