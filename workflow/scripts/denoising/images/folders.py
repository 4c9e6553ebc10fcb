"""What lies in a folder, links to folders included.

Snakemake itself looks, to know its inputs: nothing here needs a package that Snakemake lacks.
"""

import os
from collections.abc import Iterator
from pathlib import Path


def paths_below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """All paths below a folder, but none in an image that is a folder itself.

    A link to a folder in which it lies is not followed, because that would never end.

    Parameters
    ----------
    folder : Path
    above : frozenset of str
        The folders in which this one lies, links resolved.
    """
    above = above | {os.path.realpath(folder)}
    for path in sorted(folder.iterdir()):
        yield path
        is_folder = path.is_dir() and not path.name.endswith(".zarr")
        if is_folder and os.path.realpath(path) not in above:
            yield from paths_below(path, above)
