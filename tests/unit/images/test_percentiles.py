"""Percentiles of images of any size and type are numpy's, found in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from denoising.images import percentiles as module
from denoising.images.percentiles import limits, normalisation, percentiles

WANTED = [0, 0.1, 3, 50, 99.8, 99.9, 100]
RNG = np.random.default_rng(0)


def image_of(dtype, shape):
    """Values over all that the type holds, negative ones too where it has them, with repeats."""
    kind, size = np.dtype(dtype).kind, np.dtype(dtype).itemsize
    if kind == "f":
        values = RNG.normal(0, 100, shape) * 10.0 ** RNG.integers(-2, 2, shape)
    else:
        top = min(2 ** (8 * size) - 1, 2**40)
        values = RNG.integers(
            0 if kind == "u" else -(top // 2), top if kind == "u" else top // 2, shape
        )
    values.flat[: values.size // 4] = values.flat[0]
    return values.astype(dtype)


@pytest.mark.parametrize(
    "values", [[0.0, -0.0, -0.0], [-1e-45, 1e-45], [np.inf, 1, -np.inf], [3.4e38, -3.4e38, 0]]
)
def test_odd_floats_are_in_order(values):
    image = np.array(values, np.float32)
    ranks = [100 * i / (len(values) - 1) for i in range(len(values))]
    np.testing.assert_array_equal(percentiles(image, ranks), np.sort(image).astype(float))


@pytest.mark.parametrize("bad", [np.nan, -np.nan])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_anywhere_is_told(dtype, bad):
    image = image_of(dtype, (3, 4, 5))
    image[1, 2, 3] = bad
    assert np.isnan(percentiles(image, [3, 50])).all()


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_views_of_larger_images_will_do(dtype):
    image = image_of(dtype, (6, 20, 30))[::2, 3:, ::-3]
    np.testing.assert_allclose(
        percentiles(image, WANTED), np.percentile(image.astype(float), WANTED), rtol=1e-12
    )


@pytest.mark.parametrize("block", [1, 50, 2**30])
def test_blocks_make_no_difference(monkeypatch, block):
    image = image_of("f4", (7, 9, 11))
    expected = percentiles(image, WANTED)
    monkeypatch.setattr(module, "BLOCK", block)
    assert percentiles(image, WANTED) == expected


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_memory_does_not_grow_with_the_image(dtype):
    peaks = []
    for planes in (4, 40):
        image = image_of(dtype, (planes, 1024, 512))
        tracemalloc.start()
        percentiles(image, [3, 99.8])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float16, np.float32, np.float64],
)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 33, 41)])
def test_percentiles_in_small_blocks_are_numpys(dtype, shape, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 250)
    rng = np.random.default_rng(0)
    values = (
        rng.integers(0, 250, shape)
        if np.dtype(dtype).kind == "u"
        else 50 * rng.standard_normal(shape) - 3
    )
    percents = (0, 0.1, 3, 50, 66.6, 99.8, 100)
    image = values.astype(dtype)
    np.testing.assert_allclose(
        percentiles(image, percents), np.percentile(image.astype(float), percents), rtol=1e-12
    )


def test_percentiles_of_signed_zeros_infinities_and_nan():
    image = np.array([-np.inf, -1, -0.0, 0.0, 1e-42, 1, np.inf], np.float32)
    assert percentiles(image, (50, 100 / 6)) == [0, -1]
    assert np.isnan(percentiles(np.array([1, np.nan, 2], np.float32), (3, 50))).all()
    assert np.isnan(percentiles(np.array([1, -np.nan, 2], np.float32), (3, 50))).all()
    with pytest.raises(ValueError, match="NaN"):
        normalisation(np.array([1, np.nan, 2, 3], np.float32), 3, 99.8)


def test_normalisation_maps_the_percentiles_to_0_and_1():
    gain, offset = normalisation(
        np.arange(101, dtype=np.uint16), 3, 99.8
    )  # its p-th percentile is p
    assert gain * 3 + offset == pytest.approx(0)
    assert gain * 99.8 + offset == pytest.approx(1)


@pytest.mark.parametrize(("scale", "start"), [(1, 0), (7, 100), (0.01, -3)])
def test_normalisation_undoes_gain_and_offset(scale, start):
    image = RNG.integers(0, 200, (5, 6, 7)).astype(float)
    (gain, offset), (scaled, shifted) = (
        normalisation(image, 1, 99),
        normalisation(image * scale + start, 1, 99),
    )
    np.testing.assert_allclose(
        scaled * (image * scale + start) + shifted, gain * image + offset, atol=1e-9
    )


@pytest.mark.parametrize(("image", "value"), [(np.full((5, 5), 7, np.uint16), 7), (np.eye(200), 0)])
def test_constant_and_nearly_empty_images_have_no_normalisation(image, value):
    with pytest.raises(
        ValueError, match=f"3 and 99 of the input are both {value}: .* leave it out"
    ):
        normalisation(image, 3, 99, "the input")


# Messages in full, and blocks


def test_what_has_no_normalisation_is_said_in_a_sentence():
    spoilt = np.array([1, np.nan, 2, 3], np.float32)
    flat = np.full((5, 5), 7, np.uint16)
    for call in (limits, normalisation):
        with pytest.raises(ValueError) as error:
            call(spoilt, 3, 99.8)
        assert str(error.value) == (
            "the image holds NaN or infinite values, which cannot be normalised; export it again."
        )
        with pytest.raises(ValueError) as error:
            call(flat, 3, 99.8)
        assert str(error.value) == (
            "percentiles 3 and 99.8 of the image are both 7: a constant image cannot be normalised;"
            " leave it out or export it again, or if it is sparse, raise the second of the"
            " percentiles (the dataset's patches.percentiles, or restore.percentiles)."
        )


def test_an_image_with_infinite_percentiles_has_no_limits():
    image = np.array([-np.inf] * 5 + [1.0] * 90 + [np.inf] * 5)
    with pytest.raises(ValueError, match="the stack holds NaN or infinite values"):
        limits(image, 3, 50, "the stack")
    with pytest.raises(ValueError, match="the stack holds NaN or infinite values"):
        limits(image, 50, 99, "the stack")
    assert limits(np.array([-np.inf, 0.0, 1.0, 2.0, np.inf]), 25, 75) == (0, 2)


def test_limits_are_the_two_percentiles():
    image = np.arange(201, dtype=np.uint8)[::-1]
    assert limits(image, 5, 95) == (10, 190)


@pytest.mark.parametrize("shape", [(100,), (9, 31), (3, 4, 25)])
def test_blocks_are_all_of_the_image_once_and_as_large_as_allowed(monkeypatch, shape):
    monkeypatch.setattr(module, "BLOCK", 50)
    image = np.zeros(shape, int)
    sizes = []
    for block in module.blocks(image):
        image[block] += 1
        sizes.append(image[block].size)
    assert (image == 1).all()
    assert max(sizes) <= 50
    assert len(sizes) <= 2 * image.size / 50 + 1
