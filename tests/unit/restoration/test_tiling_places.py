"""Where tiles, crops, padding and slabs lie: by known answers, and on arrays of numbered voxels."""

import itertools

import numpy as np
import pytest

from denoising.restoration.tiling import (
    TilePlan,
    cropped,
    equal_parts,
    inside_of,
    padded_part,
    plan_tiles,
    products,
    shifted,
    slab,
)


def numbered(shape):
    return np.arange(np.prod(shape)).reshape(shape)


# Tiles


def test_tiles_of_a_line_are_where_the_plan_says():
    """Cores of 8 on a line of 20, of which the last begins earlier and gives the rest alone."""
    plan = TilePlan((20,), (slice(0, 20),), margin=4, core=(8,), tile=(16,))
    assert len(plan) == 3
    assert plan.computed_voxels == 48
    assert [tuple(tile) for tile in plan] == [
        ((slice(0, 16),), (0,), (slice(0, 8),), (slice(0, 8),)),
        ((slice(4, 20),), (4,), (slice(8, 16),), (slice(0, 8),)),
        ((slice(4, 20),), (8,), (slice(16, 20),), (slice(4, 8),)),
    ]


def test_a_part_is_as_long_in_its_core_as_in_the_volume():
    plan = plan_tiles((44, 36), 4, 4, 400)
    assert len(plan) > 4
    for tile in plan:
        for given, inner, core in zip(tile.give, tile.within, plan.core, strict=True):
            assert 0 <= inner.start < inner.stop <= core
            assert given.stop - given.start == inner.stop - inner.start


def test_of_plans_of_equal_cost_the_one_with_the_fewest_tiles_is_taken():
    """Without a halo nothing is computed twice, however small the tiles."""
    plan = plan_tiles((16, 16), 0, 4, 128)
    assert (len(plan), plan.computed_voxels) == (2, 256)
    assert plan_tiles((16, 16), 0, 4, 256).core == (16, 16)


def test_a_tile_may_have_just_as_many_voxels_as_fit():
    assert plan_tiles((8, 8), 0, 4, 16).core == (4, 4)
    with pytest.raises(ValueError) as error:
        plan_tiles((8, 8), 0, 4, 15)
    assert str(error.value) == (
        "a tile may have 15 voxels, but the smallest tile of a volume of (8, 8) with its halo of 0"
        " has 16; give the rule restore (or restore_slab) more memory (mem_mb, by the profile or"
        " --set-resources) or a larger GPU, or raise restoration.max_tile_voxels if it is set."
    )


def test_products_are_of_each_combination_in_64_bits():
    assert products([[1, 2], [3, 5], [7]]).tolist() == [[[21], [35]], [[42], [70]]]
    assert products([[2**40], [2**20]]) == 2**60


# Padding


def test_an_image_lies_in_the_middle_of_its_padding_with_the_odd_voxel_behind():
    assert inside_of((8, 9, 13, 14), 8) == (
        slice(0, 8), slice(3, 12), slice(1, 14), slice(1, 15),
    )  # fmt: skip


def test_padding_repeats_no_edge_and_leaves_channels_alone():
    image = np.array([[1, 10], [2, 20], [3, 30]])  # three voxels of two channels
    padded = padded_part(image, (slice(0, 6),), (slice(2, 5),))
    assert padded.tolist() == [[3, 30], [2, 20], [1, 10], [2, 20], [3, 30], [2, 20]]


def test_a_part_within_the_image_is_the_images_own_memory():
    image = numbered((8, 8))[..., None]
    part = padded_part(image, (slice(2, 6), slice(1, 8)), (slice(1, 9), slice(0, 8)))
    assert part.tolist() == image[1:5, 1:8].tolist()
    assert np.shares_memory(part, image)


@pytest.mark.parametrize("multiple", [2, 4, 8])
def test_a_region_of_the_image_is_found_again_in_the_padded_one(multiple):
    image = numbered((9, 14))
    inside = inside_of(image.shape, multiple)
    whole = tuple(slice(0, size + -size % multiple) for size in image.shape)
    padded = padded_part(image[..., None], whole, inside)[..., 0]
    for rows, columns in itertools.product(((0, 9), (2, 5)), ((0, 14), (7, 8))):
        region = (slice(*rows), slice(*columns))
        np.testing.assert_array_equal(padded[shifted(region, inside)], image[region])


