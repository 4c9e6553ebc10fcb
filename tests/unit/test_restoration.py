"""Restoration tile by tile: the same as csbdeep's prediction in one piece, at the least recomputation that fits."""

import math
from pathlib import Path

import numpy as np
import pytest
from csbdeep.models import CARE, Config

from denoising.network import halo
from denoising.restoration import compiled, pad_to, plan_tiles, restore

DATA = Path(__file__).parents[2] / "../shared/data"


# Equal to csbdeep's prediction in one piece


def random_network(axes, depth, kernel, probabilistic):
    """A CARE network with random weights, all paths open and of equal weight, so that context counts."""
    config = Config(axes, probabilistic=probabilistic, unet_n_depth=depth, unet_kern_size=kernel, unet_n_first=2)
    model = CARE(config, basedir=None)
    rng = np.random.default_rng(depth + kernel)
    weights = [rng.uniform(0.3, 1, w.shape) * 2 / math.prod(w.shape[:-1]) for w in model.keras_model.get_weights()]
    model.keras_model.set_weights(weights)
    return model


def image(shape):
    return np.random.default_rng(0).gamma(1, 1, shape).astype(np.float32)


def assert_restored_as_by_csbdeep(model, noisy, axes, max_tile_voxels):
    expected = model.predict(noisy, axes, normalizer=None, n_tiles=None)
    restored = restore(compiled(model), model.config, noisy, max_tile_voxels)
    assert (restored.shape, restored.dtype) == (noisy.shape, np.float32)
    assert np.abs(expected - noisy).max() > 0.1 * np.ptp(noisy)  # the network does something
    assert np.abs(restored - expected).max() < 1e-4 * np.ptp(expected)


def tiles_along(shape, config, max_tile_voxels):
    padded, _ = pad_to(np.empty(shape), 2**config.unet_n_depth)
    margin = halo(config.unet_n_depth, config.unet_kern_size)
    plan = plan_tiles(padded.shape, margin, 2**config.unet_n_depth, max_tile_voxels)
    return tuple(-(-size // core) for size, core in zip(plan.shape, plan.core, strict=True))


CASES = [
    # axes, depth, kernel, shape, max_tile_voxels, tiles
    ("YX", 2, 3, (101, 203), 72 * 80, (5, 7)),
    ("YX", 1, 3, (45, 38), 30 * 26, (5, 7)),
    ("YX", 1, 5, (60, 77), 44 * 44, (8, 10)),
    ("YX", 3, 3, (150, 139), 128 * 128, (10, 9)),
    ("ZYX", 1, 3, (29, 33, 30), 26**3, (5, 6, 5)),
    ("ZYX", 2, 3, (4, 61, 75), 4 * 56 * 64, (1, 8, 5)),
    ("ZYX", 2, 3, (5, 13, 130), 8 * 16 * 64, (1, 1, 9)),
    ("ZYX", 2, 3, (70, 9, 6), 8 * 12 * 64, (5, 1, 1)),
    ("ZYX", 1, 3, (1, 2, 3), 64, (1, 1, 1)),
]


@pytest.mark.parametrize("probabilistic", [True, False])
@pytest.mark.parametrize(("axes", "depth", "kernel", "shape", "max_tile_voxels", "tiles"), CASES)
def test_tiles_join_to_the_prediction_in_one_piece(axes, depth, kernel, shape, max_tile_voxels, tiles, probabilistic):
    model = random_network(axes, depth, kernel, probabilistic)
    print(tiles_along(shape, model.config, max_tile_voxels))
    assert tiles_along(shape, model.config, max_tile_voxels) == tiles
    assert_restored_as_by_csbdeep(model, image(shape), axes, max_tile_voxels)
