"""Volumes on disk: TIFF files that keep values and axes, and their list."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from denoising.images import slabs
from denoising.images.volumes import (
    check_volume,
    listing_row,
    open_volume,
    paired,
    read_listing,
    volume_header,
    with_channels,
    write_listing,
    write_volume,
)
from denoising.report.examples import example_sections
from denoising.study.names import TRUTH


def volume(shape=(5, 6, 7), dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "volumes" / "test" / "worm.tif"


# TIFF files


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6, 7), "ZYX"),
        ((1, 6, 7), "ZYX"),
        ((3, 6, 7), "ZYX"),
        ((5, 6, 3), "ZYX"),
        ((6, 7), "YX"),
        ((4, 5, 6, 7), "CZYX"),
    ],
)
def test_round_trip(shape, axes, dtype, path):
    """Also where an axis is as long as a colour image has channels."""
    written = volume(shape, dtype)
    write_volume(path, written, axes)
    found = open_volume(path, axes)
    np.testing.assert_array_equal(found, written)
    assert found.dtype == dtype
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == axes
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.MINISBLACK


def test_files_are_memory_mappable(path):
    write_volume(path, volume(), "ZYX")
    mapped = tifffile.memmap(path, mode="r")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, volume())


@pytest.mark.parametrize(
    ("metadata", "axes"), [({}, "QYX"), (None, "IYX"), ({"axes": "ZYX"}, "ZYX")]
)
def test_unnamed_axes_are_taken_by_position(metadata, axes, path):
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, volume(), photometric="minisblack", metadata=metadata)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == axes
    np.testing.assert_array_equal(open_volume(path, "ZYX"), volume())


@pytest.mark.parametrize(
    ("shape", "saved", "expected"),
    [
        ((5, 6, 7), "TYX", "ZYX"),
        ((5, 6, 7), "CYX", "ZYX"),
        ((5, 6, 7), "ZXY", "ZYX"),
        ((6, 7), "YX", "ZYX"),
        ((5, 6, 7), "ZYX", "YX"),
        ((5, 4, 6, 7), "ZCYX", "CZYX"),
    ],
)
def test_other_axes_are_refused(shape, saved, expected, path):
    write_volume(path, volume(shape), saved)
    with pytest.raises(ValueError) as refused:
        open_volume(path, expected)
    assert all(
        words in str(refused.value)
        for words in (str(path), f"axes are {saved}", f"expected {expected}")
    )


def test_colour_image_is_no_volume(path):
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, volume((6, 7, 3), np.uint8), photometric="rgb")
    with pytest.raises(ValueError, match="axes are YXS"):
        open_volume(path, "ZYX")


def test_planes_of_red_green_and_blue_are_no_stack(path):
    """Their axes are S, Y, X in the file, and S may stand for Z."""
    path.parent.mkdir(parents=True)
    how = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(path, volume((3, 6, 7), np.uint8), **how)
    assert volume_header(path).axes == "CYX"
    with pytest.raises(ValueError, match="axes are CYX .* expected ZYX"):
        open_volume(path, "ZYX")


def test_what_is_no_tiff_is_named(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"worm\.tif: not a readable TIFF file"):
        open_volume(path)


@pytest.mark.parametrize("kept", [4, 200, 600])
def test_tiff_cut_short_is_named(kept, path):
    write_volume(path, volume((50, 6, 7)), "ZYX")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"worm\.tif: (not a readable TIFF file|.* cut short)"):
        open_volume(path, "ZYX")


def test_compression_that_cannot_be_read_is_named(path):
    path.parent.mkdir(parents=True)
    Image.fromarray(volume((6, 7), np.uint8)).save(path, compression="tiff_lzw")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags["Compression"].overwrite(tifffile.COMPRESSION.NEXT)
    with pytest.raises(ValueError, match=r"worm\.tif: not a readable TIFF file.*NEXT"):
        open_volume(path, "YX")


def test_file_of_several_images_is_refused(path):
    path.parent.mkdir(parents=True)
    with tifffile.TiffWriter(path) as tif:
        for shape in ((5, 6, 7), (9, 8, 8)):
            tif.write(volume(shape), photometric="minisblack", metadata={"axes": "ZYX"})
    with pytest.raises(ValueError, match=r"worm\.tif.* 2 "):
        open_volume(path, "ZYX")


def test_axes_that_do_not_fit_are_not_written(path):
    with pytest.raises(ValueError, match="YX"):
        write_volume(path, volume(), "YX")


def test_lack_of_memory_is_not_the_files_fault(path, monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    write_volume(path, volume(), "ZYX")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fails)
    with pytest.raises(MemoryError):
        open_volume(path, "ZYX")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), PermissionError(13, "no")])
def test_a_full_disk_is_not_the_files_fault(error, path, monkeypatch):
    def fails(*_, **__):
        raise error

    write_volume(path, volume(), "ZYX")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fails)
    with pytest.raises(type(error), match=error.strerror):
        open_volume(path, "ZYX")


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    write_volume(path, volume(), "ZYX")

    def full_disk(partial, *_, **__):
        partial.write_bytes(b"half of a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_volume(path, volume() + 1, "ZYX")
    np.testing.assert_array_equal(open_volume(path), volume())


def test_written_file_stands_alone(path):
    write_volume(path, volume(), "ZYX")
    write_volume(path, volume() + 1, "ZYX")
    assert list(path.parent.iterdir()) == [path]
    np.testing.assert_array_equal(open_volume(path), volume() + 1)


@pytest.mark.parametrize("good", [volume(), volume(dtype=np.float32), -volume((6, 7), np.int32)])
def test_sound_volumes_pass(good):
    check_volume(good, "worm.tif")


def test_every_part_of_a_volume_is_checked(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", 8 * 10)
    faulty = volume(dtype=np.float32)
    faulty[0, 0, 0], faulty[2, 5, 6], faulty[-1, -1, -1] = np.nan, np.inf, -np.inf
    with pytest.raises(ValueError, match=r"worm\.tif: 3 values are NaN or infinite"):
        check_volume(faulty, "worm.tif")


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        (np.zeros((0, 6, 7), np.uint16), r"uint16 of shape \(0, 6, 7\)"),
        (np.ones((2, 2), bool), "bool"),
        (np.ones((2, 2), complex), "complex128"),
        (np.array([[0, np.nan], [np.inf, 1]], np.float32), "2 values are NaN or infinite"),
        (np.array([[0, -np.inf]]), "1 values are NaN or infinite"),
    ],
)
def test_faulty_volumes_are_named(faulty, said):
    with pytest.raises(ValueError, match=rf"worm\.tif: .*{said}"):
        check_volume(faulty, "worm.tif")


# The list


@pytest.fixture
def folder(tmp_path):
    """Test volumes "NA" and "b", and a training volume, in conditions 1, 2 and ground truth, listed
    in disorder.
    """
    rows = []
    for i, (part, name) in enumerate([("test", "b"), ("train", "c"), ("test", "NA")]):
        for j, condition in enumerate(("2", TRUTH, "1")):
            image = volume((4, 6, 7), seed=[i, j])
            rows.append(listing_row(part, name, condition, image, "ZYX"))
            write_volume(tmp_path / rows[-1]["path"], image, "ZYX")
    write_listing(tmp_path, rows)
    return tmp_path


def test_listing_says_what_lies_where(folder):
    listing = read_listing(folder)
    assert list(listing.columns) == [
        "part",
        "volume",
        "condition",
        "path",
        "axes",
        "shape",
        "dtype",
    ]
    row = listing[(listing["volume"] == "b") & (listing["condition"] == "2")].iloc[0]
    assert list(row) == ["test", "b", "2", "test/2/b.tif", "ZYX", "4x6x7", "uint16"]


def test_listing_depends_on_the_files_not_on_their_order(folder, tmp_path):
    before = (folder / "volumes.csv").read_bytes()
    write_listing(tmp_path, read_listing(folder).sample(frac=1, random_state=0).to_dict("records"))
    assert (tmp_path / "volumes.csv").read_bytes() == before


def test_pairs_come_volume_by_volume_in_the_conditions_order(folder):
    found = list(paired(folder, "test", ["2", "1"]))
    assert [(pair.volume, pair.condition) for pair in found] == [
        ("NA", "2"),
        ("NA", "1"),
        ("b", "2"),
        ("b", "1"),
    ]
    assert found[3].restored_name == Path("1/b.tif")
    np.testing.assert_array_equal(open_volume(found[3].image), volume((4, 6, 7), seed=[0, 2]))
    np.testing.assert_array_equal(open_volume(found[3].truth), volume((4, 6, 7), seed=[0, 1]))
    assert [pair.volume for pair in paired(folder, "train", ["1"])] == ["c"]


@pytest.mark.parametrize(
    ("parts", "by_plane"),
    [({"test": [6, 9], "train": [9]}, True), ({"test": [7, 9], "train": [3]}, False)],
)
def test_a_dataset_is_scored_by_plane_if_its_thinnest_test_stack_is_thin(tmp_path, parts, by_plane):
    rows = [
        listing_row(part, f"{part}{planes}", condition, np.zeros((planes, 8, 8), np.uint8), "ZYX")
        for part, stacks in parts.items()
        for planes in stacks
        for condition in (TRUTH, "1")
    ]
    write_listing(tmp_path, rows)
    assert [pair.by_plane for pair in paired(tmp_path, "test", ["1"])] == [by_plane] * 2


def test_images_are_not_scored_by_plane(tmp_path):
    image = np.zeros((6, 8), np.uint8)
    write_listing(tmp_path, [listing_row("test", "a", name, image, "YX") for name in (TRUTH, "1")])
    assert not next(paired(tmp_path, "test", ["1"])).by_plane


def test_example_is_the_middle_section_of_the_first_test_volume(folder):
    restored = folder / "restored"
    for condition in "12":
        write_volume(
            restored / condition / "NA.tif", np.full((4, 6, 7), int(condition), np.float32), "ZYX"
        )
    found = example_sections(folder, ["1", "2"], {"network": restored})
    assert list(found) == ["input", "network", "truth", "conditions", "volume"]
    assert str(found["volume"]) == "NA"
    assert list(found["conditions"]) == ["1", "2"]
    np.testing.assert_array_equal(
        found["input"], [volume((4, 6, 7), seed=[2, j])[2] for j in (2, 0)]
    )
    np.testing.assert_array_equal(found["truth"], [volume((4, 6, 7), seed=[2, 1])[2]] * 2)
    np.testing.assert_array_equal(found["network"], [np.full((6, 7), 1), np.full((6, 7), 2)])


# Channels of the same files


def test_a_pair_takes_the_images_of_its_volume_from_each_folder_in_order(folder, tmp_path):
    pair = next(paired(folder, "test", ["1"]))
    assert pair.channels == ()
    joint = with_channels(pair, [folder, folder])
    assert joint.channels == (pair.image, pair.image)
    assert replace(joint, channels=()) == pair


@pytest.mark.parametrize("name", ["missing", "longer"])
def test_channels_are_of_the_same_files_and_shapes(folder, tmp_path, name):
    other = tmp_path / "other channel"
    shape, volume_name = ((4, 6, 8), "NA") if name == "longer" else ((4, 6, 7), "z")
    image = volume(shape)
    row = listing_row("test", volume_name, "1", image, "ZYX")
    write_volume(other / row["path"], image, "ZYX")
    write_listing(other, [row])
    pair = next(paired(folder, "test", ["1"]))
    with pytest.raises(ValueError) as error:
        with_channels(pair, [folder, other])
    assert str(error.value) == (
        f"other channel has no image NA of the shape that {pair.image} has, but the network takes"
        " channels of the same files together: give all of its channels the same files."
    )


def test_a_volume_without_one_of_the_conditions_is_named(folder):
    with pytest.raises(ValueError, match="volume NA lacks 3, 4; unpack it again"):
        list(paired(folder, "test", ["4", "1", "3"]))
