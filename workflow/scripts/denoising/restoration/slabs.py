"""Joining what several jobs restored, each a slab of every volume, to whole volumes.

Each job leaves a folder of slabs, as a folder of restored volumes is laid out: of each volume a
span of its longest axis, float32, in the order of the jobs. Of a volume that is too short for all
jobs, the last ones leave nothing.
"""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoising.images.files import Storage, write
from denoising.images.slabs import scratch_array
from denoising.images.volumes import SCALES, Pair, open_volume, volume_header

log = logging.getLogger(__name__)


def gather(
    folders: Sequence[Path],
    runtimes: Sequence[Path],
    pairs: list[Pair],
    output: Path,
    settings: dict,
    threads: int,
    runtime: Path,
) -> None:
    """Write every restored volume, and its scale where there is one, to `output`, as one job would
    have.

    Parameters
    ----------
    folders, runtimes : sequence of Path
        What each job left: its slabs, and the JSON record of what they took.
    pairs : list of Pair
        What was restored.
    output : Path
        The folder to write.
    settings : dict
        format, dtype and compression, as the config's `restoration` has them.
    threads : int
        That compress.
    runtime : Path
        Written: the jobs' records in one, as `total`.

    Raises
    ------
    ValueError
        If slabs of a volume are missing, or do not fit together.
    """
    start = time.perf_counter()
    scaled = any((folder / SCALES).is_dir() for folder in folders)
    for pair in pairs:
        name = pair.restored_name
        header = volume_header(pair.image)
        storage = Storage.of(settings, header.dtype)
        for target in [name, SCALES / name] if scaled else [name]:
            (output / target).parent.mkdir(parents=True, exist_ok=True)
            whole = join(
                [folder / target for folder in folders], header.shape, (output / target).parent
            )
            write(output / target, whole, pair.axes, header.voxel_size, storage, threads)
    spent = time.perf_counter() - start
    record = total([json.loads(path.read_text()) for path in runtimes], spent)
    runtime.write_text(json.dumps(record, indent=2) + "\n")
    log.info("gathered %d volumes from %d jobs", len(pairs), len(folders))


def join(paths: Sequence[Path], shape: tuple[int, ...], scratch: Path) -> np.ndarray:
    """The volume of `shape` whose slabs are at those of `paths` that exist.

    Parameters
    ----------
    paths : sequence of Path
        In the order of the slabs. They are mapped into memory, not read into it.
    shape : tuple of int
    scratch : Path
        A folder for the volume, a file without a name that is gone with the array.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    ValueError
        If the slabs do not make up the volume.
    """
    axis = shape.index(max(shape))
    parts = {path: open_volume(path, scratch=scratch) for path in paths if path.exists()}
    shapes = [part.shape for part in parts.values()]
    thickness = sum(found[axis] for found in shapes if len(found) == len(shape))
    if thickness != shape[axis] or any(
        _across(found, axis) != _across(shape, axis) for found in shapes
    ):
        there, missing = (
            ", ".join(str(path) for path in paths if (path in parts) is here)
            for here in (True, False)
        )
        raise ValueError(
            f"slabs of {paths[0].name} have shapes {shapes}, expected to make up {shape} along its"
            f" axis {axis}; found {there or 'none'}; not found {missing or 'none'}; delete the"
            " folders of all slabs and run again."
        )
    whole, first = scratch_array(scratch, shape, np.float32), 0
    for part in parts.values():
        place = (slice(None),) * axis + (slice(first, first + part.shape[axis]),)
        whole[place] = part  # from file to file
        first += part.shape[axis]
    return whole


def _across(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def total(records: Sequence[dict], gathering: float) -> dict:
    """One record of what a restoration took: seconds of all jobs together, gathering included, not
    of waiting for them; every device that took part."""
    seconds = sum(record["seconds"] for record in records) + gathering
    voxels = sum(record["voxels"] for record in records)
    devices = ", ".join(sorted({record["device"] for record in records}))
    return records[0] | {"device": devices, "seconds": round(seconds, 3), "voxels": voxels}
