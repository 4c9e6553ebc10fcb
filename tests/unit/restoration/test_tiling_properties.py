"""Tiles of any plan give each wanted voxel once, from its own place, with its halo, at the least
recomputation that fits; slabs of any volume follow one another.
"""

import itertools
import math

import drawn_examples  # noqa: F401  # how hypothesis draws
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from denoising.restoration.tiling import plan_tiles, slab


@st.composite
def wanted(draw, longest=9):
    """Shape, halo, grid and wanted region of a volume of one to three axes."""
    multiple = draw(st.sampled_from([2, 4, 8]))
    counts = draw(st.lists(st.integers(1, longest), min_size=1, max_size=3))
    region = []
    for count in counts:
        start = draw(st.integers(0, count - 1))
        stop = draw(st.integers(start + 1, count))
        region.append(slice(multiple * start, multiple * stop))
    margin = multiple * draw(st.integers(0, 4))
    return tuple(multiple * count for count in counts), margin, multiple, tuple(region)


@st.composite
def plans(draw, longest=9):
    """A plan, with the halo, the grid and the most voxels of a tile that it was given."""
    shape, margin, multiple, region = draw(wanted(longest))
    share = draw(st.floats(0, 1))
    smallest = math.prod(
        min(size, multiple + 2 * margin) for size in shape
    )  # enough for one core anywhere
    most = round(smallest + share * max(0, math.prod(shape) - smallest))
    return plan_tiles(shape, margin, multiple, most, region), margin, multiple, most


@given(plans())
def test_every_voxel_that_is_wanted_is_given_exactly_once(drawn):
    plan, *_ = drawn
    count, expected = (np.zeros(plan.shape, int) for _ in range(2))
    for tile in plan:
        count[tile.give] += 1
    expected[plan.region] = 1
    np.testing.assert_array_equal(count, expected)


@given(plans())
def test_tiles_are_of_one_size_on_the_grid_and_read_no_more_than_the_halo(drawn):
    plan, margin, multiple, most = drawn
    tiles = list(plan)
    assert len(tiles) == len(plan)
    assert plan.computed_voxels == len(tiles) * math.prod(plan.tile)
    assert math.prod(plan.tile) <= most
    for read, *_ in tiles:
        assert tuple(part.stop - part.start for part in read) == plan.tile
        for part, asked, size in zip(read, plan.region, plan.shape, strict=True):
            assert part.start % multiple == 0
            assert max(0, asked.start - margin) <= part.start
            assert part.stop <= min(size, asked.stop + margin)


@given(plans())
def test_each_part_is_taken_from_its_own_place_in_the_tile(drawn):
    plan, *_ = drawn
    places = np.arange(math.prod(plan.shape)).reshape(plan.shape)
    for read, begin, give, within in plan:
        core = places[read][tuple(slice(b, b + c) for b, c in zip(begin, plan.core, strict=True))]
        assert core.shape == plan.core
        np.testing.assert_array_equal(core[within], places[give])


@given(plans())
def test_each_part_has_the_halo_or_reaches_the_edge(drawn):
    plan, margin, *_ = drawn
    for read, _, give, _ in plan:
        for r, g, size in zip(read, give, plan.shape, strict=True):
            assert g.start - r.start >= margin or r.start == 0
            assert r.stop - g.stop >= margin or r.stop == size


def all_plans(plan, margin, multiple, most):
    """Computed voxels for every core on the grid, tiles of one size, that fits."""
    lengths = (range(multiple, r.stop - r.start + 1, multiple) for r in plan.region)
    for core in itertools.product(*lengths):
        tile = []
        count = 1
        for size, r, c in zip(plan.shape, plan.region, core, strict=True):
            begins = [min(begin, r.stop - c) for begin in range(r.start, r.stop, c)]
            spans = [min(b + c + margin, size) - max(b - margin, 0) for b in begins]
            tile.append(max(spans))
            count *= len(begins)
        if math.prod(tile) <= most:
            yield count * math.prod(tile)


@given(plans(longest=6))
def test_recomputation_is_the_least_that_fits(drawn):
    plan, *limits = drawn
    assert plan.computed_voxels == min(all_plans(plan, *limits))


@given(
    st.lists(st.integers(1, 130), min_size=1, max_size=3).map(tuple),
    st.integers(1, 40),
    st.sampled_from([2, 4, 8]),
)
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
