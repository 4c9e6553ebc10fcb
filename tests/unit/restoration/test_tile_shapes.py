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


# Known answers, on lines with a halo of 8: edges of the menu are 24, 32, 48, 64, 96, 128, ...

OTHERS = {((1000 + number,), (1000,)) for number in range(FEW)}  # too large to serve


def line(size, most, region=None):
    return plan_tiles((size,), 8, 4, most, region and (slice(*region),))


def chosen(best, most, known=OTHERS, graph_voxels=10**9):
    """Tile and core of the plan that is taken, each along the one axis."""
    plan = TileShapes(graph_voxels, set(known)).chosen(best, most)
    return (*plan.tile, *plan.core)


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        (400, 128, (96, 80)),  # 5 tiles, 480 voxels; tiles of 128 would be 4, 512 voxels
        (448, 128, (128, 112)),  # 4 tiles, 512 voxels, as large as fits
        (448, 127, (96, 80)),
        (100, 40, (32, 16)),  # 7 tiles of 32, not 13 of 24
    ],
)
def test_the_edge_of_the_menu_that_computes_least_is_taken(size, most, expected):
    assert chosen(line(size, most), most) == expected


def test_a_region_is_covered_by_cores_no_longer_than_itself():
    """80 voxels with their halo are all of the 96: one tile."""
    assert chosen(line(96, 96, (8, 88)), 96) == (96, 80)
    assert chosen(line(400, 400, (200, 264)), 400) == (48, 32)


def test_an_axis_too_short_for_the_menu_keeps_its_own_tile():
    best = plan_tiles((16, 400), 8, 4, 16 * 128)
    assert best.tile[0] == 16
    plan = TileShapes(10**9, set(OTHERS)).chosen(best, 16 * 128)
    assert (plan.tile, plan.core) == ((16, 96), (16, 80))


def test_where_no_tile_of_the_menu_fits_the_best_is_taken():
    best = line(400, 23)
    assert chosen(best, 23) == (*best.tile, *best.core)


def test_tiles_that_are_known_come_before_those_of_the_menu():
    known = OTHERS | {((60,), (44,))}
    assert chosen(line(400, 60), 60, known) == (60, 44)
    assert chosen(line(400, 128), 128, known) == (60, 44)
    assert chosen(line(400, 59), 59, known) == (48, 32)  # they do not fit


@pytest.mark.parametrize(
    "known", [((128,), (96,)), ((128,), (116,)), ((128, 4), (64, 4)), ((404,), (64,))]
)
def test_known_tiles_with_long_cores_short_halos_or_other_axes_do_not_serve(known):
    assert chosen(line(400, 400, (200, 264)), 400, OTHERS | {known}) == (48, 32)


def test_a_tile_as_long_as_the_image_needs_no_halo():
    known = OTHERS | {((400,), (200,))}
    assert chosen(line(400, 400, (100, 400)), 400, known) == (400, 200)


def test_the_cheapest_of_the_known_tiles_is_taken():
    known = OTHERS | {((60,), (44,)), ((100,), (84,)), ((28,), (12,))}
    assert chosen(line(400, 128), 128, known) == (100, 84)  # 500 voxels; 600 and 952


def test_another_tile_must_cost_less_than_a_graph():
    best = line(400, 128)
    more = 480 - best.computed_voxels
    assert more > 0
    assert chosen(best, 128, graph_voxels=more) == (*best.tile, *best.core)
    assert chosen(best, 128, graph_voxels=more + 1) == (96, 80)


def test_other_tiles_are_taken_once_a_few_graphs_are_there():
    best = line(400, 128)
    fewer = sorted(OTHERS)[:-1]
    assert chosen(best, 128, fewer) == (*best.tile, *best.core)
    assert chosen(best, 128) == (96, 80)
    known = OTHERS | {(best.tile, best.core)}
    assert chosen(best, 128, known) == (*best.tile, *best.core)  # no graph more


def test_what_was_taken_is_known_from_then_on():
    shapes = TileShapes(10**9, set(OTHERS))
    shapes.chosen(line(400, 128), 128)
    assert shapes.known == OTHERS | {((96,), (80,))}
