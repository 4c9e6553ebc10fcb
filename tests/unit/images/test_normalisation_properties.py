"""Percentiles and normalisation of any image: numpy's, in any units, undone by gain and offset."""

from pathlib import Path

import drawn_examples  # noqa: F401  # how hypothesis draws
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from denoising.images.headers import Header, Normalisation
from denoising.images.percentiles import normalisation, percentiles

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=9)
NUMBERS = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
)
RANKS = st.lists(st.floats(0, 100), min_size=1, max_size=5)
COUNTS = hnp.arrays(np.uint16, SHAPES)


@st.composite
def images(draw):
    """Numbers of any type that have a float64, with repeats."""
    dtype = draw(NUMBERS)
    elements = None
    if dtype.kind == "f":
        elements = {"allow_nan": False, "allow_infinity": False}
    image = draw(hnp.arrays(dtype, SHAPES, elements=hnp.from_dtype(dtype, **(elements or {}))))
    return image if dtype.itemsize < 8 or dtype.kind == "f" else image % 2**40


@given(images(), RANKS)
def test_percentiles_are_numpys(image, ranks):
    values = image.astype(np.float64)
    assume(np.isfinite(np.ptp(values)))
    expected = np.percentile(values, ranks)
    largest = np.abs(values).max()
    np.testing.assert_allclose(percentiles(image, ranks), expected, 1e-12, 1e-12 * largest)


@given(images())
def test_the_ends_are_the_least_and_the_largest_value(image):
    assert percentiles(image, [0, 100]) == [float(image.min()), float(image.max())]


@given(COUNTS, st.floats(0.01, 100), st.floats(-1000, 1000), st.floats(0, 40), st.floats(60, 100))
def test_a_normalised_image_has_no_units(image, gain, offset, low, high):
    """N(gain u + offset) is N(u)."""
    lowest, highest = percentiles(image, (low, high))
    assume(highest > lowest)
    scale = normalisation(image, low, high)
    in_other_units = gain * image.astype(np.float64) + offset
    other = normalisation(in_other_units, low, high)
    range_of_values = np.ptp(image) / (highest - lowest)
    np.testing.assert_allclose(
        other[0] * in_other_units + other[1],
        scale[0] * image.astype(np.float64) + scale[1],
        atol=1e-7 * max(1, range_of_values),
    )
    ends = scale[0] * np.array([lowest, highest]) + scale[1]
    np.testing.assert_allclose(ends, [0, 1], atol=1e-9)


@given(st.integers(0, 65535), st.integers(1, 4), st.floats(0, 100), st.floats(0, 100))
def test_a_constant_image_is_refused(value, size, low, high):
    with pytest.raises(ValueError, match="a constant image cannot be normalised"):
        normalisation(np.full((size, size), value, np.uint16), low, high)


@given(COUNTS, st.integers(-(10**6), 10**6), st.floats(0.001, 10**5))
def test_normalising_is_undone_by_the_scale_even_beside_a_large_offset(image, ranges, width):
    low = ranges * width
    values = low + width * (image / 997 - 5.3)
    norm = Normalisation(low, low + width)
    gain, offset = norm.scale
    restored = norm.apply(values).astype(np.float64) * gain + offset
    # float32 rounds the normalised image, and an offset that is no more than 1000 ranges
    reach = np.abs(values - low).max() + min(abs(low), 1001 * width)
    np.testing.assert_allclose(restored, values, rtol=1e-12, atol=4e-7 * reach)


@given(
    COUNTS,
    st.sampled_from(["uint8", "uint16", "int16"]),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
def test_whole_numbers_with_gain_and_offset_give_their_values_back(image, dtype, gain, offset):
    limits = np.iinfo(dtype)
    values = (image % 200).astype(np.float64) * gain + offset
    stored_offset = offset - gain * limits.min
    header = Header(
        "ZYX"[-image.ndim :], image.shape, np.dtype(dtype), (None,) * 3, gain, stored_offset
    )
    stored = header.encode(values, Path("worm.tif"))
    assert stored.dtype == dtype
    decoded = header.decode(stored)
    assert np.abs(decoded - values).max() <= gain / 2 + 1e-3 * (1 + gain)
