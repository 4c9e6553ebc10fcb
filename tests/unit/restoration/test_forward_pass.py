"""The folded forward pass gives what the network gives layer by layer."""

import itertools

import pytest
from random_networks import assert_equal, image, random_network

from denoising.restoration.forward_pass import compiled, most_voxels_at_once


def plain(model, tiles, begin, core):
    """The network layer by layer over whole tiles, cut to their cores."""
    cores = tuple(slice(first, first + size) for first, size in zip(begin, core, strict=True))
    return model.keras_model(tiles).numpy()[(slice(None), *cores)]


NETWORKS = {
    # axes, depth, kernel, tile, core
    "2D": ("YX", 2, 3, (64, 80), (16, 24)),
    "2D-deep": ("YX", 3, 3, (96, 88), (8, 16)),
    "2D-wide-kernel": ("YX", 2, 5, (64, 64), (4, 4)),
    "2D-widest-kernel": ("YX", 1, 7, (32, 40), (6, 2)),
    "3D": ("ZYX", 2, 3, (24, 28, 32), (4, 8, 4)),
    "3D-flat": ("ZYX", 1, 3, (2, 40, 30), (2, 4, 6)),
    "core-is-tile": ("ZYX", 1, 3, (8, 10, 12), (8, 10, 12)),
}


@pytest.mark.parametrize("probabilistic", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("axes", "depth", "kernel", "tile", "core"), NETWORKS.values(), ids=NETWORKS
)
def test_cores_are_what_the_network_gives_layer_by_layer(
    axes, depth, kernel, tile, core, channels, probabilistic
):
    """In the corners of the tile, where it is padded, and in the middle."""
    model = random_network(axes, depth, kernel, probabilistic, channels)
    tiles = image((2, *tile, channels))
    folded = compiled(model, tile, core)
    step = 2**depth
    last = [size - length for size, length in zip(tile, core, strict=True)]
    corners = itertools.product(*(sorted({0, size}) for size in last))
    for begin in [*corners, [size // 2 // step * step for size in last]]:
        assert_equal(folded(tiles, begin), plain(model, tiles, begin, core))


def test_a_network_that_adds_no_residual_gives_the_same_too():
    model = random_network("YX", 2, 3, True, residual=False)
    tiles = image((1, 64, 80, 1))
    found = compiled(model, (64, 80), (16, 24))(tiles, (24, 28))
    assert_equal(found, plain(model, tiles, (24, 28), (16, 24)))


def test_tiles_follow_from_the_memory_and_the_network_unless_they_are_set():
    narrow, wide = (random_network("YX", 1, 3, False, width=width) for width in (2, 8))
    assert most_voxels_at_once(narrow, None, 1e9) > 3 * most_voxels_at_once(wide, None, 1e9)
    assert most_voxels_at_once(wide, None, 2e9) == pytest.approx(
        2 * most_voxels_at_once(wide, None, 1e9), rel=1e-4
    )
    assert most_voxels_at_once(wide, 4096, 1e9) == 4096
