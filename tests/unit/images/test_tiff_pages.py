"""The one image of a TIFF file: appended pages, every common compression, files cut short."""

import numpy as np
import pytest
import tifffile

from denoising.images.files import map_image, read_header
from denoising.images.formats import UnusableImageError

STACK = np.random.default_rng(0).integers(1, 999, (6, 32, 32)).astype(np.uint16)


def refusal(path):
    with pytest.raises(UnusableImageError) as refused:
        map_image(path)
    return str(refused.value)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_appended_pages_are_a_stack(compression, tmp_path):
    path = tmp_path / "a.tif"
    for plane in STACK:
        tifffile.imwrite(path, plane, append=True, compression=compression)
    image, header = map_image(path)
    np.testing.assert_array_equal(image, STACK)
    assert (header.axes, header.shape) == ("IYX", STACK.shape)


@pytest.mark.parametrize("other", [STACK[0, :30], STACK[0].astype(np.uint8)])
def test_appended_pages_that_differ_are_no_stack(other, tmp_path):
    path = tmp_path / "a.tif"
    for plane in (STACK[0], STACK[1], other):
        tifffile.imwrite(path, plane, append=True)
    assert "holds 3 images of different kinds ((32, 32) uint16, (32, 32) uint16, " in refusal(path)


def test_appended_stacks_are_no_stack(tmp_path):
    path = tmp_path / "a.tif"
    for _ in range(5):
        tifffile.imwrite(path, STACK, append=True, metadata={"axes": "ZYX"})
    said = refusal(path)
    assert "holds 5 images of one kind ((6, 32, 32) uint16, " in said
    assert ", ...), expected one; save one image per file." in said


@pytest.mark.parametrize(
    ("compression", "predictor"),
    [
        *((name, False) for name in ("lzw", "zlib", "zstd", "packbits", "lzma")),
        *((name, True) for name in ("lzw", "zlib", "zstd")),
    ],
)
def test_compressed_files_are_read(compression, predictor, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression=compression, predictor=predictor)
    np.testing.assert_array_equal(map_image(path)[0], STACK)


def test_tiled_and_big_endian_files_are_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, compression="lzw", tile=(16, 16), byteorder=">", bigtiff=True)
    np.testing.assert_array_equal(map_image(path)[0], STACK)


def test_jpeg_in_tiff_is_read(tmp_path):
    smooth = np.linspace(0, 250, 64 * 64).reshape(64, 64).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", smooth, compression="jpeg")
    image, _ = map_image(tmp_path / "a.tif")
    assert np.abs(image.astype(int) - smooth).max() < 6  # JPEG is lossy


@pytest.mark.parametrize(
    "how",
    [
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack"},
        {"compression": "zlib"},
        {"metadata": None},
        {"rowsperstrip": 4, "metadata": None},
    ],
)
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_a_file_cut_short_is_named(how, share, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **how)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    try:
        image, _ = map_image(path)
    except UnusableImageError as refused:
        said = str(refused)
        assert said.startswith(f"{path}: ")
        assert "cut short" in said or "not a readable TIFF file" in said
    else:  # nothing but what follows the pixels is missing
        assert share == 0.95
        np.testing.assert_array_equal(image, STACK)


def test_a_file_cut_short_says_how_much_is_there(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], metadata=None, compression="zlib")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[: size - 500])
    assert refusal(path) == (
        f"{path}: is cut short, with {size - 500} of at least {size} bytes; copy or export it"
        " again."
    )


@pytest.mark.parametrize(
    "description",
    [
        b'{"shape": [6, 32, 32], "axes": "ZYX", "note": "a\x01b"}',
        b'{"shape": [6, 32, 32], "axes": "ZY',
        b"ImageJ=1.54f\nimages=six\nslices=\n\xff\xfe\n",
    ],
)
def test_pixels_under_a_broken_description_are_read(description, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, description=description, metadata=None)
    image, header = map_image(path)
    np.testing.assert_array_equal(image, STACK)
    assert header.voxel_size == (None, None, None)
    assert "description is broken" in header.doubts[0]


@pytest.mark.parametrize("spacing", ["0,5", "-0.5", "NaN", "half"])
def test_spacing_that_is_no_number_is_unknown_and_said(spacing, tmp_path):
    path = tmp_path / "a.tif"
    description = f"ImageJ=1.54f\nimages=6\nslices=6\nunit=micron\nspacing={spacing}\n"
    tifffile.imwrite(
        path,
        STACK,
        description=description,
        metadata=None,
        resolution=(5, 5),
        resolutionunit="NONE",
    )
    header = read_header(path)
    assert header.voxel_size == (None, pytest.approx(0.2), pytest.approx(0.2))
    assert header.doubts == ("the size of its voxels cannot be read, and is taken for unknown",)


@pytest.mark.parametrize("text", [b"Info=a\x01\x02b\n", b"unit=\xb5m\n", "unit=µm\n".encode()])
def test_odd_characters_do_no_harm(text, tmp_path):
    path = tmp_path / "a.tif"
    description = b"ImageJ=1.54f\nimages=6\nslices=6\n" + text
    tifffile.imwrite(path, STACK, description=description, metadata=None)
    image, header = map_image(path)
    np.testing.assert_array_equal(image, STACK)
    assert (header.axes, header.doubts) == ("ZYX", ())
