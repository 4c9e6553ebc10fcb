"""Image files: values, axes and the size of a voxel survive in TIFF and OME-Zarr, whoever wrote
them.
"""

import numpy as np
import pytest

from denoising.evaluation.protocols import score_pair, score_volume
from denoising.images import slabs
from denoising.images.files import Storage, find_image, read_header, write
from denoising.images.volumes import (
    listing_row,
    open_volume,
    paired,
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
    [((5, 6, 7), "ZYX"), ((1, 6, 7), "ZYX"), ((6, 7), "YX"), ((2, 5, 4), "CYX")],
)
def test_round_trip(path, file_format, compression, dtype, shape, axes):
    written = volume(shape, dtype)
    write(path, written, axes, (2.0, 0.5, 0.4), Storage(file_format, None, compression, 2))
    np.testing.assert_array_equal(open_volume(path, axes), written, strict=True)
    z = 2.0 if "Z" in axes else None
    assert volume_header(path).voxel_size == (z, pytest.approx(0.5), pytest.approx(0.4))
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_values_come_back_from_whole_numbers_to_half_a_step(path, file_format, dtype):
    written = volume() - 20
    write(path, written, "ZYX", storage=Storage(file_format, dtype, True))
    header = read_header(find_image(path))
    assert (header.dtype, header.scaled) == (dtype, True)
    assert header.gain == pytest.approx(
        np.ptp(written) / (np.iinfo(dtype).max - np.iinfo(dtype).min)
    )
    found = open_volume(path, "ZYX")
    assert found.dtype == np.float32
    assert np.abs(found - written).max() <= 0.51 * header.gain


def test_a_constant_volume_comes_back_from_whole_numbers(path):
    write(path, np.full((2, 3, 4), 7, np.float32), "ZYX", storage=Storage("tiff", "uint16"))
    np.testing.assert_array_equal(open_volume(path), 7)


def test_what_is_not_finite_is_no_whole_number(path):
    with pytest.raises(
        ValueError, match=r"worm\.tif: holds values from .* set restoration.dtype to float32"
    ):
        write(path, np.array([[1, np.inf]], np.float32), "YX", storage=Storage("tiff", "uint16"))
    assert not list(path.parent.iterdir())


def test_a_nan_far_into_a_large_volume_is_no_whole_number_either(path, monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_BYTES", 64)
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


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_volume_is_replaced_by_one_of_its_name(path, file_format):
    for values in (volume(), volume() + 1):
        write(path, values, "ZYX", storage=Storage(file_format))
    np.testing.assert_array_equal(open_volume(path), volume() + 1)
    assert volume_names(path.parent) == {path.relative_to(path.parent)}


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
