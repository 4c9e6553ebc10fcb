"""Archives: unpacking them safely, and mapping arrays of npz files."""

import gzip
import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
import tifffile

from denoising.images.archives import import_npz, unpack, unzip_array
from denoising.images.volumes import open_volume, paired, read_listing, read_nuclei

NAMES = ("EXP1_fixed_m2", "EXP2_live_m1")
SHAPE = (3, 8, 10)


def image(seed, shape=SHAPE, dtype=np.uint16):
    return np.random.default_rng(seed).integers(0, 60000, shape).astype(dtype)


def tiff(array, axes):
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="minisblack", metadata={"axes": axes})
    return file.getvalue()


def write_tar(path, files, mode="w:gz"):
    """A tar archive of names and their bytes, or of TarInfo objects."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            entry = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = 0 if entry is data else len(data)
            tar.addfile(entry, None if entry is data else io.BytesIO(data))
    return path


def folders(part="test_data"):
    """Files of the folders layout: two volumes, in two conditions and the ground truth."""
    return {
        f"Top/{part}/{place}/{name}.tif": tiff(image([i, j, len(part)]), "ZYX")
        for i, place in enumerate(("GT", "low", "lower"))
        for j, name in enumerate(NAMES)
    }


def stacks():
    """Files of the stacks layout: two volumes of two conditions, the ground truth last."""
    return {
        f"Top/test_data/{name}.tif": tiff(image(j, (3, *SHAPE)), "CZYX")
        for j, name in enumerate(NAMES)
    }


def npz_file(compressed=False, **arrays):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


@pytest.fixture
def unpacked(tmp_path):
    """Unpack files, or the archive at a path, and return the folder of volumes."""

    def unpack_to(files, layout="folders", mode="w:gz"):
        path = (
            write_tar(tmp_path / "worms.tar.gz", files, mode) if isinstance(files, dict) else files
        )
        truth, *low = ("GT", "low", "lower") if layout == "folders" else (2, 0, 1)
        folder = tmp_path / "volumes" / "worms"
        unpack(path, layout, truth, dict(zip(("1", "2"), low, strict=True)), folder)
        return folder

    return unpack_to


def test_folders_layout(unpacked):
    folder = unpacked(
        folders()
        | folders("train_data")
        | {"Top/Readme.md": b"read me", "Top/test_data/notes.txt": b""}
    )
    pairs = list(paired(folder, "test", ["1", "2"]))
    assert [(pair.volume, pair.condition) for pair in pairs] == [
        (NAMES[0], "1"), (NAMES[0], "2"), (NAMES[1], "1"), (NAMES[1], "2"),
    ]  # fmt: skip
    np.testing.assert_array_equal(open_volume(pairs[3].image, "ZYX"), image([2, 1, 9]))
    np.testing.assert_array_equal(open_volume(pairs[3].truth, "ZYX"), image([0, 1, 9]))
    np.testing.assert_array_equal(
        open_volume(folder / "train" / "1" / f"{NAMES[0]}.tif"), image([1, 0, 10])
    )
    listing = read_listing(folder)
    assert len(listing) == 12
    assert set(listing["shape"]) == {"3x8x10"}
    assert set(listing["dtype"]) == {"uint16"}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.tif")} == set(listing["path"])


def test_stacks_layout(unpacked):
    folder = unpacked(stacks(), "stacks")
    pairs = list(paired(folder, "test", ["1", "2"]))
    assert len(pairs) == 4
    assert read_listing(folder)["axes"].unique() == ["ZYX"]
    for j, pair in enumerate(pairs[1::2]):
        np.testing.assert_array_equal(
            tifffile.memmap(pair.image, mode="r"), image(j, (3, *SHAPE))[1]
        )
        np.testing.assert_array_equal(open_volume(pair.truth, "ZYX"), image(j, (3, *SHAPE))[2])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("top", ["", "Denoising_Worms/", "./data/v1/"])
def test_any_compression_and_any_top_folder(mode, top, unpacked):
    folder = unpacked(
        {name.replace("Top/", top): data for name, data in folders().items()}, mode=mode
    )
    assert len(read_listing(folder)) == 6


def test_published_patches_are_kept_as_they_are(unpacked):
    npz = npz_file(X=np.arange(5), Y=np.arange(5))
    folder = unpacked(stacks() | {"Top/train_data/data_label.npz": npz}, "stacks")
    assert (folder / "train" / "data_label.npz").read_bytes() == npz


@pytest.mark.parametrize("top", ["Top/", "./Top/"])
def test_a_list_of_nuclei_arrives_beside_that_of_the_volumes(top, unpacked):
    listing = b"volume,z,y,x,radius_um\n007,1,2,3,4.5\n"
    others = {"Top/Readme.md": b"text", "Top/other/nuclei.csv": b"another"}
    folder = unpacked(folders() | others | {f"{top}nuclei.csv": listing})
    assert (folder / "nuclei.csv").read_bytes() == listing
    assert read_nuclei(folder).iloc[0].tolist() == ["007", 1, 2, 3, 4.5]
    assert len(read_listing(folder)) == 6


def test_nothing_but_volumes_stays_on_disk(unpacked, tmp_path):
    folder = unpacked(folders() | {"Top/train_data/more.bin": b"0" * 999})
    assert {path.name for path in folder.iterdir()} == {"test", "volumes.csv"}
    assert list(folder.parent.iterdir()) == [folder]


def link(kind, target):
    entry = tarfile.TarInfo("Top/test_data/GT/extra.tif")
    entry.type, entry.linkname = kind, target
    return entry


LAST = f"Top/test_data/lower/{NAMES[1]}.tif"
BELOW = LAST.removeprefix("Top/")


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("../evil.tif", b""),
        ("Top/test_data/../../../evil.tif", b""),
        pytest.param("/test_data/notes.txt", b""),
        ("Top/test_data/GT/extra.tif", link(tarfile.SYMTYPE, "/etc/hosts")),
        ("Top/test_data/GT/extra.tif", link(tarfile.SYMTYPE, f"{NAMES[0]}.tif")),
        ("Top/test_data/GT/extra.tif", link(tarfile.LNKTYPE, f"Top/test_data/GT/{NAMES[0]}.tif")),
        ("Top/test_data/GT/extra.tif", link(tarfile.LNKTYPE, "../../secret")),
        ("Top/test_data/GT/extra.tif", link(tarfile.FIFOTYPE, "")),
        ("Top/test_data/GT/extra.tif", link(tarfile.CHRTYPE, "")),
    ],
)
def test_unsafe_entries_are_refused(name, entry, unpacked, tmp_path):
    with pytest.raises(ValueError) as refused:
        unpacked(folders() | {name: entry})
    assert all(
        words in str(refused.value) for words in ("worms.tar.gz", name, "do not use this archive")
    )
    assert not list(tmp_path.rglob("evil*"))


def with_nan():
    volume = image(0, dtype=np.float32)
    volume[1, 2, 3] = np.nan
    return volume


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tiff(image(0, (2, 8, 10)), "ZYX"), "(2, 8, 10)"),
        (tiff(with_nan(), "ZYX"), "1 values are NaN"),
        (tiff(image(0), "TYX"), "axes are TYX"),
        (tiff(image(0, (8, 10)), "YX"), "expected ZYX"),
        (b"not an image", "not a readable TIFF"),
    ],
)
def test_faulty_volume_is_named(data, said, unpacked):
    with pytest.raises(ValueError) as refused:
        unpacked(folders() | {LAST: data})
    assert all(words in str(refused.value) for words in ("worms.tar.gz", BELOW, said))


def test_a_volume_that_a_condition_lacks_is_named(unpacked):
    files = folders()
    del files[LAST]
    with pytest.raises(ValueError) as refused:
        unpacked(files)
    others = f"test_data/GT/{NAMES[1]}.tif, test_data/low/{NAMES[1]}.tif"
    missing = f"volume {NAMES[1]} is missing from lower;"
    assert all(words in str(refused.value) for words in ("worms.tar.gz", others, missing))


def test_volume_cut_short_is_named(unpacked):
    with pytest.raises(ValueError) as refused:
        unpacked(folders() | {LAST: folders()[LAST][:400]})
    assert BELOW in str(refused.value)


@pytest.mark.parametrize(
    ("stack", "axes", "said"),
    [
        ((2, *SHAPE), "CZYX", "2 channels"),
        ((3, *SHAPE), "ZCYX", "axes are ZCYX"),
        (SHAPE, "ZYX", "expected CZYX"),
    ],
)
def test_faulty_stack_is_named(stack, axes, said, unpacked):
    name = f"test_data/{NAMES[1]}.tif"
    with pytest.raises(ValueError) as refused:
        unpacked(stacks() | {f"Top/{name}": tiff(image(0, stack), axes)}, "stacks")
    assert all(words in str(refused.value) for words in ("worms.tar.gz", name, said))


@pytest.mark.parametrize(
    ("files", "layout"), [({"Top/Readme.md": b""}, "folders"), (folders(), "stacks")]
)
def test_archive_without_test_volumes(files, layout, unpacked):
    with pytest.raises(
        ValueError, match=rf"worms\.tar\.gz: no test volumes found for layout {layout}"
    ):
        unpacked(files, layout)


@pytest.mark.parametrize("data", [b"", b"<html>Sign in</html>" * 99])
def test_what_is_no_archive(data, unpacked, tmp_path):
    (tmp_path / "page.tar.gz").write_bytes(data)
    with pytest.raises(ValueError, match=r"page\.tar\.gz: not a complete tar archive"):
        unpacked(tmp_path / "page.tar.gz")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8])
def test_archive_cut_short(share, unpacked, tmp_path):
    path = write_tar(tmp_path / "worms.tar.gz", stacks())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"worms\.tar\.gz: not a complete tar archive"):
        unpacked(path, "stacks")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_archive_that_lacks_its_last_bytes(mode, unpacked, tmp_path):
    path = write_tar(tmp_path / "worms.tar", stacks(), mode)
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match=r"worms\.tar: not a complete tar archive \(.+\); fetch"):
        unpacked(path, "stacks")


@pytest.mark.parametrize("into_header", [0, 100])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_archive_cut_between_volumes(mode, into_header, unpacked, tmp_path):
    path = write_tar(tmp_path / "worms.tar.gz", stacks(), "w")
    with tarfile.open(path) as tar:
        cut = tar.getmembers()[1].offset + into_header
    whole = path.read_bytes()
    path.write_bytes(
        whole[:cut] if mode == "w" else gzip.compress(whole, 0)[: cut + 15]
    )  # 15 bytes of headers
    with pytest.raises(ValueError, match=r"worms\.tar\.gz"):
        unpacked(path, "stacks")


def test_damaged_archive_is_refused(unpacked, tmp_path):
    path = write_tar(tmp_path / "worms.tar.gz", stacks(), "w")
    damaged = bytearray(gzip.compress(path.read_bytes(), 0))
    damaged[damaged.index(image(0, (3, *SHAPE)).tobytes()[:32])] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"worms\.tar\.gz"):
        unpacked(path, "stacks")


def test_damaged_header_is_refused(unpacked, tmp_path):
    path = write_tar(tmp_path / "worms.tar", stacks(), "w")
    with tarfile.open(path) as tar:
        header = tar.getmembers()[1].offset
    damaged = bytearray(path.read_bytes())
    damaged[header + 5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"worms\.tar"):
        unpacked(path, "stacks")


# npz files


@pytest.fixture(params=[False, True], ids=["stored", "compressed"])
def npz(request, tmp_path):
    path = tmp_path / "data_label.npz"
    rng = np.random.default_rng(1)
    arrays = {
        "X": rng.normal(size=(11, 1, 4, 6)).astype(np.float32),
        "Y": rng.integers(0, 9, (7, 3)).astype(">u2"),
    }
    path.write_bytes(npz_file(request.param, **arrays, axes=np.array("SCYX")))
    return path


@pytest.mark.parametrize("name", ["X", "Y"])
def test_an_array_is_mapped_unchanged(name, npz, tmp_path):
    expected = np.load(npz)[name]
    array = unzip_array(npz, name, tmp_path / "scratch")
    np.testing.assert_array_equal(array, expected, strict=True)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.filename == str(tmp_path / "scratch" / f"{name}.npy")


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
        unzip_array(tmp_path / "a.npz", "X", tmp_path)


def test_a_damaged_array_is_named(npz, tmp_path):
    damaged = bytearray(npz.read_bytes())
    damaged[200] ^= 1
    npz.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"data_label\.npz: array X cannot be read"):
        unzip_array(npz, "X", tmp_path)


def test_missing_array_is_named(npz, tmp_path):
    with pytest.raises(ValueError, match=r"data_label\.npz: holds .*X\.npy.* expected an array Z"):
        unzip_array(npz, "Z", tmp_path)


def test_what_is_no_npz_is_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip file")
    for name in ("a.npz", "none.npz"):
        with pytest.raises(ValueError, match=name):
            unzip_array(tmp_path / name, "X", tmp_path)


# An npz by itself


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


def test_an_npz_in_place_of_an_archive_is_told_apart(tmp_path):
    np.savez(tmp_path / "mine.tar.gz", X=np.zeros(3))
    (tmp_path / "mine.tar.gz.npz").rename(tmp_path / "mine.tar.gz")
    with pytest.raises(ValueError, match=r"is a zip or npz file, expected a tar archive; pack"):
        unpack(tmp_path / "mine.tar.gz", "folders", "GT", {"low": "low"}, tmp_path / "mine")
