"""Restoration tile by tile: the same as csbdeep's prediction in one piece, at the least recomputation that fits."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from csbdeep.models import CARE, Config

from denoising.network import halo, load_model
from denoising.restoration import compiled, pad_to, plan_tiles, restore
from denoising.volumes import normalise_input

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


CASES = {
    # axes, depth, kernel, probabilistic, shape, core of the largest tile that fits (None: the whole axis)
    "2D": ("YX", 2, 3, False, (101, 203), (24, 24)),
    "2D-shallow": ("YX", 1, 3, True, (45, 38), (8, 6)),
    "2D-wide-kernel": ("YX", 1, 5, True, (60, 77), (12, 12)),
    "2D-deep": ("YX", 3, 3, False, (150, 139), (16, 16)),
    "3D": ("ZYX", 1, 3, True, (45, 46, 45), (8, 8, 8)),
    "4-planes": ("ZYX", 2, 3, False, (4, 61, 75), (None, 8, 8)),
    "tiles-in-X": ("ZYX", 2, 3, True, (5, 13, 130), (None, None, 16)),
    "tiles-in-Z": ("ZYX", 2, 3, True, (70, 9, 6), (16, None, None)),
    "smaller-than-the-grid": ("ZYX", 2, 3, True, (1, 2, 3), (None, None, None)),
}


@pytest.mark.parametrize(("axes", "depth", "kernel", "probabilistic", "shape", "core"), CASES.values(), ids=CASES)
def test_tiles_join_to_the_prediction_in_one_piece(axes, depth, kernel, probabilistic, shape, core):
    model = random_network(axes, depth, kernel, probabilistic)
    padded, _ = pad_to(np.empty(shape), 2**depth)
    margin = halo(depth, kernel)
    fits = math.prod(s if c is None else c + 2 * margin for s, c in zip(padded.shape, core, strict=True))
    plan = plan_tiles(padded.shape, margin, 2**depth, fits)
    assert all(c is None or mine < s for s, mine, c in zip(padded.shape, plan.core, core, strict=True))
    assert_restored_as_by_csbdeep(model, image(shape), axes, fits)


def test_one_tile_where_the_whole_image_fits():
    model = random_network("YX", 2, 3, True)
    calls = []

    def forward(tile):
        calls.append(tile.shape)
        return compiled(model)(tile)

    noisy = image((21, 34))
    restored = restore(forward, model.config, noisy, 24 * 36)
    assert calls == [(1, 24, 36, 1)]
    np.testing.assert_allclose(restored, model.predict(noisy, "YX", normalizer=None), rtol=1e-5)


def test_the_mean_is_restored_and_not_the_scale():
    model = random_network("YX", 1, 3, True)
    noisy = image((16, 16))
    prediction = model.predict_probabilistic(noisy, "YX", normalizer=None)
    restored = restore(compiled(model), model.config, noisy, 10_000)
    np.testing.assert_allclose(restored, prediction.mean(), rtol=1e-5)
    assert np.abs(restored - prediction.scale()).max() > 0.1


def test_integer_images_are_restored_as_float32_and_left_as_they_are():
    model = random_network("YX", 1, 3, False)
    noisy = np.random.default_rng(0).integers(0, 9, (15, 17)).astype(np.uint16)
    before = noisy.copy()
    restored = restore(compiled(model), model.config, noisy, 10_000)
    np.testing.assert_allclose(restored, restore(compiled(model), model.config, noisy.astype(np.float32), 10_000))
    assert restored.dtype == np.float32
    np.testing.assert_array_equal(noisy, before)


@pytest.mark.skipif(not DATA.is_dir(), reason="real images and networks are not here")
@pytest.mark.parametrize("name", ["BPAE_B", "mice", "fish"])
def test_a_real_network_restores_real_images_as_csbdeep_does(name):
    model = load_model(DATA / "models/salome_care2d")
    noisy = normalise_input(tifffile.imread(DATA / f"pairs2d/fmd_{name}_noisy.tif")[100:355, :333])
    assert_restored_as_by_csbdeep(model, noisy, "YX", 144 * 144)


# Padding


@pytest.mark.parametrize("shape", [(4, 8), (5, 6), (1, 2, 3), (7, 9, 11)])
def test_padding_reflects_to_multiples_and_is_cut_off_again(shape):
    original = image(shape)
    padded, inside = pad_to(original, 4)
    assert padded.shape == tuple(-(-size // 4) * 4 for size in shape)
    np.testing.assert_array_equal(padded[inside], original)


def test_padding_is_csbdeeps():
    # one voxel before and two behind, without repeating the edge
    np.testing.assert_array_equal(pad_to(np.array([10, 20, 30, 40, 50]), 4)[0], [20, 10, 20, 30, 40, 50, 40, 30])


# Plans

SHAPES = [(40,), (64,), (4, 60), (60, 44), (64, 64), (8, 28, 36), (28, 32, 20)]


def all_plans(shape, margin, multiple, max_voxels):
    """(tile, computed voxels) for every core on the grid, tiles of one size, that fits."""
    for core in itertools.product(*(range(multiple, size + 1, multiple) for size in shape)):
        tile = tuple(s if c == s else min(s, c + 2 * margin) for s, c in zip(shape, core, strict=True))
        count = math.prod(-(-s // c) for s, c in zip(shape, core, strict=True))
        if math.prod(tile) <= max_voxels:
            yield tile, count * math.prod(tile)


@pytest.fixture(params=list(itertools.product(SHAPES, (0, 0.05, 0.3, 0.8, 1))), ids=lambda p: f"{p[0]}-{p[1]}")
def plan(request):
    """A plan with a halo of 8 and a grid of 4, and the most voxels of a tile that it was given."""
    shape, share = request.param
    smallest = math.prod(min(size, 20) for size in shape)
    max_voxels = round(smallest + share * (math.prod(shape) - smallest))
    return plan_tiles(shape, 8, 4, max_voxels), max_voxels


def test_every_voxel_is_given_exactly_once(plan):
    plan, _ = plan
    given = np.zeros(plan.shape, int)
    for _, give, _ in plan:
        given[give] += 1
    assert (given == 1).all()


def test_tiles_are_of_one_size_on_the_grid_and_inside_the_volume(plan):
    plan, max_voxels = plan
    tiles = list(plan)
    assert len(tiles) == len(plan)
    assert plan.computed_voxels == len(tiles) * math.prod(plan.tile)
    assert math.prod(plan.tile) <= max_voxels
    for read, _, _ in tiles:
        assert all(axis.start % 4 == 0 for axis in read)
        assert tuple(axis.stop - axis.start for axis in read) == plan.tile
        assert all(axis.start >= 0 and axis.stop <= size for axis, size in zip(read, plan.shape, strict=True))


def test_each_part_is_taken_from_its_own_place_in_the_tile(plan):
    plan, _ = plan
    places = np.arange(math.prod(plan.shape)).reshape(plan.shape)
    for read, give, within in plan:
        np.testing.assert_array_equal(places[read][within], places[give])


def test_each_part_has_the_halo_or_reaches_the_edge(plan):
    plan, _ = plan
    for read, give, _ in plan:
        for r, g, size in zip(read, give, plan.shape, strict=True):
            assert g.start - r.start >= 8 or r.start == 0
            assert r.stop - g.stop >= 8 or r.stop == size


def test_recomputation_is_the_least_that_fits(plan):
    plan, max_voxels = plan
    assert plan.computed_voxels == min(computed for _, computed in all_plans(plan.shape, 8, 4, max_voxels))


def test_a_volume_that_fits_is_one_tile():
    plan = plan_tiles((16, 128, 128), 24, 4, 16 * 128 * 128)
    assert list(plan) == [((slice(0, 16), slice(0, 128), slice(0, 128)),) * 3]


def test_a_published_volume_is_planned_at_once():
    plan = plan_tiles((96, 1024, 1024), 24, 4, 4_194_304)
    assert plan.tile[0] == 96
    assert plan.computed_voxels < 2 * math.prod(plan.shape)


def test_what_cannot_fit_says_the_key_and_the_least_value_that_would_do():
    with pytest.raises(ValueError, match="restoration.max_tile_voxels is 10815.* 10816 voxels; raise it") as error:
        plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4 - 1)
    assert "(4, 100, 100)" in str(error.value)
    assert plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4).tile == (4, 52, 52)
