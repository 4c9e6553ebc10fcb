"""Tiles cover what is wanted, at the least recomputation that fits; padding is csbdeep's."""

import itertools
import math

import numpy as np
import pytest
from random_networks import image

from denoising.restoration.tiling import inside_of, padded_part, plan_tiles, slab


@pytest.mark.parametrize(
    "shape", [(95, 1024, 1024), (7, 21), (21, 7), (1, 2, 3), (64, 64, 64), (4, 9, 130)]
)
@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8, 40])
@pytest.mark.parametrize("multiple", [2, 4, 8])
def test_slabs_follow_one_another_on_the_grid_along_the_longest_axis(shape, parts, multiple):
    slabs = [slab(shape, (part, parts), multiple) for part in range(1, parts + 1)]
    there = [region for region in slabs if region]
    assert slabs == there + [None] * (parts - len(there))  # only the last may have nothing to do
    axis, before = shape.index(max(shape)), -max(shape) % multiple // 2
    bounds = [(region[axis].start, region[axis].stop) for region in there]
    assert [0, *(stop for _, stop in bounds)] == [*(start for start, _ in bounds), shape[axis]]
    assert all((start + before) % multiple == 0 for start, _ in bounds[1:])
    whole = tuple(slice(0, size) for size in shape)
    assert all((*region[:axis], whole[axis], *region[axis + 1 :]) == whole for region in there)
    thick = [stop - start for start, stop in bounds]
    assert max(thick) <= -(-(max(shape) + multiple) // (multiple * parts)) * multiple


# Padding


@pytest.mark.parametrize("shape", [(4, 8), (5, 6), (1, 2, 3), (7, 9, 11), (13, 38)])
def test_parts_are_of_the_image_reflected_to_multiples_as_csbdeep_pads_it(shape):
    """One voxel of three before, two behind, without repeating the edge."""
    original = image(shape)
    inside = inside_of(shape, 4)
    widths = [(-size % 4 // 2, -size % 4 - -size % 4 // 2) for size in shape]
    padded = np.pad(original, widths, mode="reflect")
    np.testing.assert_array_equal(padded[inside], original)
    whole = tuple(slice(0, size) for size in padded.shape)
    np.testing.assert_array_equal(padded_part(original[..., None], whole, inside)[..., 0], padded)
    for axis, size in enumerate(padded.shape):
        if size > 8:  # no tile is as thin as what is reflected
            for part in (slice(0, size - 4), slice(4, size)):
                read = (*whole[:axis], part, *whole[axis + 1 :])
                np.testing.assert_array_equal(
                    padded_part(original[..., None], read, inside)[..., 0], padded[read]
                )


# Plans

SHAPES = [(40,), (64,), (4, 60), (60, 44), (64, 64), (8, 28, 36), (28, 32, 20)]


def all_plans(shape, region, margin, multiple, max_voxels):
    """(tile, computed voxels) for every core on the grid, tiles of one size, that fits."""
    for core in itertools.product(
        *(range(multiple, r.stop - r.start + 1, multiple) for r in region)
    ):
        tile, count = [], 1
        for size, r, c in zip(shape, region, core, strict=True):
            begins = [min(begin, r.stop - c) for begin in range(r.start, r.stop, c)]
            tile.append(
                max(min(begin + c + margin, size) - max(begin - margin, 0) for begin in begins)
            )
            count *= len(begins)
        if math.prod(tile) <= max_voxels:
            yield tuple(tile), count * math.prod(tile)


REGIONS = {
    "whole": lambda size: slice(0, size),
    "first": lambda size: slice(0, max(4, size // 8 * 4)),
    "last": lambda size: slice(size // 8 * 4, size),
    "near-the-edge": lambda size: slice(4, size - 12) if size > 16 else slice(0, size),
}


@pytest.fixture(
    params=[
        *itertools.product(SHAPES, ["whole"], (0, 0.05, 0.3, 0.8, 1)),
        *itertools.product(SHAPES, list(REGIONS)[1:], (0, 0.3)),
    ],
    ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}",
)
def plan(request):
    """A plan with a halo of 8 and a grid of 4, and the most voxels of a tile that it was given."""
    shape, part, share = request.param
    region = tuple(REGIONS[part](size) for size in shape)
    smallest = math.prod(min(size, 20) for size in shape)
    max_voxels = round(smallest + share * (math.prod(shape) - smallest))
    return plan_tiles(shape, 8, 4, max_voxels, region), max_voxels


def test_every_voxel_that_is_wanted_is_given_exactly_once(plan):
    plan, _ = plan
    given, expected = (np.zeros(plan.shape, int) for _ in range(2))
    for _, _, give, _ in plan:
        given[give] += 1
    expected[plan.region] = 1
    np.testing.assert_array_equal(given, expected)


def test_tiles_are_of_one_size_on_the_grid_and_inside_the_volume(plan):
    plan, max_voxels = plan
    tiles = list(plan)
    assert len(tiles) == len(plan)
    assert plan.computed_voxels == len(tiles) * math.prod(plan.tile)
    assert math.prod(plan.tile) <= max_voxels
    for read, *_ in tiles:
        assert all(axis.start % 4 == 0 for axis in read)
        assert tuple(axis.stop - axis.start for axis in read) == plan.tile
        for axis, wanted, size in zip(
            read, plan.region, plan.shape, strict=True
        ):  # and no more than the halo is read
            assert max(0, wanted.start - 8) <= axis.start and axis.stop <= min(
                size, wanted.stop + 8
            )


def test_each_part_is_taken_from_its_own_place_in_the_tile(plan):
    plan, _ = plan
    places = np.arange(math.prod(plan.shape)).reshape(plan.shape)
    for read, begin, give, within in plan:
        core = places[read][tuple(slice(b, b + c) for b, c in zip(begin, plan.core, strict=True))]
        assert core.shape == plan.core
        np.testing.assert_array_equal(core[within], places[give])


def test_each_part_has_the_halo_or_reaches_the_edge(plan):
    plan, _ = plan
    for read, _, give, _ in plan:
        for r, g, size in zip(read, give, plan.shape, strict=True):
            assert g.start - r.start >= 8 or r.start == 0
            assert r.stop - g.stop >= 8 or r.stop == size


def test_recomputation_is_the_least_that_fits(plan):
    plan, max_voxels = plan
    assert plan.computed_voxels == min(
        computed for _, computed in all_plans(plan.shape, plan.region, 8, 4, max_voxels)
    )


def test_a_volume_that_fits_is_one_tile():
    plan = plan_tiles((16, 128, 128), 24, 4, 16 * 128 * 128)
    whole = (slice(0, 16), slice(0, 128), slice(0, 128))
    assert list(plan) == [(whole, (0, 0, 0), whole, whole)]


def test_a_published_volume_is_planned_at_once():
    plan = plan_tiles((96, 1024, 1024), 24, 4, 4_194_304)
    assert plan.tile[0] == 96
    assert plan.computed_voxels < 2 * math.prod(plan.shape)


def test_what_cannot_fit_says_the_least_value_that_would_do_and_the_remedies():
    with pytest.raises(
        ValueError, match="may have 10815 voxels.* has 10816; give .*mem_mb.*max_tile_voxels"
    ) as error:
        plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4 - 1)
    assert "(4, 100, 100)" in str(error.value)
    assert plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4).tile == (4, 52, 52)
