"""Tar and npz files from strangers, damaged or made to do harm: each is unpacked, or refused in one
sentence that names it, in bounded time, memory and disk, and nothing is written beside the results.
"""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bounded import faults, outcome
from mutations import mutations

from denoising.images.archives import unpack
from denoising.images.arrival import report
from denoising.images.npz import import_npz
from denoising.running import tar_files
from denoising.running.downloads import record_archive
from denoising.study.names import TRUTH
from denoising.training.npz import npz_patches

COUNT = 80  # damaged copies of each kind of file
SHAPE = (3, 8, 10)
SOURCES = {"1": "low"}


def tiff(seed):
    file = io.BytesIO()
    image = np.random.default_rng(seed).integers(0, 60000, SHAPE).astype(np.uint16)
    tifffile.imwrite(file, image, photometric="minisblack", metadata={"axes": "ZYX"})
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


PATCHES = {
    "X": np.random.default_rng(1).normal(size=(5, 1, 2, 4, 4)).astype(np.float32),
    "Y": np.random.default_rng(2).normal(size=(5, 1, 2, 4, 4)).astype(np.float32),
}
FILES = {
    "Top/Readme.md": b"read me",
    "Top/test_data/GT/worm.tif": tiff(0),
    "Top/test_data/low/worm.tif": tiff(1),
    "Top/train_data/data_label.npz": npz(**PATCHES),
}


