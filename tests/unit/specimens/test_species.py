"""What tells simulated species apart."""

import numpy as np

from denoising.specimens.species import SPECIES


def test_species_differ_in_the_size_of_their_nuclei():
    voxels = {
        name: 2 * np.average(kind.radii_um, weights=kind.radii_share) / kind.microscope.voxel_um[2]
        for name, kind in SPECIES.items()
    }
    assert 6 < voxels["planaria"] < 8 < voxels["tribolium"] < 16
