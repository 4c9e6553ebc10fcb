"""The folded forward pass gives what the network gives layer by layer."""

import pytest
from random_networks import random_network

from denoising.restoration.forward_pass import most_voxels_at_once


def test_tiles_follow_from_the_memory_and_the_network_unless_they_are_set():
    narrow, wide = (random_network("YX", 1, 3, False, width=width) for width in (2, 8))
    assert most_voxels_at_once(narrow, None, 1e9) > 3 * most_voxels_at_once(wide, None, 1e9)
    assert most_voxels_at_once(wide, None, 2e9) == pytest.approx(
        2 * most_voxels_at_once(wide, None, 1e9), rel=1e-4
    )
    assert most_voxels_at_once(wide, 4096, 1e9) == 4096
