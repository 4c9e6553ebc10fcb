"""Image files: values, axes and the size of a voxel survive in TIFF and OME-Zarr, whoever wrote
them.
"""

import numpy as np
import pytest
import tifffile

from denoising.evaluation.protocols import score_pair, score_volume
from denoising.images import files as formats
from denoising.images.files import Storage, read_header, scratch_array, write
from denoising.images.volumes import (
    listing_row,
    open_volume,
    paired,
    read_volume,
    volume_header,
    volume_names,
    write_listing,
    write_volume,
)
from denoising.report.examples import example_sections

FORMATS = ["tiff", "ome-zarr"]


def volume(shape=(5, 6, 7), dtype=np.float32):
    return (np.random.default_rng(0).gamma(1, 50, shape)).astype(dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test" / "worm.tif"


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 6, 7), "ZYX"), ((1, 6, 7), "ZYX"), ((6, 7), "YX"), ((3, 2, 5, 4), "ZCYX")],
)
def test_round_trip(path, file_format, compression, dtype, shape, axes):
    written = volume(shape, dtype)
    write(path, written, axes, (2.0, 0.5, 0.4), Storage(file_format, None, compression), threads=2)
    for read in (read_volume, open_volume):
        np.testing.assert_array_equal(read(path, axes), written, strict=True)
    z = 2.0 if "Z" in axes else None
    assert volume_header(path).voxel_size == (z, pytest.approx(0.5), pytest.approx(0.4))
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_values_come_back_from_whole_numbers_to_half_a_step(path, file_format, dtype):
    written = volume() - 20
    write(path, written, "ZYX", storage=Storage(file_format, dtype, True))
    header = read_header(formats.find(path))
    assert (header.dtype, header.scaled) == (dtype, True)
    assert header.gain == pytest.approx(
        np.ptp(written) / (np.iinfo(dtype).max - np.iinfo(dtype).min)
    )
    for read in (read_volume, open_volume):
        found = read(path, "ZYX")
        assert found.dtype == np.float32
        assert np.abs(found - written).max() <= 0.51 * header.gain


def test_a_constant_volume_comes_back_from_whole_numbers(path):
    write(path, np.full((2, 3, 4), 7, np.float32), "ZYX", storage=Storage("tiff", "uint16"))
    np.testing.assert_array_equal(read_volume(path), 7)


def test_what_is_not_finite_is_no_whole_number(path):
    with pytest.raises(
        ValueError, match=r"worm\.tif: holds values from .* set restoration.dtype to float32"
    ):
        write(path, np.array([[1, np.inf]], np.float32), "YX", storage=Storage("tiff", "uint16"))
    assert not list(path.parent.iterdir())


def test_a_nan_far_into_a_large_volume_is_no_whole_number_either(path, monkeypatch):
    monkeypatch.setattr(formats, "SLAB_BYTES", 64)
    image = volume()
    image[-1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="holds values from nan"):
        write(path, image, "ZYX", storage=Storage("tiff", "uint16"))


def test_numbers_that_would_be_lost_are_refused(path):
    settings = {"format": "tiff", "dtype": "input", "compression": False}
    with pytest.raises(ValueError, match="the input is int64: set it to float32"):
        Storage.of(settings, np.dtype("int64"))
    assert Storage.of(settings, np.dtype("uint16")).dtype == "uint16"
    with pytest.raises(ValueError, match="1e\\+06, too much for float16"):
        write(path, np.full((2, 3, 4), 1e6, np.float32), "ZYX", storage=Storage("tiff", "float16"))


def test_an_uncompressed_file_is_its_own_map_and_a_copy_of_another_has_no_name(path):
    write(path, volume(), "ZYX")
    assert open_volume(path).filename == str(path)
    write(path, volume(), "ZYX", storage=Storage("tiff", None, True))
    mapped = open_volume(path)
    assert isinstance(mapped, np.memmap)
    assert list(path.parent.iterdir()) == [path]
    np.testing.assert_array_equal(mapped, volume())


def test_large_files_are_bigtiff_whether_or_not_they_might_shrink(path, monkeypatch):
    monkeypatch.setattr(formats, "LARGEST_TIFF", 100)
    for compression in (True, False):
        write(path, volume(), "ZYX", storage=Storage("tiff", None, compression))
        with tifffile.TiffFile(path) as tif:
            assert tif.is_bigtiff
        np.testing.assert_array_equal(read_volume(path, "ZYX"), volume())


