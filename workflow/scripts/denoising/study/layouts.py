"""Layouts of archives: which file of an archive holds which volume, in which condition.

Layouts read the names of files, never their pixels: Snakemake itself imports this module, to know
the layouts that a config may name. `images/archives.py` reads the files. docs/extending.md shows
how to add a layout.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class ArchiveImage:
    """One volume in one condition, and the file of the archive that holds it.

    The file is a ZYX image, or a CZYX stack if `channel` names a channel of it. A file holds images
    of one volume alone.
    """

    volume: str
    condition: str
    file: str
    channel: int | None = None


# Files of the archive, "test" or "train", and the source of the ground truth and of each condition
Find = Callable[[Iterable[str], str, Mapping[str, Any]], Iterator[ArchiveImage]]


@dataclass(frozen=True)
class Layout:
    """A layout: what finds its images, and what `truth` and `source` are in a config.

    `source` is their type, and `source_words` says what they name, such as "a folder's name".
    """

    find: Find
    description: str
    source: type
    source_words: str


LAYOUTS: dict[str, Layout] = {}


def layout(source: type, source_words: str) -> Callable[[Find], Find]:
    """Make the function below a layout of its name, described in its docstring's first line."""

    def register(find: Find) -> Find:
        description = (find.__doc__ or "").partition("\n")[0]
        LAYOUTS[find.__name__] = Layout(find, description, source, source_words)
        return find

    return register


def tiffs(files: Iterable[str], folder: str) -> dict[str, str]:
    """By stem, the names of the TIFF files right below a folder of the archive."""
    entries = [PurePosixPath(file) for file in files]
    return {
        entry.stem: str(entry)
        for entry in entries
        if entry.parent == PurePosixPath(folder)
        and entry.suffix.lower() in (".tif", ".tiff")
        and not entry.name.startswith("._")  # macOS's notes on a file
    }


@layout(str, "a folder's name")
def folders(files: Iterable[str], part: str, sources: Mapping[str, str]) -> Iterator[ArchiveImage]:
    """A folder for the ground truth and one per condition, with ZYX files of the same names."""
    for condition, source in sources.items():
        for volume, file in tiffs(files, f"{part}_data/{source}").items():
            yield ArchiveImage(volume, condition, file)


@layout(int, "a channel's number")
def stacks(files: Iterable[str], part: str, sources: Mapping[str, int]) -> Iterator[ArchiveImage]:
    """A CZYX file per volume, with a channel for the ground truth and one per condition."""
    for volume, file in tiffs(files, f"{part}_data").items():
        for condition, channel in sources.items():
            yield ArchiveImage(volume, condition, file, channel)
