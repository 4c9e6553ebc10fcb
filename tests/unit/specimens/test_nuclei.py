"""Simulated specimens: nuclei that do not overlap and have their size, in tissue."""

from dataclasses import replace

import numpy as np
import pytest

from denoising.specimens import nuclei
from denoising.specimens.nuclei import simulate_specimen
from denoising.specimens.species import SPECIES


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("shape", [(8, 48, 48), (24, 96, 64)])
def test_specimens_have_nuclei_and_tissue_and_are_repeatable(species, shape):
    kind = SPECIES[species]
    one, two, other = (simulate_specimen(kind, shape, np.random.default_rng(s)) for s in (5, 5, 6))
    assert (one.shape, one.dtype) == (shape, np.float32)
    assert (one >= 0).all()
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert 0.03 < (one > 0.4 * kind.photons).mean() < 0.5


@pytest.mark.parametrize("species", SPECIES)
def test_nuclei_do_not_overlap(species):
    kind = SPECIES[species]
    rng = np.random.default_rng(7)
    centres, radii = nuclei._place_nuclei(kind, np.full((16, 64, 64), 10.0), rng)
    assert len(radii) > 30
    distance = np.linalg.norm(centres[:, None] - centres, axis=2)
    reach = radii * kind.elongation ** (2 / 3)  # of the longest axis
    np.fill_diagonal(distance, np.inf)
    assert (distance >= reach[:, None] + reach + kind.gap_um).all()


def test_a_drawn_nucleus_has_its_volume():
    kind = replace(SPECIES["tribolium"], spread=0.0)
    centre, radius = np.array([[16.0, 14.2, 13.9]]), np.array([5.0])
    image = nuclei._draw_nuclei(kind, (16, 40, 40), centre, radius, np.random.default_rng(0))
    volume = image.sum() * np.prod(kind.microscope.voxel_um)
    assert volume == pytest.approx(4 / 3 * np.pi * 5**3, rel=0.05)


def test_live_planaria_are_dimmer_over_more_background():
    kind = SPECIES["planaria"]
    fixed, live = (
        simulate_specimen(kind, (8, 48, 48), np.random.default_rng(8), preparation)
        for preparation in kind.preparations
    )
    assert np.percentile(live, 99) < 0.85 * np.percentile(fixed, 99)
    assert np.median(live) > 1.2 * np.median(fixed)
