"""What images look like: known answers on white noise and waves, and what is said of a stranger."""

import re

import numpy as np
import pytest

from denoising.images.appearance import appearance, measures, outside, seen_in
from denoising.images.headers import Normalisation

AS_IT_IS = Normalisation(0.0, 1.0)


def wave(period, shape=(64, 64), amplitude=0.3):
    return (
        np.full(shape[0], 1)[:, None] * amplitude * np.sin(2 * np.pi * np.arange(shape[1]) / period)
    )


def noisy(image, sigma, seed=0):
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape)


@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_noise_is_that_of_white_noise(sigma):
    assert measures(noisy(np.zeros((128, 128)), sigma))["noise"] == pytest.approx(sigma, rel=0.03)


def test_contrast_leaves_out_the_noise():
    smooth = measures(wave(32))["contrast"]
    assert smooth == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    assert measures(noisy(wave(32), 0.2))["contrast"] == pytest.approx(smooth, rel=0.05)


def test_fineness_orders_periods_with_and_without_noise():
    for sigma in (0, 0.1):
        found = [measures(noisy(wave(period), sigma))["fineness"] for period in (40, 20, 12)]
        assert found == sorted(found)
        assert found[0] < 0.15


def test_blocks_are_those_that_show_more_than_background():
    image = noisy(np.zeros((64, 128)), 0.01)
    image[:, 64:] += noisy(1 + wave(32), 0.1)
    found = appearance(image, AS_IT_IS, (16, 64))
    assert found["noise"] == pytest.approx(0.1, rel=0.1)
    assert found["contrast"] == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_gain_and_offset_of_an_image_do_not_count():
    image = noisy(wave(32), 0.1)
    found = appearance(1e8 + 40 * image, Normalisation(1e8, 1e8 + 40), (32, 32))
    assert found == pytest.approx(appearance(image, AS_IT_IS, (32, 32)), rel=1e-3)


def test_stacks_and_images_smaller_than_a_patch_have_measures():
    stack = noisy(np.broadcast_to(wave(32), (5, 64, 64)), 0.1)
    assert appearance(stack, AS_IT_IS, (16, 128, 128))["noise"] == pytest.approx(0.1, rel=0.1)


@pytest.fixture
def seen():
    patches = np.stack([noisy(wave(32), 0.1, seed) for seed in range(40)])
    return seen_in(patches, np.arange(30))


def test_an_image_like_those_of_training_is_not_remarked(seen):
    assert outside(measures(noisy(wave(32), 0.1, 99)), seen) == []


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (noisy(wave(32), 0.3), r"2\.\d times noisier"),
        (noisy(wave(32), 0.01), r"\d+\.\d times less noisy"),
        (noisy(wave(32, amplitude=0.03), 0.1), r"\d\.\d times less contrasted"),
        (noisy(wave(10), 0.1), "of finer structures"),
    ],
)
def test_how_an_image_differs_is_said(seen, image, said):
    found = " and ".join(outside(measures(image), seen))
    assert re.search(said, found), found


@pytest.mark.parametrize("shape", [(2, 40), (40, 2), (9, 2, 2)])
def test_a_block_too_small_for_a_measure_has_none(shape):
    found = measures(np.ones(shape))
    assert found and all(np.isnan(value) for value in found.values())


def test_an_image_of_coarser_structures_than_any_in_training_is_said_to_be(seen):
    coarsest = measures(noisy(wave(32), 0.1)) | {"fineness": seen["fineness"][0]}
    assert outside(coarsest, seen) == []
    assert outside(coarsest | {"fineness": coarsest["fineness"] - 1}, seen) == [
        "of coarser structures"
    ]
