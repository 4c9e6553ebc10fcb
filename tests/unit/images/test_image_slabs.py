"""Slabs cover an image once in whole chunks; scratch arrays leave no file."""

import errno
import os

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


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs posix_fallocate")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_gives_less_than_it_says_is_named_with_the_remedy(
    tmp_path, monkeypatch, number
):
    def refuse(file, start, size):
        assert (start, size) == (0, 48)
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError) as error:
        slabs.scratch_array(tmp_path, (3, 4), np.float32)
    said = str(error.value)
    assert said.startswith(f"a copy of the image takes 4.8e-08 GB in {tmp_path}, where ")
    assert said.endswith("or, if the image is smaller than that, export it again.")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs posix_fallocate")
def test_another_failure_of_the_disk_is_left_as_it_is(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    with pytest.raises(OSError, match="Input/output error"):
        slabs.scratch_array(tmp_path, (3, 4), np.float32)
