"""Tar files from strangers stay within limits of number and size, whatever their entries say."""

import gzip
import io
import shutil
import tarfile
from collections import namedtuple

import pytest

from denoising.running import tar_files
from denoising.running.tar_files import extract, is_tar

MEGABYTE = 1 << 20


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "worms.tar.gz"


def write_tar(path, files):
    """A tar file of names and their bytes, or of entries and the bytes that they claim."""
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def raw(path, *blocks):
    """A tar file of headers and data as they are."""
    whole = b"".join(block.ljust(-(-len(block) // 512) * 512, b"\0") for block in blocks)
    path.write_bytes(gzip.compress(whole + bytes(1024)))


def header(name, kind=tarfile.REGTYPE, size=0):
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def extracted(archive):
    folder = archive.parent / "unpacked"
    folder.mkdir()
    names = extract(archive, folder, lambda name: name.endswith(".tif"))
    return names, {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive, said):
    with pytest.raises(ValueError, match=rf"^.*worms\.tar\.gz: {said}"):
        extracted(archive)


def test_wanted_files_alone_are_extracted(archive):
    write_tar(archive, {"a.tif": b"1", "b.txt": b"2"})
    assert extracted(archive) == (["a.tif", "b.txt"], {"a.tif": b"1"})


def test_more_files_than_the_limit_are_refused_with_a_remedy(archive, monkeypatch):
    monkeypatch.setattr(tar_files, "MOST_FILES", 3)
    write_tar(archive, {f"{n}.txt": b"" for n in range(4)})
    refused(archive, "holds more than 3 files; if you trust it, unpack it yourself, and give")


def test_more_bytes_than_the_limit_are_refused_before_they_are_written(archive, monkeypatch):
    monkeypatch.setattr(tar_files, "MOST_BYTES", MEGABYTE)
    write_tar(archive, {"a.tif": bytes(MEGABYTE - 9), "b.tif": bytes(10)})
    assert archive.stat().st_size < MEGABYTE / 100
    refused(archive, r"would take more than 0.00105 GB unpacked; if you trust it, unpack it your")
    assert not (archive.parent / "unpacked/b.tif").exists()


def test_a_file_for_which_the_disk_has_no_room_is_refused(archive, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(99))
    write_tar(archive, {"a.tif": bytes(100)})
    refused(archive, r"a\.tif takes 1e-07 GB unpacked, and 9.9e-08 GB are free; make room, or run")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_fills_the_memory_is_refused(kind, archive):
    raw(archive, header("a.tif"), header("words", kind, 2 * MEGABYTE), bytes(2 * MEGABYTE))
    refused(archive, "has a header of 2097152 bytes, expected at most 1048576; do not use")


def test_a_huge_header_is_refused_before_anything_is_unpacked(archive):
    raw(archive, header("words", tarfile.XHDTYPE, 2 * MEGABYTE), bytes(2 * MEGABYTE))
    with pytest.raises(ValueError, match=r"worms\.tar\.gz: has a header of 2097152 bytes"):
        is_tar(archive)


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "old"])
def test_sparse_files_are_refused(version, archive):
    if version == "old":
        raw(archive, header("a.tif", tarfile.GNUTYPE_SPARSE))
    else:
        major, minor = version.split(".")
        fields = {"major": major, "minor": minor} if version == "1.0" else {}
        fields |= {"map": "0,1"} if version == "0.1" else {"size": "9", "realsize": "9"}
        entry = tarfile.TarInfo("a.tif")
        entry.pax_headers = {f"GNU.sparse.{name}": value for name, value in fields.items()}
        raw(archive, entry.tobuf(tarfile.PAX_FORMAT), b"0\n")
    refused(archive, "has sparse files, which are not read")


def test_zeros_without_end_are_refused(archive, monkeypatch):
    monkeypatch.setattr(tar_files, "MOST_ZEROS", MEGABYTE)
    raw(archive, header("a.tif"), bytes(4 * MEGABYTE))
    refused(archive, "goes on for more than 1048576 bytes after its last file")


def test_a_name_longer_than_the_disk_takes_is_named_with_the_archive(archive):
    write_tar(archive, {f"{'a' * 300}.tif": b"1"})
    refused(archive, r"not a complete tar archive \(.*File name too long")


def test_nothing_written_may_be_changed_by_others(archive):
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("a.tif")
        entry.mode = 0o6777
        tar.addfile(entry)
    extracted(archive)
    assert (archive.parent / "unpacked/a.tif").stat().st_mode & 0o7777 == 0o755
