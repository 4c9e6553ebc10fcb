"""Which images a list of globs and folders names.

Snakemake itself looks, to know its inputs: nothing here needs a package that Snakemake lacks.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from denoising.images.folders import paths_below
from denoising.images.formats import other_format

SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr", ".tif", ".tiff")


def find_images(patterns: Sequence[str], output: str) -> dict[str, Path]:
    """The images of folders, with all folders in them, and of globs.

    Parameters
    ----------
    patterns : sequence of str
        Folders, files, or globs, in which ** stands for any folders.
    output : str
        The folder of results, in which nothing is looked for.

    Returns
    -------
    dict of str to Path
        Each image by its name without suffix, which has the folders below the pattern's fixed part:
        of `raw/**/*.tif`, `raw/day1/a.tif` is `day1/a`.

    Raises
    ------
    ValueError
        If a pattern names no image, or two images would have one name: all of them are named.
    """
    images: dict[str, Path] = {}
    for pattern in patterns:
        root, found = _found(pattern, Path(output))
        if not found:
            raise ValueError(
                f"restore.images: {pattern} names no image, looked for in {root.absolute()}; "
                f"expected files or folders that end in {', '.join(SUFFIXES)}."
            )
        for path in found:
            name = _stem(path.relative_to(root))
            if images.setdefault(name, path) != path:
                raise ValueError(
                    f"restore.images: {images[name]} and {path} would both be restored as {name}; "
                    "rename one, or restore them to different outputs."
                )
    return images


def left_out(patterns: Sequence[str], output: str) -> list[str]:
    """Images of formats that cannot be read in the folders, each with its format in words."""
    results = Path(output).absolute()
    folders = [Path(pattern) for pattern in patterns if os.path.isdir(pattern)]
    files = [path for folder in folders for path in paths_below(folder) if path.is_file()]
    own = [path for path in files if not path.absolute().is_relative_to(results)]
    formats = {str(path): other_format(path) for path in own}
    return [f"{path} ({name})" for path, name in formats.items() if name]


def _found(pattern: str, output: Path) -> tuple[Path, list[Path]]:
    """The fixed part of a pattern, and the images that it names."""
    if os.path.isdir(pattern) and not pattern.endswith(".ome.zarr"):
        root, names = Path(pattern), paths_below(Path(pattern))
    else:
        fixed = Path(*_before_wildcards(Path(pattern).parts))
        root = fixed.parent if fixed == Path(pattern) else fixed
        names = map(Path, glob.iglob(pattern, recursive=True))
    images = (path for path in names if path.name.lower().endswith(SUFFIXES))
    results = output.absolute()
    return root, sorted(path for path in images if not path.absolute().is_relative_to(results))


def _before_wildcards(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if any(wildcard in part for wildcard in "*?["):
            return
        yield part


def _stem(path: Path) -> str:
    """A path without the suffix of its format."""
    suffix = next(s for s in SUFFIXES if path.name.lower().endswith(s))
    return path.as_posix()[: -len(suffix)]
