"""Where the images of a pair lie: known shifts, noise that hides them, and images of odd shapes."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from noisy_images import blobs, with_noise
from scipy.ndimage import shift as moved

from denoising.images.registration import CROP, alignment, shift

REAL = Path(__file__).parents[4] / "shared" / "data" / "pairs2d"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pairs are not here")
@pytest.mark.parametrize("name", ["BPAE_B", "mice", "fish"])
@pytest.mark.parametrize("step", [(0, 0), (0.5, -0.3), (-7, 5)])
def test_real_images_are_found_where_they_were_put(name, step):
    truth = tifffile.imread(REAL / f"fmd_{name}_gt.tif").astype(np.float32)
    noise = 0.1 * np.ptp(np.percentile(truth, (3, 99.8)))
    low = with_noise(moved(truth, step, mode="reflect"), noise)
    assert shift(low, truth) == pytest.approx(step, abs=0.11)


@pytest.mark.parametrize("shape", [(64, 64), (12, 40, 40)])
def test_noise_has_no_place(shape):
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert np.isnan(shift(rng.normal(size=shape), rng.normal(size=shape))).all()


def test_an_image_under_too_much_noise_is_not_guessed_at():
    truth = blobs((96, 80))
    assert np.isnan(shift(with_noise(truth, 3), truth)).all()


def test_a_constant_crop_has_no_place():
    assert np.isnan(shift(np.zeros((20, 20)), np.zeros((20, 20)))).all()


def test_thin_stacks_have_no_shift_along_z():
    truth = blobs((5, 96, 80))
    low = with_noise(moved(truth, (0, 2, 0), mode="reflect"))
    z, y, x = alignment(low, with_noise(truth, 0.02, 2)).shift
    assert np.isnan(z)
    assert (y, x) == pytest.approx((2, 0), abs=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (1, 7, 7), (9, 1, 1)])
def test_small_images_are_no_error(shape):
    image = np.random.default_rng(0).integers(0, 99, shape)
    assert len(alignment(image, image).shift) == len(shape)


def test_the_centre_of_a_large_stack_is_compared():
    shape = tuple(size + 30 for size in CROP)
    truth = np.zeros(shape, np.float32)
    centre = tuple(slice(15, 15 + size) for size in CROP)
    truth[centre] = blobs(CROP)
    low = np.full(shape, 5, np.float32)  # whatever lies outside
    low[centre] = with_noise(truth[centre])
    assert alignment(low, truth).shift == pytest.approx((0, 0, 0), abs=0.11)
