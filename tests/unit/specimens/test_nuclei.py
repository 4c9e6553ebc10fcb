"""Simulated specimens: nuclei that do not overlap and have their size, in tissue."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from denoising.specimens import nuclei
from denoising.specimens.nuclei import simulate_specimen
from denoising.specimens.species import SPECIES


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("shape", [(8, 48, 48), (24, 96, 64)])
def test_specimens_have_nuclei_and_tissue_and_are_repeatable(species, shape):
    kind = SPECIES[species]
    specimens = [simulate_specimen(kind, shape, np.random.default_rng(s)) for s in (5, 5, 6)]
    one, two, other = (specimen.photons for specimen in specimens)
    np.testing.assert_array_equal(specimens[0].centres_um, specimens[1].centres_um)
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


@pytest.mark.parametrize("species", SPECIES)
def test_the_nuclei_listed_are_the_bright_places(species):
    kind = SPECIES[species]
    shape = (16, 64, 64)
    specimen = simulate_specimen(kind, shape, np.random.default_rng(9))
    voxel = np.array(kind.microscope.voxel_um)
    place = specimen.centres_um / voxel
    nearest = np.clip(np.rint(place), 0, np.array(shape) - 1).astype(int)
    off = np.linalg.norm(specimen.centres_um - nearest * voxel, axis=1)
    assert (off < specimen.radii_um + voxel[0] / 2).all()  # each reaches into the volume
    is_inside = (np.abs(place - nearest) <= 0.5).all(axis=1)
    assert 10 < is_inside.sum() < len(place)
    light = specimen.photons[tuple(nearest[is_inside].T)]
    assert (light > 2 * np.median(specimen.photons)).mean() > 0.95
    # Nothing bright is left without a nucleus
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) * voxel
    is_bright = specimen.photons > 0.6 * kind.photons
    distance, nucleus = cKDTree(specimen.centres_um).query(grid[is_bright])
    assert (distance < kind.elongation * specimen.radii_um[nucleus] + voxel[0]).mean() > 0.99


def test_live_planaria_are_dimmer_over_more_background():
    kind = SPECIES["planaria"]
    fixed, live = (
        simulate_specimen(kind, (8, 48, 48), np.random.default_rng(8), preparation).photons
        for preparation in kind.preparations
    )
    assert np.percentile(live, 99) < 0.85 * np.percentile(fixed, 99)
    assert np.median(live) > 1.2 * np.median(fixed)
