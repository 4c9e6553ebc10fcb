"""Moments, fits and errors: against numpy, csbdeep and the formulas."""

import threading

import numpy as np
import pytest
from csbdeep.utils import normalize_minmse
from formulas import n, specimen

from denoising.evaluation.moments import (
    IDENTITY,
    AffineFit,
    least_squares_fit,
    mean_squared_error,
    moments_of,
    nrmse,
    paper_fit,
    psnr,
    scale_to,
)

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
    assert nrmse(np.array([5.0, 5.0]), np.array([2.0, 9.0])) == pytest.approx(12.5**0.5)
    assert psnr(0.01, data_range=1) == pytest.approx(20)
    assert psnr(0.01, data_range=2) == pytest.approx(20 + 20 * np.log10(2))
    assert psnr(0.0, data_range=1) == np.inf


# Known answers


TRUTH = np.array([1.0, 2.0, 3.0, 6.0])
IMAGE = np.array([2.0, 4.0, 4.0, 10.0])


def test_moments_of_four_voxels():
    moments = moments_of(TRUTH, IMAGE)
    assert moments.count == 4
    assert (list(moments.lowest), list(moments.highest)) == ([1, 2], [6, 10])
    assert list(moments.mean) == [3, 5]
    assert moments.scatter.tolist() == [[14, 22], [22, 36]]


def test_parts_of_unequal_size_add_up_to_the_whole():
    one = moments_of(TRUTH[:1], IMAGE[:1])
    rest = moments_of(TRUTH[1:], IMAGE[1:])
    for total in (one + rest, rest + one):
        assert total.count == 4
        assert (list(total.lowest), list(total.highest)) == ([1, 2], [6, 10])
        assert list(total.mean) == pytest.approx([3, 5], rel=1e-12)
        np.testing.assert_allclose(total.scatter, [[14, 22], [22, 36]], rtol=1e-12)


def test_moments_of_other_units_are_mapped():
    mapped = moments_of(TRUTH, IMAGE).mapped((2.0, 3.0), (10.0, -1.0))
    expected = moments_of(2 * TRUTH + 10, 3 * IMAGE - 1)
    assert mapped.count == expected.count
    for name in ("lowest", "highest", "mean", "scatter"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(expected, name))


def test_images_are_left_as_they_were():
    truth, image = TRUTH.copy(), IMAGE.copy()
    moments_of(truth, image)
    assert (list(truth), list(image)) == (list(TRUTH), list(IMAGE))


def test_fits_of_four_voxels():
    """cov = 22 / 3 and var = 36 / 4 in the paper's fit, 22 / 36 in that of least squares."""
    moments = moments_of(TRUTH, IMAGE)
    assert least_squares_fit(moments) == pytest.approx((0, 22 / 36, 3 - 5 * 22 / 36), rel=1e-12)
    gain = (22 / 3) / (36 / 4)
    assert paper_fit(moments) == pytest.approx((-3, gain, -5 * gain), rel=1e-12)


def test_the_error_is_that_of_the_fitted_images():
    moments = moments_of(TRUTH, IMAGE)
    # Differences -1, -2, -1, -4
    assert mean_squared_error(moments, IDENTITY) == pytest.approx(22 / 4, rel=1e-12)
    fit = AffineFit(shift=1.0, gain=0.5, offset=-2.0)
    expected = np.mean((TRUTH + 1 - (0.5 * IMAGE - 2)) ** 2)
    assert mean_squared_error(moments, fit) == pytest.approx(expected, rel=1e-12)


def test_the_error_of_equal_images_is_never_negative():
    rng = np.random.default_rng(0)
    for _ in range(50):
        image = rng.random(100)
        moments = moments_of(image, 3 * image)
        assert mean_squared_error(moments, AffineFit(0.0, 1 / 3, 0.0)) >= 0


def test_a_large_offset_costs_no_digits():
    moments = moments_of(TRUTH + 1e9, IMAGE - 1e9)
    assert moments.scatter.tolist() == [[14, 22], [22, 36]]


# What has no moments, or no fit


@pytest.mark.parametrize("fit", [least_squares_fit, paper_fit])
def test_a_constant_image_has_no_fit(fit):
    moments = moments_of(TRUTH, np.full(4, 0.25))
    with pytest.raises(ValueError) as error:
        fit(moments)
    assert str(error.value) == (
        "the image is constant (0.25 everywhere), so it cannot be scaled to the ground truth;"
        " train the model anew, or leave it out."
    )
    assert fit(moments_of(np.full(4, 0.25), IMAGE)).gain == 0  # a constant truth has one


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_image_with_values_that_are_no_numbers_is_named(bad):
    spoilt = np.array([1.0, bad, 3.0, 6.0])
    said = "holds NaN or infinite values, which cannot be scored; make it again."
    for images, name in (((spoilt, IMAGE), "ground truth"), ((TRUTH, spoilt), "image")):
        with pytest.raises(ValueError) as error:
            moments_of(*images)
        assert str(error.value) == f"the {name} {said}"


# Threads and types


def test_so_many_blocks_are_read_at_a_time_as_there_are_threads(monkeypatch):
    monkeypatch.setattr("denoising.images.percentiles.BLOCK", 10)
    seen = []

    class Recorded(np.ndarray):
        def __getitem__(self, place):
            seen.append(threading.get_ident())
            return np.asarray(self)[place]

    truth = np.arange(1000.0).view(Recorded)
    for threads in (1, 3):
        seen.clear()
        moments_of(truth, np.arange(1000.0), threads)
        assert len(set(seen)) <= threads
    seen.clear()
    moments_of(truth, np.arange(1000.0))  # one by default
    assert len(set(seen)) == 1


def test_integers_do_not_overflow():
    truth = np.array([0, 200, 255, 255], np.uint8)
    moments = moments_of(truth, truth[::-1])
    assert list(moments.mean) == [177.5, 177.5]
    assert moments.scatter[0, 0] == ((truth - 177.5) ** 2).sum()
