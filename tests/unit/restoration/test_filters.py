"""What is special to each filter."""

import numpy as np
import pytest
from noisy_images import NOISE, everything

from denoising.restoration.filters import gaussian, median, wavelet


def test_sizes_along_z_are_scaled_alone():
    point = np.zeros((21, 21, 21), np.float32)
    point[10, 10, 10] = 1
    spread = gaussian(point, everything(point), 2, 0.5)
    width = [
        np.sqrt((spread.sum(axis=tuple({0, 1, 2} - {axis})) * (np.arange(21) - 10) ** 2).sum())
        for axis in range(3)
    ]
    assert width == pytest.approx([1, 2, 2], rel=0.02)


@pytest.mark.parametrize(
    ("size", "z_scale", "along_z"), [(3, 1, 3), (3, 0.4, 1), (7, 0.4, 3), (5, 0.4, 1), (9, 0.4, 3)]
)
def test_edges_of_the_median_are_odd(size, z_scale, along_z):
    """A bright slab survives the median along Z if more than half of the box lies in it."""
    for thickness in (1, 2, 3):
        image = np.zeros((15, 15, 15), np.float32)
        image[7 : 7 + thickness] = 1
        assert median(image, everything(image), size, z_scale).any() == (thickness > along_z // 2)


def test_shifts_by_a_voxel_hardly_change_what_wavelets_restore(clean, noisy):
    moved = np.roll(noisy, 1, range(noisy.ndim))
    inside = (slice(4, -4),) * noisy.ndim
    difference = np.roll(wavelet(moved, everything(moved), NOISE), -1, range(noisy.ndim)) - wavelet(
        noisy, everything(noisy), NOISE
    )
    assert np.sqrt(np.mean(difference[inside] ** 2)) < 0.2 * NOISE