def test_compression_is_of_level_1_zlib_without_loss(path):
    smooth = np.zeros((5, 64, 64), np.float32)
    write(path, smooth, "ZYX", storage=Storage("tiff", None, True))
    assert path.stat().st_size < smooth.nbytes / 10
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_volume_is_replaced_by_one_of_its_name(path, file_format):
    for values in (volume(), volume() + 1):
        write(path, values, "ZYX", storage=Storage(file_format))
    np.testing.assert_array_equal(read_volume(path), volume() + 1)
    assert volume_names(path.parent) == {path.relative_to(path.parent)}


def test_a_group_that_is_no_ome_zarr_is_named(tmp_path):
    (tmp_path / "worm.ome.zarr").mkdir()
    with pytest.raises(ValueError, match=r"worm\.ome\.zarr: not a readable OME-Zarr group"):
        read_volume(tmp_path / "worm.tif")


def test_ome_zarr_says_what_viewers_ask_for(path):
    import zarr

    write(path, volume(), "ZYX", (2.0, 0.5, 0.4), Storage("ome-zarr"))
    ome = zarr.open_group(str(path.with_suffix(".ome.zarr")), mode="r").attrs["ome"]
    assert ome["version"] == "0.5"
    assert ome["multiscales"][0]["axes"][0] == {"name": "z", "type": "space", "unit": "micrometer"}
    scale = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scale == [{"type": "scale", "scale": [2.0, 0.5, 0.4]}]


def others_zarr(path, image, axes, chunks, changed=None):
    """A group of two levels as other software writes it, version 0.4."""
    import zarr

    sizes = [1.0] * (len(axes) - 3) + [2.0, 0.25, 0.2]
    named = [
        {"name": axis.lower(), "type": "space", "unit": "micrometer"}
        if axis in "ZYX"
        else {"name": axis.lower()}
        for axis in axes
    ]
    levels = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [size * factor for size in sizes]}
            ],
        }
        for name, factor in (("0", 1), ("1", 2))
    ]
    whole = [{"type": "scale", "scale": [1.0] * (len(axes) - 2) + [2.0, 2.0]}]
    multiscale = {"axes": named, "datasets": levels, "coordinateTransformations": whole} | (
        changed or {}
    )
    group = zarr.create_group(str(path), zarr_format=2, attributes={"multiscales": [multiscale]})
    for name, values in (("0", image), ("1", image[..., ::2, ::2])):
        group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)[...] = (
            values
        )


@pytest.mark.parametrize("chunks", [(1, 1, 1, 3, 7), (1, 1, 4, 4, 4), (1, 1, 5, 6, 7)], ids=str)
@pytest.mark.parametrize("slab_bytes", [1, 100, 1 << 26])
@pytest.mark.parametrize("dtype", ["uint16", ">u2", "float32"])
def test_ome_zarr_of_others_is_read_at_full_resolution(
    tmp_path, chunks, slab_bytes, dtype, monkeypatch
):
    monkeypatch.setattr(formats, "SLAB_BYTES", slab_bytes)
    path, image = tmp_path / "worm.ome.zarr", volume(dtype=dtype)
    others_zarr(path, image[None, None], "TCZYX", chunks)
    for read in (read_volume, open_volume):
        np.testing.assert_array_equal(read(path, "ZYX"), image)
    assert volume_header(path).voxel_size == pytest.approx((2.0, 0.5, 0.4))
    assert list(tmp_path.iterdir()) == [path]


def test_a_plane_in_five_axes_is_a_plane(tmp_path):
    path, image = tmp_path / "worm.ome.zarr", volume((6, 7))
    others_zarr(path, image[None, None, None], "TCZYX", (1, 1, 1, 6, 7))
    np.testing.assert_array_equal(open_volume(path, "YX"), image)
    np.testing.assert_array_equal(open_volume(path, "ZYX"), image[None])


@pytest.mark.parametrize("shape", [(2, 1, 5, 6, 7), (1, 2, 5, 6, 7)], ids=["times", "channels"])
def test_several_times_or_channels_are_not_guessed_from(tmp_path, shape):
    others_zarr(tmp_path / "worm.ome.zarr", np.zeros(shape, np.uint8), "TCZYX", shape)
    with pytest.raises(
        ValueError, match=r"worm\.ome\.zarr: axes are TCZYX \(.*\), expected ZYX; save it as ZYX"
    ):
        open_volume(tmp_path / "worm.ome.zarr", "ZYX")


