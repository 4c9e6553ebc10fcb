"""Affine fits of any images: no other gain or offset is better, and parts give the whole's."""

import drawn_examples  # noqa: F401  # how hypothesis draws
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoising.evaluation.moments import (
    AffineFit,
    least_squares_fit,
    mean_squared_error,
    moments_of,
    paper_fit,
)

VALUES = st.floats(-1000, 1000, width=32)


@st.composite
def images(draw, least=3):
    """A ground truth and an image of one shape; neither is nearly constant."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7))
    assume(np.prod(shape) >= least)
    truth, image = (draw(hnp.arrays(np.float32, shape, elements=VALUES)) for _ in range(2))
    assume(np.ptp(truth) > 0.1 and np.ptp(image) > 0.1)
    return truth, image


def error(truth, image, fit):
    y, q = truth.astype(float), image.astype(float)
    return np.mean((y + fit.shift - fit.gain * q - fit.offset) ** 2)


@given(images(), st.floats(-1, 1), st.floats(-10, 10))
def test_no_other_gain_and_offset_have_a_smaller_error(pair, gain, offset):
    fit = least_squares_fit(moments_of(*pair))
    other = AffineFit(0.0, fit.gain + gain, fit.offset + offset)
    least = error(*pair, fit)
    assert least <= error(*pair, other) * (1 + 1e-9) + 1e-6


@given(images())
def test_what_a_fit_leaves_has_no_mean_and_no_correlation_with_the_image(pair):
    truth, image = (values.astype(float) for values in pair)
    fit = least_squares_fit(moments_of(*pair))
    left = truth - fit.gain * image - fit.offset
    scale = np.abs(truth).max() * image.size
    assert abs(left.sum()) < 1e-9 * scale + 1e-6
    assert abs((left * (image - image.mean())).sum()) < 1e-8 * scale * np.ptp(image)


@given(images(), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_a_truth_in_other_units_is_fitted_exactly(pair, gain, offset):
    image = pair[1].astype(float)
    fit = least_squares_fit(moments_of(gain * image + offset, image))
    scale = 1 + abs(offset) + gain * np.abs(image).max()
    np.testing.assert_allclose(
        fit.gain * image + fit.offset, gain * image + offset, atol=1e-9 * scale
    )


@given(images())
def test_the_papers_gain_is_n_over_n_minus_1_times_the_least_squares_one(pair):
    moments = moments_of(*pair)
    paper, least = paper_fit(moments), least_squares_fit(moments)
    count = pair[0].size
    np.testing.assert_allclose(paper.gain, least.gain * count / (count - 1), rtol=1e-12)
    compared = paper.gain * pair[1].astype(float) + paper.offset
    assert abs(compared.mean()) < 1e-6 * (1 + np.abs(compared).max())


@given(images(), st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100))
def test_the_error_is_known_from_the_moments(pair, gain, offset, shift):
    fit = AffineFit(shift, gain, offset)
    expected = error(*pair, fit)
    np.testing.assert_allclose(mean_squared_error(moments_of(*pair), fit), expected, 1e-6, 1e-6)


@given(images(least=4), st.data())
def test_moments_of_parts_are_those_of_the_whole(pair, data):
    y, q = (values.ravel() for values in pair)
    cut = data.draw(st.integers(1, len(y) - 1))
    whole = moments_of(y, q)
    parts = moments_of(y[:cut], q[:cut]) + moments_of(y[cut:], q[cut:])
    assert parts.count == whole.count
    np.testing.assert_array_equal(parts.lowest, whole.lowest)
    np.testing.assert_array_equal(parts.highest, whole.highest)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(parts.scatter, whole.scatter, rtol=1e-9, atol=1e-4)
