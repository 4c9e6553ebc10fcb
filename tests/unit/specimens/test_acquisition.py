"""Simulated imaging: blur, photon statistics, attenuation and saturation against known answers."""

from dataclasses import replace

import numpy as np
import pytest

from denoising.specimens.acquisition import acquire
from denoising.specimens.species import SPECIES


def plain(species, **changes):
    """The species without what makes a flat field uneven: attenuation and crosstalk."""
    scope = replace(SPECIES[species].microscope, crosstalk=0.0)
    return replace(SPECIES[species], microscope=scope, **({"attenuation_um": np.inf} | changes))


def test_a_point_is_blurred_by_the_psf_and_keeps_its_light():
    species = plain("planaria", aberration=5.0)  # wide enough to be sampled well
    scope = species.microscope
    point = np.zeros((41, 41, 41), np.float32)
    point[20, 20, 20] = 2e5
    image = acquire(point, species, [1.0], np.random.default_rng(0))[0].astype(float)
    electrons = (image - scope.offset_adu) * scope.electrons_per_adu - scope.dark_electrons
    assert electrons.sum() == pytest.approx(scope.quantum_efficiency * 2e5, rel=0.02)
    electrons[electrons < 5] = 0  # the second moment would gather noise from afar
    distance = np.arange(41) - 20
    for axis, width in enumerate(5 * scope.psf_um() / scope.voxel_um):
        profile = electrons.sum(tuple({0, 1, 2} - {axis}))
        found = np.sqrt((profile * distance**2).sum() / profile.sum())
        assert found == pytest.approx(width, rel=0.03)


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("exposure", [1.0, 0.05])
def test_photon_statistics_of_a_flat_field(species, exposure):
    kind = plain(species)
    scope = kind.microscope
    field = np.full((16, 96, 96), 40.0, np.float32)
    image = acquire(field, kind, [exposure], np.random.default_rng(1))[0].astype(float)
    electrons = scope.quantum_efficiency * 40 * exposure + scope.dark_electrons
    gain = 1 / scope.electrons_per_adu
    variance = scope.excess_noise * electrons + scope.read_noise_electrons**2
    assert image.mean() == pytest.approx(scope.offset_adu + gain * electrons, rel=0.01)
    assert image.var() == pytest.approx(gain**2 * variance + 1 / 12, rel=0.04)


def test_light_fades_with_depth():
    species = plain("planaria", attenuation_um=30.0)
    field = np.full((24, 48, 48), 2e3, np.float32)
    image = acquire(field, species, [1.0], np.random.default_rng(2))[0].astype(float)
    planes = image.mean((1, 2)) - species.microscope.offset_adu
    depth = np.arange(24) * species.microscope.voxel_um[0]
    inner = slice(5, -5)  # blur mirrors at the ends
    slope = np.polyfit(depth[inner], np.log(planes[inner]), 1)[0]
    assert slope == pytest.approx(-1 / 30, rel=0.02)


def test_bright_light_saturates_rather_than_wraps():
    species = plain("planaria")
    image = acquire(np.full((4, 8, 8), 1e6), species, [1.0], np.random.default_rng(0))
    assert (image == 65535).all()
