"""Non-local means are what they are defined as, and what scikit-image computes."""

from itertools import product

import numpy as np
import pytest
from noisy_images import NOISE, blobs, everything, rmse, with_noise
from skimage.restoration import denoise_nl_means

from denoising.restoration import nlm
from denoising.restoration.nlm import non_local_means


def exact_non_local_means(image, h, patch_size=5, distance=3):
    """By its definition, voxel by voxel, in float64."""
    reach = patch_size // 2
    padded = np.pad(image.astype(np.float64), distance + reach, mode="reflect")
    restored = np.empty(image.shape)
    for place in np.ndindex(image.shape):
        centre = np.array(place) + distance + reach
        total = weights = 0
        for shift in product(range(-distance, distance + 1), repeat=image.ndim):
            other = centre + shift
            first, second = (
                padded[tuple(slice(c - reach + 1, c + reach + 1) for c in middle)]
                for middle in (centre, other)
            )
            away = ((first - second) ** 2).sum() / (h**2 * patch_size**image.ndim)
            weight = np.exp(-away) if away <= 5 else 0
            weights, total = weights + weight, total + weight * padded[tuple(other)]
        restored[place] = total / weights
    return restored


@pytest.mark.parametrize("shape", [(5, 6, 7), (11, 9)])
def test_non_local_means_are_what_they_are_defined_as(shape):
    noisy = with_noise(blobs(shape))
    restored = non_local_means(noisy, everything(noisy), 0.12, patch_distance=3)
    np.testing.assert_allclose(restored, exact_non_local_means(noisy, 0.12), atol=1e-5)


@pytest.mark.parametrize("h", [0.08, 0.12, 0.3])
def test_non_local_means_are_scikit_images(noisy, h):
    """To the precision of the exponential that scikit-image approximates."""
    expected = denoise_nl_means(noisy, patch_size=5, patch_distance=6, h=h, fast_mode=True)
    restored = non_local_means(noisy, everything(noisy), h)
    assert np.abs(restored - expected).max() < 0.1 * NOISE
    assert rmse(restored, expected) < 0.02 * NOISE


def test_tiles_of_non_local_means_do_not_show(noisy, monkeypatch):
    whole = non_local_means(noisy, everything(noisy), 0.12)
    monkeypatch.setattr(nlm, "TILE", 1)
    np.testing.assert_allclose(non_local_means(noisy, everything(noisy), 0.12), whole, atol=1e-6)


def test_similar_structure_is_found_in_other_planes():
    """In a stack of one plane repeated under independent noise, the search along Z averages the
    planes.
    """
    plane = blobs((24, 24))
    noisy = with_noise(np.stack([plane] * 9))
    across_planes = non_local_means(noisy, everything(noisy), 0.08, patch_distance=3)[4]
    within_plane = non_local_means(noisy[4], everything(noisy[4]), 0.08, patch_distance=3)
    assert rmse(across_planes, plane) < 0.8 * rmse(within_plane, plane)
