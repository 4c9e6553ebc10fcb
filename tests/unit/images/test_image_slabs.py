"""Slabs cover an image once in whole chunks; scratch arrays leave no file."""

import numpy as np
import pytest

from denoising.images import slabs


@pytest.mark.parametrize("chunk", [None, (1, 3, 7), (4, 4, 4), (9, 9, 9)], ids=str)
@pytest.mark.parametrize("slab_bytes", [1, 100, 500, 10**6])
def test_slabs_are_the_image_in_whole_chunks_and_no_larger_than_they_must_be(
    chunk, slab_bytes, monkeypatch
):
    monkeypatch.setattr(slabs, "SLAB_BYTES", slab_bytes)
    shape, seen, sizes = (5, 6, 7), np.zeros((5, 6, 7), int), chunk or (1, 1, 1)
    parts = list(slabs.slabs(shape, 2, chunk))
    for part in parts:
        seen[part] += 1
        assert all(axis.start % size == 0 for axis, size in zip(part, sizes, strict=True))
        assert seen[part].size * 2 <= max(slab_bytes, 2 * np.prod(sizes))
    assert (seen == 1).all()
    assert slab_bytes < 10**6 or len(parts) == 1


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(slabs.NoRoomError, match=r"takes 3.6e\+07 GB in .* GB are free"):
        slabs.scratch_array(tmp_path, (1 << 55,), np.uint8)


def test_scratch_leaves_no_file(tmp_path):
    array = slabs.scratch_array(tmp_path, (3, 4), np.float32)
    array[:] = 2
    assert (array == 2).all()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("shape", "edges", "block", "count"),
    [
        ((5, 20, 24), (2, 8, 12), (2, 8, 12), 2 * 2 * 2),
        ((3, 20, 24), (16, 8, 30), (3, 8, 24), 2),
        ((3, 20, 24), (8, 12), (1, 8, 12), 3 * 2 * 2),
        ((20, 24), (20, 24), (20, 24), 1),
    ],
)
def test_whole_blocks_lie_side_by_side(shape, edges, block, count):
    image = np.zeros(shape, int)
    places = slabs.whole_blocks(shape, edges)
    for place in places:
        image[place] += 1
    assert {image[place].shape for place in places} == {block}
    assert len(places) == count
    assert image.max() == 1
