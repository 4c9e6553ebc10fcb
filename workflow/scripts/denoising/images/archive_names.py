"""Which files of an archive are data, and their names there.

Snakemake itself looks, to know its inputs: nothing here needs a package that Snakemake lacks.
"""

from pathlib import Path, PurePosixPath

from denoising.images.folders import paths_below
from denoising.study.names import NUCLEI


def folder_files(folder: Path) -> dict[str, Path]:
    """The data of an archive that was unpacked to a folder, by their names below the top folder."""
    files = {below_top(str(path.relative_to(folder))): path for path in all_files(folder)}
    return {name: path for name, path in files.items() if is_data(name)}


def all_files(folder: Path) -> list[Path]:
    """Every file in a folder and in those below it."""
    return sorted(path for path in paths_below(folder) if path.is_file())


def is_data(name: str) -> bool:
    """Whether the workflow reads a file, by its name below the top folder."""
    return name.startswith(("test_data/", "train_data/")) or name == NUCLEI


def below_top(name: str) -> str:
    """The name of a file below the top folder."""
    parts = PurePosixPath(name).parts
    for data in ("test_data", "train_data"):
        if data in parts:
            return "/".join(parts[parts.index(data) :])
    return NUCLEI if parts[1:] == (NUCLEI,) else name
