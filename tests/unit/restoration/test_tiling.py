"""Plans of known volumes, and padding, which is csbdeep's."""

import math

import numpy as np
import pytest
from random_networks import image

from denoising.restoration.tiling import inside_of, padded_part, plan_tiles

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


def test_a_volume_that_fits_is_one_tile():
    plan = plan_tiles((16, 128, 128), 24, 4, 16 * 128 * 128)
    whole = (slice(0, 16), slice(0, 128), slice(0, 128))
    assert list(plan) == [(whole, (0, 0, 0), whole, whole)]


def test_a_published_volume_is_planned_at_once():
    plan = plan_tiles((96, 1024, 1024), 24, 4, 4_194_304)
    assert plan.tile[0] == 96
    assert plan.computed_voxels < 2 * math.prod(plan.shape)


def test_a_volume_of_more_voxels_than_int32_counts_is_planned():
    plan = plan_tiles((2000, 4000, 4000), 24, 4, 10**9)
    assert plan.core == (1000, 1000, 800)
    assert plan.tile == (1024, 1048, 848)  # the halo on one side, or on both
    assert (len(plan), plan.computed_voxels) == (40, 40 * 1024 * 1048 * 848)


def test_what_cannot_fit_says_the_least_value_that_would_do_and_the_remedies():
    with pytest.raises(
        ValueError, match="may have 10815 voxels.* has 10816; give .*mem_mb.*max_tile_voxels"
    ) as error:
        plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4 - 1)
    assert "(4, 100, 100)" in str(error.value)
    assert plan_tiles((4, 100, 100), 24, 4, 52 * 52 * 4).tile == (4, 52, 52)
