"""SSIM from local moments: against windows written out voxel by voxel, and scikit-image."""

import numpy as np
import pytest
from formulas import n, specimen, windowed_ssim
from skimage.metrics import structural_similarity

from denoising.evaluation import ssim as ssim_module
from denoising.evaluation.ssim import SsimInputs, check_shapes, mean_ssims


def ssim(target, image, data_range):
    """SSIM of two images as they are."""
    means = (target.mean(), image.mean())
    return mean_ssims(target, image, means, [SsimInputs((1.0, 1.0), means, data_range)])[0]


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 7, 7), (7, 9, 8), (9, 10)], ids=str)
def test_data_range_2_raises_ssim(shape):
    truth, noisy = specimen(shape)
    y, x = n(truth, 0.1, 99.9), n(noisy, 3, 99.8)
    assert ssim(y, x, data_range=1) == pytest.approx(windowed_ssim(y, x, 1), rel=1e-6)
    assert ssim(y, x, data_range=2) == pytest.approx(windowed_ssim(y, x, 2), rel=1e-6)
    assert ssim(y, x, data_range=2) > ssim(y, x, data_range=1)


@pytest.mark.parametrize("planes", [7, 22, 23, 39])
def test_ssim_of_thick_volumes_is_scikit_images(planes):
    a, b = np.random.default_rng(0).random((2, planes, 8, 9))
    expected = structural_similarity(a, b, win_size=7, data_range=1)
    assert ssim(a, b, data_range=1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(19, 47, 20), (47, 20)], ids=str)
def test_ssim_does_not_depend_on_slabs_and_strips(monkeypatch, shape):
    truth, image = specimen(shape)
    expected = ssim(truth, image, data_range=2000)
    for slab, strip in ((1, 1), (3, 500), (1000, 2**30)):
        monkeypatch.setattr(ssim_module, "SLAB", slab)
        monkeypatch.setattr(ssim_module, "STRIP", strip)
        assert ssim(truth, image, data_range=2000) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 20, 20), (6, 20, 20), (3, 9)], ids=str)
def test_images_thinner_than_the_window_are_refused(shape):
    with pytest.raises(ValueError, match="needs 7 along every axis"):
        check_shapes(np.zeros(shape), np.zeros(shape))
