"""Npz files: arrays read part by part, and files imported as they are."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from denoising.images import npz as module
from denoising.images.npz import import_npz, npz_text, open_array
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


def test_an_array_without_a_header_is_named(tmp_path):
    path = tmp_path / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00\x04\x00{{{{")
    with pytest.raises(ValueError, match=r"odd\.npz: array X cannot be read .*fetch the archive"):
        open_array(path, "X")


# Files from strangers


def npy(array, **changed):
    """An array as npz files hold it, with a header that says something else of it."""
    header = np.lib.format.header_data_from_array_1_0(array) | changed
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def with_x(path, data):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", data)
    return path


@pytest.mark.parametrize(
    "shape", [(10**12, 4), (3, 10**6), (2, 3), (10**30, 10**30), (-3, -4)], ids=str
)
def test_a_header_that_lies_of_the_shape_is_refused_before_anything_is_read(shape, tmp_path):
    path = with_x(tmp_path / "a.npz", npy(np.zeros((3, 4)), shape=shape))
    with pytest.raises(
        ValueError, match=r"^.*a\.npz: array X .*(shape|GB|some numbers).*; (fetch|save)"
    ):
        open_array(path, "X")


def test_an_array_larger_than_the_limit_is_refused_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    path = with_x(tmp_path / "a.npz", npy(np.zeros((3, 1 << 16))))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(ValueError, match=r"a\.npz: array X .* takes 0.00157 GB, .*; save fewer"):
        open_array(path, "X")


def test_a_patch_larger_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_PER_ROW", 1 << 10)
    path = with_x(tmp_path / "a.npz", npy(np.zeros((3, 1 << 16))))
    with pytest.raises(ValueError, match=r"a\.npz: array X .* for each patch; save fewer"):
        open_array(path, "X")


def test_more_arrays_than_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    np.savez(tmp_path / "a.npz", *[np.zeros(1)] * 4)
    with pytest.raises(ValueError, match=r"a\.npz: .*it holds 4 arrays, expected at most 3"):
        open_array(tmp_path / "a.npz", "X")
    with pytest.raises(ValueError, match=r"a\.npz: .*it holds 4 arrays, expected at most 3"):
        import_npz(tmp_path / "a.npz", tmp_path / "mine", tmp_path / "mine.json")


def test_a_header_without_end_is_refused_without_advice_to_trust_it(tmp_path):
    path = with_x(tmp_path / "a.npz", npy(np.zeros(3), shape=(3,) * 9000))
    with pytest.raises(ValueError, match=r"a\.npz: array X .*header is damaged, or too long\); f"):
        open_array(path, "X")


@pytest.mark.parametrize(
    "array", [np.array("S" * 200), np.array(["SCYX"]), np.array({}), np.zeros(3)], ids=str
)
def test_axes_that_are_no_short_text_are_refused(array, tmp_path):
    np.savez(tmp_path / "a.npz", axes=array)
    with pytest.raises(ValueError, match=r"a\.npz: array axes is .*, expected one short text"):
        npz_text(tmp_path / "a.npz", "axes")


@pytest.mark.parametrize(("text", "read"), [("SCYX", "SCYX"), (b"SYX", "SYX"), ("a\nb", "a?b")])
def test_a_short_text_is_read(text, read, tmp_path):
    np.savez(tmp_path / "a.npz", axes=np.array(text))
    assert npz_text(tmp_path / "a.npz", "axes") == read
    assert npz_text(tmp_path / "a.npz", "names") is None