# Crops


def test_the_wanted_part_of_a_core_has_its_place_in_what_is_wanted():
    """Of the voxels 8 to 16, which are 2 to 10 of a core, 10 to 14 are wanted."""
    give, within, wanted = (slice(8, 16),), (slice(2, 10),), (slice(10, 14),)
    assert cropped(give, within, wanted) == ((slice(0, 4),), (slice(4, 8),))
    wanted = (slice(4, 100),)
    assert cropped(give, within, wanted) == ((slice(4, 12),), (slice(2, 10),))


def test_crops_of_all_tiles_join_to_what_is_wanted():
    volume = numbered((24, 32))
    wanted = (slice(3, 21), slice(6, 31))
    joined = np.full((18, 25), -1)
    for tile in plan_tiles(volume.shape, 4, 4, 256):
        places, parts = cropped(tile.give, tile.within, wanted)
        first = [r.start + b for r, b in zip(tile.read, tile.begin, strict=True)]
        core = tuple(
            slice(at, at + inner.stop) for at, inner in zip(first, tile.within, strict=True)
        )
        joined[places] = volume[core][parts]
    np.testing.assert_array_equal(joined, volume[wanted])


# Slabs


def test_slabs_are_as_thin_as_the_padded_image_allows():
    """Of 15 voxels, padded by one behind, two parts have 8 and 7."""
    assert slab((15, 2), (1, 2), 8) == (slice(0, 8), slice(0, 2))
    assert slab((15, 2), (2, 2), 8) == (slice(8, 15), slice(0, 2))
    # 13 of 16 voxels: one is before the image
    assert slab((3, 13), (1, 2), 8) == (slice(0, 3), slice(0, 7))
    assert slab((3, 13), (2, 2), 8) == (slice(0, 3), slice(7, 13))


def test_a_part_too_many_has_nothing_of_the_image():
    assert slab((8, 4), (2, 2), 8) is None
    assert slab((8, 4), (1, 2), 8) == (slice(0, 8), slice(0, 4))
    assert slab((9, 9), (1, 1), 4) == (slice(0, 9), slice(0, 9))


def test_ranges_are_cut_into_the_fewest_parts_of_almost_one_length():
    assert equal_parts(0, 10, 4) == [(0, 3), (3, 6), (6, 10)]
    assert equal_parts(5, 13, 4) == [(5, 9), (9, 13)]
    assert equal_parts(2, 5, 100) == [(2, 5)]
    for first, length, longest in itertools.product((0, 7), range(1, 30), range(1, 12)):
        parts = equal_parts(first, first + length, longest)
        assert len(parts) == -(-length // longest)
        assert [parts[0][0], *(stop for _, stop in parts)] == [
            *(start for start, _ in parts), first + length,
        ]  # fmt: skip
        sizes = [stop - start for start, stop in parts]
        assert max(sizes) <= longest and max(sizes) - min(sizes) <= 1
        assert all(type(edge) is int for part in parts for edge in part)


# Axes


WHOLE = (slice(0, 8), slice(0, 8))
LINE = (slice(0, 8),)


@pytest.mark.parametrize(
    "call",
    [
        lambda: plan_tiles((8, 8), 0, 4, 64, LINE),
        lambda: len(TilePlan((8, 8), WHOLE, 0, (4,), (4, 4))),
        lambda: list(TilePlan((8, 8), WHOLE, 0, (4, 4), (4,))),
        lambda: padded_part(np.zeros((8, 8, 1)), LINE, WHOLE),
        lambda: shifted(LINE, WHOLE),
        lambda: cropped(WHOLE, WHOLE, LINE),
    ],
    ids=["plan_tiles", "count", "tiles", "padded_part", "shifted", "cropped"],
)
def test_regions_of_too_few_axes_are_errors(call):
    """And no plan, part or place of fewer axes."""
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        call()
