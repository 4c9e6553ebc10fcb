"""Files that are neither TIFF nor OME-Zarr: what they are, and what to do."""

import io

import numpy as np
import pytest
from PIL import Image

from denoising.images.files import read_header
from denoising.images.formats import OTHERS, UnusableImageError


def refusal(path):
    with pytest.raises(UnusableImageError) as refused:
        read_header(path)
    return str(refused.value)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "BMP"])
def test_pictures_are_named_with_what_to_convert_to(name, tmp_path):
    path = tmp_path / "a_low.tif"  # by its bytes, not by its name
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(path, format=name)
    assert refusal(path) == (
        f"{path}: is a {name} file, expected TIFF or OME-Zarr; open it in Fiji, and save it with"
        " File > Save As > Tiff."
    )


@pytest.mark.parametrize("magic", OTHERS)
def test_other_formats_are_named(magic, tmp_path):
    path = tmp_path / "a_low.czi"
    path.write_bytes(magic + bytes(100))
    assert f"is a {OTHERS[magic]} file, expected TIFF or OME-Zarr" in refusal(path)


def test_arrays_of_numpy_are_named(tmp_path):
    for name, save in (("numpy", np.save), ("zip or npz", np.savez)):
        saved = io.BytesIO()
        save(saved, np.zeros(3))
        path = tmp_path / "a"
        path.write_bytes(saved.getvalue())
        assert f"is a {name} file" in refusal(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "is empty (0 bytes)"), (bytes(5000), "begins with zeros")],
)
def test_empty_files_are_named(data, said, tmp_path):
    path = tmp_path / "a_low.tif"
    path.write_bytes(data)
    assert refusal(path) == f"{path}: {said}; copy or export it again."