def tar_file(files, kind=tarfile.GNU_FORMAT):
    """A tar file of names and their bytes, or of entries with bytes or none."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as tar:
        for name, data in files.items():
            entry = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            if entry is not data:
                entry.size = len(data)
            tar.addfile(entry, None if entry is data else io.BytesIO(data))
    return file.getvalue()


def unpacked(path):
    """All that the workflow does with an archive before volumes are cut from it."""

    def read(scratch):
        record_archive(path, str(path), None, scratch / "record.json")
        volumes = scratch / "volumes"
        contents = unpack(path, "folders", "GT", SOURCES, volumes)
        report(contents, volumes, {TRUTH: "GT", **SOURCES}, None)
        assert (volumes / "volumes.csv").is_file()

    return read


def faults_of(path, data):
    path.write_bytes(data)
    return faults(outcome(unpacked(path), path.parent), path.name)


@pytest.mark.parametrize(
    "compress", [bytes, lambda data: gzip.compress(data, 1)], ids=["tar", "gz"]
)
def test_a_damaged_archive_is_unpacked_or_refused(compress, tmp_path):
    whole = compress(tar_file(FILES))
    path = tmp_path / "worms 3.tar.gz"
    path.write_bytes(whole)
    assert outcome(unpacked(path), tmp_path).ended == "value"
    wrong = []
    for name, damaged in mutations(whole, COUNT, seed=1):
        wrong += [f"{name}: {fault}" for fault in faults_of(path, damaged)]
    assert not wrong, "\n".join(wrong)


# Archives that do harm


def entry(name, kind=tarfile.REGTYPE, link="", size=0):
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.size = kind, link, size
    return one


def header(name, kind=tarfile.REGTYPE, size=0):
    return entry(name, kind, "", size).tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")


def pax(name, **words):
    """The blocks of an entry, with words about it of which none is checked."""
    records = b""
    for key, value in words.items():
        record = f" {key}={value}\n"
        length = len(record)
        while len(f"{length}{record}") != length:
            length = len(f"{length}{record}")
        records += f"{length}{record}".encode()
    return [header("words", tarfile.XHDTYPE, len(records)), records, header(name)]


def raw(*blocks):
    padded = (block.ljust(-(-len(block) // 512) * 512, b"\0") for block in blocks)
    return b"".join(padded) + bytes(1024)


MANY = 2000
HARM = {
    "a_name_above": tar_file(FILES | {"../../evil.tif": b"evil"}),
    "a_name_above_in_the_data": tar_file(FILES | {"Top/test_data/../../../evil.tif": b"evil"}),
    "an_absolute_name": tar_file(FILES | {"/tmp/strangers_evil.tif": b"evil"}),
    "a_link_out_and_a_file_through_it": tar_file(
        FILES
        | {
            "a": entry("Top/test_data/out", tarfile.SYMTYPE, "../../../.."),
            "Top/test_data/out/evil.tif": b"evil",
        }
    ),
    "a_hard_link_out": tar_file(
        FILES | {"a": entry("Top/test_data/GT/a.tif", tarfile.LNKTYPE, "/etc/hostname")}
    ),
    "devices": tar_file(
        FILES | {"a": entry("Top/test_data/GT/a.tif", tarfile.CHRTYPE),
                 "b": entry("Top/test_data/GT/b.tif", tarfile.FIFOTYPE)}
    ),
    "a_file_where_a_folder_is": tar_file({"Top/test_data": b"", **FILES}),
    "a_folder_where_a_file_is": tar_file(
        FILES | {"a": entry("Top/test_data/GT/worm.tif", tarfile.DIRTYPE)}
    ),
    "a_name_twice": tar_file(FILES | {"a": entry("Top/test_data/GT/worm.tif")}),
    "an_empty_name": tar_file(FILES | {"": b""}),
    "a_name_of_points": tar_file(FILES | {"Top/test_data/GT/...": b"", ".": b"", "..": b""}),
    "a_long_name": tar_file(FILES | {"Top/test_data/GT/" + "a" * 5000 + ".tif": tiff(0)}),
    "a_name_with_lines": tar_file(FILES | {"Top/test_data/GT/a\nFAILED: b.tif": tiff(0)}),
    "a_name_that_is_no_text": raw(header("Top/test_data/GT/a\udcff.tif")),
    "deep_folders": tar_file(FILES | {"a/" * 2000 + "b.tif": b""}),
    "a_size_that_is_not_there": raw(header("Top/test_data/GT/worm.tif", size=10**15)),
    "a_size_below_nothing": raw(*pax("a", size="-512"), header("b")),
    "a_size_of_text": raw(*pax("a", size="many")),
    "a_size_of_many_digits": raw(*pax("a", size="9" * 5000)),
    "a_time_of_text": raw(*pax("a", mtime="nan", uid="x")),
    "a_header_of_gigabytes": raw(header("a", tarfile.XHDTYPE, 1 << 33), bytes(1 << 16)),
    "a_long_name_of_gigabytes": raw(header("a", tarfile.GNUTYPE_LONGNAME, 1 << 33)),
    "a_broken_header": raw(header("a", tarfile.XHDTYPE, 30), b"99 path=Top\n0 =\n"),
    "a_sparse_file": raw(header("Top/test_data/GT/worm.tif", tarfile.GNUTYPE_SPARSE, 1 << 40)),
    "a_sparse_file_of_pax": raw(
        *pax(
            "Top/test_data/GT/worm.tif",
            **{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"},
        ),
        b"99999999\n",
    ),
    "a_bomb_of_zeros": gzip.compress(
        raw(header("Top/test_data/GT/worm.tif", size=1 << 28)) + bytes(1 << 28), 9
    ),
    "zeros_without_end": gzip.compress(tar_file(FILES) + bytes(1 << 28), 9),
    "many_files": gzip.compress(b"".join([header("a")] * MANY) + bytes(1024), 1),
    "another_archive_behind_it": tar_file(FILES) + tar_file(FILES),
    "no_entries": bytes(10240),
    "a_zip": npz(**PATCHES),
    "a_pickle": pickle.dumps({"X": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_an_archive_that_does_harm_is_unpacked_or_refused(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tar_files, "MOST_FILES", MANY - 1)
    assert not faults_of(tmp_path / "worms 3.tar.gz", HARM[name])
    assert not Path("/tmp/strangers_evil.tif").exists()


# Npz


def imported(path):
    """All that the workflow does with an npz before patches are made of it."""

    def read(scratch):
        import_npz(path, scratch / "volumes", scratch / "record.json")
        for patches in npz_patches(path, None, None, (2, 4, 4)):
            target = np.zeros(patches.shape, np.float32)
            patches.copy_to(target)

    return read


def npy(array, **changed):
    """An array as npz files hold it, with a header that says something else of it."""
    file = io.BytesIO()
    words = np.lib.format.header_data_from_array_1_0(array) | changed
    np.lib.format.write_array_header_1_0(file, words)
    return file.getvalue() + array.tobytes()


def zip_of(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


X, Y = PATCHES.values()


def with_x(**changed):
    return zip_of(X=npy(X, **changed), Y=npy(Y))


def encrypted(data):
    """The bit that says so, in every header of the zip file."""
    flagged = bytearray(data)
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = flagged.find(magic)
        while start >= 0:
            flagged[start + place] |= 1
            start = flagged.find(magic, start + 4)
    return bytes(flagged)


LIES = {
    "a_shape_of_exabytes": with_x(shape=(10**9, 1, 2, 4, 4 * 10**6)),
    "a_shape_of_negatives": with_x(shape=(-5, 1, -2, 4, 4)),
    "a_shape_of_other_axes": with_x(shape=(160,)),
    "a_shape_of_truths": with_x(shape=(True, True)),
    "no_patches": with_x(shape=(0, 1, 2, 4, 4)),
    "another_type": with_x(descr="<f8"),
    "objects": with_x(descr="|O"),
    "a_structure": with_x(descr=[("a", "<f4"), ("b", "<f4")]),
    "an_unknown_type": with_x(descr="<q9"),
    "fortran": with_x(fortran_order=True),
    "a_long_header": with_x(shape=(1,) * 9000),
    "a_pickle": zip_of(X=pickle.dumps(X), Y=npy(Y)),
    "axes_of_objects": zip_of(X=npy(X), Y=npy(Y), axes=npy(np.zeros(1), descr="|O", shape=())),
    "axes_without_end": zip_of(X=npy(X), Y=npy(Y), axes=npy(np.array("S" * (1 << 24)))),
    "axes_of_numbers": npz(X=X, Y=Y, axes=np.arange(3)),
    "axes_that_are_none": npz(X=X, Y=Y, axes=np.array("\u202eSCZYX\n" * 3)),
    "y_of_another_shape": npz(X=X, Y=Y[:3]),
    "a_bomb": npz(X=np.zeros((1 << 15, 1, 2, 4, 4 << 5), np.float32), Y=Y),
    "many_arrays": zip_of(X=npy(X), Y=npy(Y), **{f"a{n}": b"" for n in range(2000)}),
    "names_that_lead_out": zip_of(**{"../X": npy(X), "/Y": npy(Y)}),
    "encrypted": encrypted(npz(**PATCHES)),
    "an_unknown_compression": npz(**PATCHES).replace(
        struct.pack("<H", zipfile.ZIP_DEFLATED), struct.pack("<H", 97)
    ),
    "no_zip": b"PK\x03\x04",
    "empty": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_an_npz_that_lies_is_read_or_refused(name, tmp_path):
    path = tmp_path / "my 3.npz"
    path.write_bytes(LIES[name])
    assert not faults(outcome(imported(path), tmp_path), path.name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_is_read_or_refused(save, tmp_path):
    path = tmp_path / "my 3.npz"
    save(path, **PATCHES, axes=np.array("SCZYX"))
    assert outcome(imported(path), tmp_path).ended == "value"
    wrong = []
    for name, damaged in mutations(path.read_bytes(), COUNT, seed=2):
        path.write_bytes(damaged)
        wrong += [
            f"{name}: {fault}" for fault in faults(outcome(imported(path), tmp_path), path.name)
        ]
    assert not wrong, "\n".join(wrong)
