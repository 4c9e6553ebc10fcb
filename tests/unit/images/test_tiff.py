"""TIFF files: BigTIFF, compression, and sizes of a voxel in files of other software."""

import numpy as np
import pytest
import tifffile

from denoising.images import tiff
from denoising.images.files import Storage, write
from denoising.images.volumes import open_volume, volume_header


def volume(shape=(5, 6, 7), dtype=np.float32):
    return (np.random.default_rng(0).gamma(1, 50, shape)).astype(dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test" / "worm.tif"


def test_large_files_are_bigtiff_whether_or_not_they_might_shrink(path, monkeypatch):
    monkeypatch.setattr(tiff, "LARGEST_TIFF", 100)
    for compression in (True, False):
        write(path, volume(), "ZYX", storage=Storage("tiff", None, compression))
        with tifffile.TiffFile(path) as tif:
            assert tif.is_bigtiff
        np.testing.assert_array_equal(open_volume(path, "ZYX"), volume())


def test_compression_is_of_level_1_zlib_without_loss(path):
    smooth = np.zeros((5, 64, 64), np.float32)
    write(path, smooth, "ZYX", storage=Storage("tiff", None, True))
    assert path.stat().st_size < smooth.nbytes / 10
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_reads_axes_and_calibration(path, dtype, compression):
    """As ImageJ does: `spacing` and `unit` in the description, XY in the tags of each page."""
    write(path, volume(dtype=dtype), "ZYX", (2.0, 0.5, 0.25), Storage("tiff", None, compression))
    with tifffile.TiffFile(path) as tif:
        assert tif.is_imagej and not tif.is_bigtiff
        assert tif.series[0].axes == "ZYX" and tif.series[0].dtype == dtype
        words = tif.imagej_metadata
        assert (words["slices"], words["spacing"], words["unit"]) == (5, 2.0, "um")
        for page in tif.pages:
            per_um = [
                numerator / denominator
                for numerator, denominator in (
                    page.tags["XResolution"].value,
                    page.tags["YResolution"].value,
                )
            ]
            assert per_um == pytest.approx([1 / 0.25, 1 / 0.5])
            assert page.tags["ResolutionUnit"].value == 1  # none but that of the description


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
