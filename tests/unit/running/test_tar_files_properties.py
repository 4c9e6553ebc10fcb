"""Archives of any names: what comes out is what was put in, and nothing lies beside the folder."""

import io
import os
import tarfile
import tempfile
from pathlib import Path

import drawn_examples  # noqa: F401  # how hypothesis draws
from hypothesis import given
from hypothesis import strategies as st

from denoising.running.tar_files import extract

PLAIN = st.text("abZ09_-. ü", min_size=1, max_size=12).filter(lambda part: set(part) - set(". "))
PLAIN_NAMES = st.lists(PLAIN, min_size=1, max_size=4).map("/".join)
CONTENTS = st.dictionaries(PLAIN_NAMES, st.binary(max_size=2000), min_size=1, max_size=6)
NAMES = ["a", "b.tif", "a/link", "test_data/b.tif", "..", ".", "../a", "/a", "a/../../b", "~/a"]
NAMES += ["a\nb", "a/b/..", "C:\\a", "..\\a"]
TYPES = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
ENTRIES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(TYPES), st.sampled_from(NAMES)),
    min_size=1,
    max_size=4,
)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def is_possible(names):
    """Whether files of these names can be on one disk: none is the folder of another."""
    return not any(other.startswith(f"{name}/") for name in names for other in names)


@given(CONTENTS.filter(is_possible), FORMATS, st.sampled_from(["w", "w:gz"]))
def test_plain_files_come_out_as_they_went_in(contents, kind, mode):
    with tempfile.TemporaryDirectory() as place:
        archive, folder = Path(place, "a.tar"), Path(place, "unpacked")
        folder.mkdir()
        with tarfile.open(archive, mode, format=kind) as tar:
            for name, data in contents.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        wanted = sorted(contents)[::2]
        assert extract(archive, folder, lambda name: name in wanted) == list(contents)
        found = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
        files = {name: path.read_bytes() for name, path in found.items() if path.is_file()}
        assert files == {name: contents[name] for name in wanted}


@given(ENTRIES, FORMATS)
def test_whatever_an_archive_says_nothing_but_plain_files_lies_in_the_folder_alone(entries, kind):
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, "a.tar")
        folder = Path(place, "one", "two", "unpacked")
        folder.mkdir(parents=True)
        with tarfile.open(archive, "w", format=kind) as tar:
            for name, entry_type, link in entries:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = entry_type, link
                entry.size = 4 if entry_type == tarfile.REGTYPE else 0
                tar.addfile(entry, io.BytesIO(b"evil"))
        try:
            names = extract(archive, folder, lambda _: True)
        except ValueError as error:
            assert str(error).startswith(f"{archive}: ")
            assert str(error).isprintable()
        else:
            assert all((folder / name).is_file() for name in names)
            assert {entry_type for _, entry_type, _ in entries} <= {
                tarfile.REGTYPE,
                tarfile.DIRTYPE,
            }
            assert not any(name.startswith("/") for name, _, _ in entries)
        everything = {path for path in Path(place).rglob("*") if not path.is_dir()}
        assert {path for path in everything if not path.is_relative_to(folder)} == {archive}
        for path in everything - {archive}:
            assert path.is_file() and not path.is_symlink()
            assert os.stat(path).st_nlink == 1
