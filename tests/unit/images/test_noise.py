"""How noisy images are, by themselves, and by it whether the two of a pair are swapped."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from denoising.images.findings import LEAST_NOISE
from denoising.images.noise import noise
from denoising.specimens.acquisition import acquire
from denoising.specimens.nuclei import simulate_specimen
from denoising.specimens.species import SPECIES

REAL = Path(__file__).parents[4] / "shared" / "data" / "pairs2d"


def scene(shape, noise=0.0, seed=0):
    """A smooth specimen of range 1 or so, and noise."""
    y, x = np.indices(shape)[-2:]
    smooth = np.sin(x / 9) * np.cos(y / 7) / 2
    return smooth + np.random.default_rng(seed).normal(0, noise, shape) if noise else smooth


@pytest.mark.parametrize("shape", [(96, 80), (5, 96, 80)])
@pytest.mark.parametrize("known", [0.02, 0.1])
def test_noise_is_known_whatever_gain_and_offset(shape, known):
    image = scene(shape, known)
    low, high = np.percentile(image, (3, 99.8))
    assert noise(image) == pytest.approx(known / (high - low), rel=0.1)
    assert noise(1000 + 300 * image) == pytest.approx(noise(image), rel=1e-3)


def test_hot_pixels_and_edges_are_no_noise():
    image = scene((96, 80), 0.02)
    spoilt = image.copy()
    spoilt[[10, 50], [20, 70]] = 50
    spoilt[60:] += 0.01
    assert noise(spoilt) == pytest.approx(noise(image), rel=0.05)


@pytest.mark.parametrize("shape", [(8, 8), (2, 9), (9, 2), (1, 1)])
def test_noise_of_what_cannot_tell_is_not_known(shape):
    assert np.isnan(noise(np.zeros(shape, np.uint16)))


@pytest.mark.parametrize("species", list(SPECIES))
def test_simulated_pairs_are_told_from_swapped_ones(species):
    of = SPECIES[species]
    rng = np.random.default_rng(4)
    photons = simulate_specimen(of, (8, 96, 96), rng).photons
    images = acquire(photons, of, (*of.exposures, 1.0), rng)
    *low, high = map(noise, images)
    assert min(low) / high > 1.8
    assert high / min(low) < LEAST_NOISE


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pairs are not here")
@pytest.mark.parametrize("name", ["BPAE_B", "mice", "fish"])
def test_real_pairs_are_told_from_swapped_ones(name):
    low, high = (
        noise(tifffile.imread(REAL / f"fmd_{name}_{side}.tif")) for side in ("noisy", "gt")
    )
    assert low / high > 2.5
