"""Images of many sizes need a handful of graphs on a GPU, and tiles cover all of them."""

import math

import numpy as np
import pytest

from denoising.restoration.tile_shapes import FEW, TileShapes
from denoising.restoration.tiling import plan_tiles

MOST = 4_194_304


def plans_of(shapes, shapes_of_images, margin=24, most=MOST):
    """The plan of each image, one after the other."""
    found = []
    for shape in shapes_of_images:
        best = plan_tiles(shape, margin, 4, most)
        found.append((best, shapes.chosen(best, most)))
    return found


def sizes(count, axes=2, seed=0):
    rng = np.random.default_rng(seed)
    return [tuple(4 * int(n) for n in rng.integers(100, 300, axes)) for _ in range(count)]


def test_a_folder_of_many_sizes_needs_a_handful_of_graphs():
    shapes = TileShapes(graph_voxels=2**25)
    plans = plans_of(shapes, sizes(60))
    assert len({best.tile for best, _ in plans}) > 50
    assert len({(plan.tile, plan.core) for _, plan in plans}) <= 12


def test_so_does_a_folder_of_stacks():
    shapes = TileShapes(graph_voxels=2**25)
    images = [(40, *shape) for shape in sizes(60)]
    assert len({(plan.tile, plan.core) for _, plan in plans_of(shapes, images)}) <= 12


def test_it_costs_less_than_the_graphs_that_it_saves():
    shapes = TileShapes(graph_voxels=300_000)
    for best, plan in plans_of(shapes, sizes(60)):
        assert plan.computed_voxels - best.computed_voxels < 300_000


def test_the_first_images_are_cut_as_is_best_for_them():
    plans = plans_of(TileShapes(graph_voxels=2**25), sizes(FEW))
    assert all(best == plan for best, plan in plans)


def test_on_a_cpu_all_are():
    plans = plans_of(TileShapes(), sizes(40))
    assert all(best == plan for best, plan in plans)


@pytest.mark.parametrize("axes", [2, 3])
def test_every_voxel_is_given_once_with_its_halo_and_tiles_fit_the_memory(axes):
    rng = np.random.default_rng(axes)
    shapes = TileShapes(graph_voxels=2**40)
    most = 120**axes // 4
    for _ in range(40):
        shape = tuple(4 * rng.integers(2, 40, axes))
        region = []
        for size in shape:
            start, stop = sorted(4 * rng.choice(size // 4 + 1, 2, replace=False))
            region.append(slice(start, stop))
        plan = shapes.chosen(plan_tiles(shape, 8, 4, most, tuple(region)), most)
        assert math.prod(plan.tile) <= most
        given, expected = np.zeros(shape, int), np.zeros(shape, int)
        for read, begin, give, _ in plan:
            given[give] += 1
            for r, b, size, core in zip(read, begin, shape, plan.core, strict=True):
                first = r.start + b
                assert r.start == max(0, first - 8) or first - r.start >= 8
                assert r.stop == size or r.stop - (first + core) >= 8
        expected[tuple(region)] = 1
        np.testing.assert_array_equal(given, expected)
