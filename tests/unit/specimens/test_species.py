"""What tells simulated species apart."""

import numpy as np
import pytest
import yaml
from made_up import ROOT

from denoising.specimens.species import SPECIES


def test_species_differ_in_the_size_of_their_nuclei():
    voxels = {
        name: 2 * np.average(kind.radii_um, weights=kind.radii_share) / kind.microscope.voxel_um[2]
        for name, kind in SPECIES.items()
    }
    assert 6 < voxels["planaria"] < 8 < voxels["tribolium"] < 16


@pytest.mark.parametrize("name", SPECIES)
def test_the_default_study_gives_the_exposures_of_its_species(name):
    """A config says what the archive's conditions are; here the species decides it."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    conditions = config["datasets"][name]["conditions"]
    given = {condition["name"]: condition["exposure"] for condition in conditions}
    exposures = dict(zip("123", SPECIES[name].exposures, strict=True))
    assert given == pytest.approx(exposures, rel=5e-3)
