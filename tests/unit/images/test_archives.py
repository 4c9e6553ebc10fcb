"""Archives: unpacking them safely, and mapping arrays of npz files."""

import gzip
import io
import os
import shutil
import tarfile

import numpy as np
import pytest
import tifffile

from denoising.images.archives import unpack
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
            entry = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo()
            entry.name = name
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
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


LAST = f"Top/test_data/lower/{NAMES[1]}.tif"
BELOW = LAST.removeprefix("Top/")


UNSAFE = {
    "../evil.tif": b"",
    "Top/test_data/../../../evil.tif": b"",
    "/test_data/notes.txt": b"",
    "Top/test_data/a.tif": link(tarfile.SYMTYPE, "/etc/hosts"),
    "Top/test_data/b.tif": link(tarfile.SYMTYPE, f"{NAMES[0]}.tif"),
    "Top/test_data/c.tif": link(tarfile.LNKTYPE, f"Top/test_data/GT/{NAMES[0]}.tif"),
    "Top/test_data/d.tif": link(tarfile.LNKTYPE, "../../secret"),
    "Top/test_data/e.tif": link(tarfile.FIFOTYPE, ""),
    "Top/test_data/f.tif": link(tarfile.CHRTYPE, ""),
}


@pytest.mark.parametrize("names", [*([name] for name in UNSAFE), list(UNSAFE)])
def test_unsafe_entries_are_refused_by_name_and_all_at_once(names, unpacked, tmp_path):
    with pytest.raises(ValueError) as refused:
        unpacked({name: UNSAFE[name] for name in names} | folders())
    assert str(refused.value) == (
        f"{tmp_path / 'worms.tar.gz'}: would leave the folder it is unpacked to, or is a link or"
        " device, or has a name that cannot be printed, expected plain files alone:"
        f" {', '.join(names)}; do not use this archive."
    )
    assert not list(tmp_path.rglob("evil*"))


def test_a_name_that_cannot_be_printed_is_refused(unpacked):
    with pytest.raises(ValueError, match=r"plain files alone: Top/test_data/a\?\[31m\.tif; do not"):
        unpacked(folders() | {"Top/test_data/a\x1b[31m.tif": b""})


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
    with pytest.raises(
        ValueError, match=r"worms\.tar: not a complete tar archive \(.+\); delete it"
    ):
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


# Archives that are unpacked already


def states(folder):
    """What says whether a folder was changed: its files, their places, bytes and times."""
    return {
        path: (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture
def folder_of(tmp_path):
    """Write files as an archive that somebody unpacked, and return the folder."""

    def write(files):
        for name, data in files.items():
            path = tmp_path / "unpacked" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / "unpacked"

    return write


@pytest.mark.parametrize("below", [".", "Top"])
@pytest.mark.parametrize("layout", ["folders", "stacks"])
def test_a_folder_gives_what_its_archive_gives(layout, below, folder_of, unpacked, tmp_path):
    files = folders() | folders("train_data") if layout == "folders" else stacks()
    files["Top/train_data/data_label.npz"] = b"patches"
    files["Top/nuclei.csv"] = b"volume,z,y,x,radius_um\n"
    folder = folder_of(files)
    before = states(folder)
    found = unpacked(folder / below, layout)
    ours = {path.relative_to(found): path for path in found.rglob("*") if path.is_file()}
    contents = {name: path.read_bytes() for name, path in ours.items()}
    images = {name: tifffile.imread(path) for name, path in ours.items() if name.suffix == ".tif"}
    shutil.rmtree(found)
    unpacked(files, layout)
    for name in contents:
        if name.suffix == ".tif":
            np.testing.assert_array_equal(images[name], tifffile.imread(found / name), strict=True)
        else:
            assert contents[name] == (found / name).read_bytes()
    assert states(folder) == before


def test_a_folder_is_not_copied(folder_of, unpacked):
    folder = folder_of(folders() | {"Top/train_data/data_label.npz": b"patches"})
    found = unpacked(folder)
    data = [path for path in found.rglob("*") if path.suffix in (".tif", ".npz")]
    assert len(data) == 7
    assert all(path.resolve().is_relative_to(folder) for path in data)


def test_compressed_images_of_a_folder_are_decoded_once(folder_of, unpacked):
    file = io.BytesIO()
    tifffile.imwrite(file, image(7), photometric="minisblack", compression="zlib")
    folder = folder_of(folders() | {LAST: file.getvalue()})
    before = states(folder)
    written = unpacked(folder) / "test/2" / f"{NAMES[1]}.tif"
    assert not written.is_symlink()
    np.testing.assert_array_equal(tifffile.memmap(written, mode="r"), image(7))
    assert states(folder) == before


def test_a_folder_with_links_in_circles_is_read_once(folder_of, unpacked):
    folder = folder_of(folders())
    for name in ("a", "b", "Top/c", "Top/test_data/GT/d"):
        (folder / name).symlink_to(folder)
    os.mkfifo(folder / "Top/test_data/GT/pipe.txt")  # nobody will ever write to it
    assert len(read_listing(unpacked(folder))) == 6


def test_a_folder_without_the_layout_says_so(folder_of, unpacked):
    with pytest.raises(ValueError, match=r"no test volumes found for layout stacks"):
        unpacked(folder_of(folders()), "stacks")
