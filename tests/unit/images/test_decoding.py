"""Whatever a library says of a file becomes one sentence that names the file."""

import errno
from pathlib import Path

import numpy as np
import pytest
import tifffile

from denoising.images import slabs
from denoising.images.decoding import decoding
from denoising.images.files import Storage, map_image, write
from denoising.images.formats import UnusableImageError

WORM = Path("worm.tif")
VOLUME = np.random.default_rng(0).integers(0, 900, (3, 20, 24)).astype(np.uint16)


def decode(error):
    with decoding(WORM, "not a readable GIF", "go"):
        raise error


@pytest.mark.parametrize("error", [IndexError("out of range"), ZeroDivisionError(), TypeError("x")])
def test_any_error_of_a_library_names_the_file(error):
    with pytest.raises(UnusableImageError, match=r"^worm\.tif: not a readable GIF \(.+\); go\.$"):
        decode(error)


@pytest.mark.parametrize("error", [MemoryError(), slabs.NoRoomError("1 GB are free")])
def test_a_lack_of_room_names_the_file_too(error):
    with pytest.raises(type(error), match=r"^worm\.tif: .*(memory|1 GB)"):
        decode(error)


def test_a_disk_that_fails_is_not_the_files_fault():
    with pytest.raises(OSError, match=r"^\[Errno 5\] wires$"):
        decode(OSError(errno.EIO, "wires"))


def test_a_damaged_chunk_of_a_zarr_group_names_the_group(tmp_path):
    write(tmp_path / "a.tif", VOLUME, "ZYX", storage=Storage("ome-zarr", compression=True))
    chunk = tmp_path / "a.ome.zarr/0/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-40])
    with pytest.raises(UnusableImageError, match=r"a\.ome\.zarr: not a readable OME-Zarr group"):
        map_image(tmp_path / "a.ome.zarr")


def group_of(tmp_path, planes):
    """A group of `VOLUME` that says it has so many planes; as of another program, it does not say
    that all chunks are there.
    """
    write(tmp_path / "a.tif", VOLUME, "ZYX", storage=Storage("ome-zarr"))
    group = tmp_path / "a.ome.zarr"
    for name, is_so, says in (
        ("0/zarr.json", "    3,\n", f"    {planes},\n"),
        ("zarr.json", '"all_chunks": true', '"all_chunks": false'),
    ):
        text = (group / name).read_text()
        assert is_so in text
        (group / name).write_text(text.replace(is_so, says, 1))
    return group


def test_a_zarr_group_without_voxels_is_refused(tmp_path):
    group = group_of(tmp_path, planes=0)
    with pytest.raises(UnusableImageError, match=r"a\.ome\.zarr: .*shape \(0, 20, 24\)"):
        map_image(group)


def test_a_tiff_without_pixels_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="zero"):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((0, 8), np.uint8), photometric="minisblack")
    with pytest.raises(UnusableImageError, match=r"a\.tif: holds no pixels, shape \(0,.*; export"):
        map_image(tmp_path / "a.tif")


def test_an_image_that_no_disk_holds_is_refused_before_it_is_copied(tmp_path):
    group = group_of(tmp_path, planes=300_000_000_000_000)
    with pytest.raises(slabs.NoRoomError, match=r"a\.ome\.zarr: a copy of the image takes .* GB"):
        map_image(group)
