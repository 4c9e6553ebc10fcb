"""Moments, fits and errors: against numpy, csbdeep and the formulas."""

import numpy as np
import pytest
from csbdeep.utils import normalize_minmse
from formulas import n, specimen

from denoising.evaluation.moments import least_squares_fit, moments_of, nrmse, psnr, scale_to

SHAPES = [(8, 8, 8), (7, 7, 7), (7, 9, 8), (9, 10)]


@pytest.fixture(params=SHAPES, ids=str)
def images(request):
    """A ground truth in camera counts, and a restoration with an offset and a gain of its own."""
    truth, _ = specimen(request.param)
    error = np.random.default_rng(2).normal(0, 0.05, truth.shape)
    return truth, (0.3 + 0.6 * truth / 3200 + error).astype(np.float32)


@pytest.mark.parametrize("block", [1, 1000, 2**30])
def test_moments_do_not_depend_on_the_blocks(monkeypatch, images, block):
    monkeypatch.setattr("denoising.images.percentiles.BLOCK", block)
    moments = moments_of(*images)
    both = np.stack([image.ravel() for image in images]).astype(float)
    assert moments.count == both.shape[1]
    np.testing.assert_allclose(moments.mean, both.mean(1), rtol=1e-12)
    np.testing.assert_allclose(moments.scatter, np.cov(both) * (both.shape[1] - 1), rtol=1e-12)
    np.testing.assert_array_equal([moments.lowest, moments.highest], [both.min(1), both.max(1)])


def test_the_least_squares_fit_is_csbdeeps(images):
    truth, restored = images
    y, q = n(truth, 0.1, 99.9), restored.astype(float)
    fit = least_squares_fit(moments_of(y, q))
    np.testing.assert_allclose(fit.gain * q + fit.offset, normalize_minmse(q, y), atol=1e-7)


def test_scale_is_n_over_n_minus_1_times_the_least_squares_one(images):
    truth, restored = images
    target, scaled = scale_to(n(truth, 0.1, 99.9), restored.astype(float))
    fit = normalize_minmse(restored.astype(float), n(truth, 0.1, 99.9))
    np.testing.assert_allclose(
        scaled, (fit - fit.mean()) * truth.size / (truth.size - 1), atol=1e-12
    )
    assert abs(target.mean()) < 1e-12
    assert abs(scaled.mean()) < 1e-12


def test_psnr_and_nrmse_of_known_errors():
    truth = np.zeros((7, 7, 7))
    assert nrmse(truth, truth + 0.1) == pytest.approx(0.1)
    assert psnr(0.01, data_range=1) == pytest.approx(20)
    assert psnr(0.01, data_range=2) == pytest.approx(20 + 20 * np.log10(2))
    assert psnr(0.0, data_range=1) == np.inf
