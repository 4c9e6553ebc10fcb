"""Npz files: arrays read part by part, and files imported as they are."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from denoising.images import npz as module
from denoising.images.npz import import_npz, open_array
from denoising.images.volumes import read_listing


@pytest.fixture(params=[False, True], ids=["stored", "compressed"])
def npz(request, tmp_path):
    path = tmp_path / "data_label.npz"
    rng = np.random.default_rng(1)
    arrays = {
        "X": rng.normal(size=(11, 1, 4, 6)).astype(np.float32),
        "Y": rng.integers(0, 9, (7, 3)).astype(">u2"),
    }
    save = np.savez_compressed if request.param else np.savez
    save(path, **arrays, axes=np.array("SCYX"))
    return path


@pytest.mark.parametrize("name", ["X", "Y"])
@pytest.mark.parametrize("part", [1, 200, 10**6])
def test_an_array_is_read_unchanged_in_parts(name, part, npz, monkeypatch):
    monkeypatch.setattr(module, "PART", part)
    places, parts = zip(*open_array(npz, name).parts(), strict=True)
    expected = np.load(npz)[name]
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert {array.dtype for array in parts} == {expected.dtype}
    assert [place.stop - place.start for place in places] == [len(part) for part in parts]
    assert len(parts[0]) == 1 or parts[0].nbytes <= part


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.asfortranarray(np.zeros((3, 4))), "in C order"),
        (np.array([{}, []], dtype=object), "object"),
        (np.array(["text"]), "<U4"),
        (np.zeros((0, 3)), "empty|some numbers"),
        (np.float32(1), "expected some numbers"),
    ],
)
def test_arrays_of_another_make_are_refused(array, said, tmp_path):
    np.savez(tmp_path / "a.npz", X=array)
    with pytest.raises(ValueError, match=rf"a\.npz: array X .*({said})"):
        open_array(tmp_path / "a.npz", "X")


def test_a_damaged_array_is_named(npz):
    damaged = bytearray(npz.read_bytes())
    damaged[200] ^= 1
    npz.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"data_label\.npz: array X cannot be read"):
        list(open_array(npz, "X").parts())


def test_missing_array_is_named(npz):
    with pytest.raises(ValueError, match=r"data_label\.npz: holds .*X\.npy.* expected an array Z"):
        open_array(npz, "Z")


def test_what_is_no_npz_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip file")
    for name in ("a.npz", "none.npz"):
        with pytest.raises(ValueError, match=name):
            open_array(tmp_path / name, "X")


def test_an_npz_by_itself_is_copied_beside_an_empty_list(tmp_path):
    npz = tmp_path / "my.npz"
    np.savez(npz, X=np.zeros(3), Y=np.ones(3))
    import_npz(npz, tmp_path / "mine", tmp_path / "mine.json")
    assert (tmp_path / "mine/train/data_label.npz").read_bytes() == npz.read_bytes()
    assert read_listing(tmp_path / "mine").empty
    assert json.loads((tmp_path / "mine.json").read_text()) == {
        "source": "npz",
        "files": {
            str(npz): {
                "bytes": npz.stat().st_size,
                "sha256": hashlib.sha256(npz.read_bytes()).hexdigest(),
            }
        },
    }


def test_an_npz_without_x_and_y_is_refused_with_what_it_holds(tmp_path):
    np.savez(tmp_path / "my.npz", low=np.zeros(3), high=np.ones(3))
    with pytest.raises(ValueError) as refused:
        import_npz(tmp_path / "my.npz", tmp_path / "mine", tmp_path / "mine.json")
    assert str(refused.value) == (
        f"{tmp_path / 'my.npz'}: holds high, low, expected arrays X (low SNR) and Y (ground truth);"
        " save it again with csbdeep's save_training_data."
    )


def test_what_is_no_npz_is_refused(tmp_path):
    (tmp_path / "my.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"my\.npz: not a complete npz file \(File is not a zip"):
        import_npz(tmp_path / "my.npz", tmp_path / "mine", tmp_path / "mine.json")


def test_an_array_that_ends_before_its_last_number_is_named(tmp_path):
    """Its header promises more than the file holds."""
    path = tmp_path / "short.npz"
    whole = io.BytesIO()
    np.save(whole, np.zeros((10, 4), np.float32))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", whole.getvalue()[:-4])
    with pytest.raises(ValueError, match=r"short\.npz: array X cannot be read \(its numbers end e"):
        list(open_array(path, "X").parts())


def test_an_array_without_a_header_is_named(tmp_path):
    path = tmp_path / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00\x04\x00{{{{")
    with pytest.raises(ValueError, match=r"odd\.npz: array X cannot be read .*fetch the archive"):
        open_array(path, "X")