@pytest.mark.parametrize(
    "changed", [{"axes": ["z", "y", "x"]}, {"axes": []}, {"datasets": []}], ids=str
)
def test_ome_zarr_that_does_not_say_what_it_holds_is_named(tmp_path, changed):
    others_zarr(tmp_path / "worm.ome.zarr", volume(), "ZYX", (5, 6, 7), changed)
    with pytest.raises(
        ValueError, match=r"worm\.ome\.zarr: not a readable OME-Zarr group .* save it again"
    ):
        open_volume(tmp_path / "worm.ome.zarr", "ZYX")


@pytest.mark.parametrize("chunk", [None, (1, 3, 7), (4, 4, 4), (9, 9, 9)], ids=str)
@pytest.mark.parametrize("slab_bytes", [1, 100, 500, 10**6])
def test_slabs_are_the_image_in_whole_chunks_and_no_larger_than_they_must_be(
    chunk, slab_bytes, monkeypatch
):
    monkeypatch.setattr(formats, "SLAB_BYTES", slab_bytes)
    shape, seen, sizes = (5, 6, 7), np.zeros((5, 6, 7), int), chunk or (1, 1, 1)
    parts = list(formats.slabs(shape, 2, chunk))
    for part in parts:
        seen[part] += 1
        assert all(axis.start % size == 0 for axis, size in zip(part, sizes, strict=True))
        assert seen[part].size * 2 <= max(slab_bytes, 2 * np.prod(sizes))
    assert (seen == 1).all()
    assert slab_bytes < 10**6 or len(parts) == 1


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match="[Nn]o space|too large"):
        scratch_array(tmp_path, (1 << 55,), np.uint8)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint16"])
def test_restorations_of_any_format_are_scored_and_shown(tmp_path, file_format, dtype):
    truth, rng = volume((9, 20, 21)), np.random.default_rng(2)
    noisy, restored = (
        truth + rng.normal(0, 9, truth.shape),
        (truth + rng.normal(0, 3, truth.shape)) / 400,
    )
    rows = []
    for condition, image in (("truth", truth), ("1", noisy)):
        rows.append(listing_row("test", "worm", condition, image, "ZYX"))
        write_volume(tmp_path / rows[-1]["path"], image, "ZYX")
    write_listing(tmp_path, rows)
    write(tmp_path / "out/1/worm.tif", restored, "ZYX", storage=Storage(file_format, dtype, True))
    pair = next(paired(tmp_path, "test", ["1"]))
    found = score_pair(pair, tmp_path / "out", ["paper"], None)
    expected = score_volume(truth, restored, ["paper"])
    assert [row["value"] for row in found] == pytest.approx(
        [row["value"] for row in expected], rel=1e-3
    )
    sections = example_sections(tmp_path, ["1"], {"restored": tmp_path / "out"})
    np.testing.assert_allclose(sections["restored"][0], restored[4], atol=1e-3 * np.ptp(restored))


# Sizes of a voxel in files of others


def imagej(path):
    tifffile.imwrite(
        path,
        volume(dtype=np.uint16),
        imagej=True,
        resolution=(5, 2),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )


def ome(path):
    sizes = {
        "PhysicalSizeX": 200.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeZ": 1.5,
    }
    tifffile.imwrite(path, volume(dtype=np.uint16), ome=True, metadata={"axes": "ZYX", **sizes})


def tags(path):
    tifffile.imwrite(
        path,
        volume((6, 7), np.uint16),
        photometric="minisblack",
        resolution=(5e4, 2e4),
        resolutionunit="CENTIMETER",
    )


def silent(path):
    tifffile.imwrite(path, volume(dtype=np.uint16), photometric="minisblack")


def screen(path):
    tifffile.imwrite(
        path,
        volume(dtype=np.uint16),
        photometric="minisblack",
        resolution=(72, 72),
        resolutionunit="INCH",
    )


@pytest.mark.parametrize(
    ("writer", "expected"),
    [
        (imagej, (1.5, 0.5, 0.2)),
        (ome, (1.5, 0.5, 0.2)),
        (tags, (None, 0.5, 0.2)),
        (silent, (None, None, None)),
        (screen, (None, None, None)),
    ],
)
def test_size_of_a_voxel_is_read_as_others_write_it(tmp_path, writer, expected):
    writer(tmp_path / "a.tif")
    found = volume_header(tmp_path / "a.tif").voxel_size
    assert [None if size is None else round(size, 6) for size in found] == list(expected)


# Percentiles in bounded memory


def test_scratch_leaves_no_file(tmp_path):
    array = scratch_array(tmp_path, (3, 4), np.float32)
    array[:] = 2
    assert (array == 2).all()
    assert not list(tmp_path.iterdir())
