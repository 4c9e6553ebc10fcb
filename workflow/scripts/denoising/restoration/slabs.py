"""Joining the slabs that several jobs restored to whole volumes.

Each job leaves a folder of slabs, laid out as a folder of restored volumes: a span of the longest
axis of each volume, float32, in the order of the jobs. If a volume is too short for all jobs, the
last ones leave nothing.
"""

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoising.images.slabs import scratch_array
from denoising.images.volumes import Pair, open_volume, volume_header
from denoising.restoration.destination import Destination
from denoising.running.outputs import write_json
from denoising.study.names import SCALES

log = logging.getLogger(__name__)


def gather(
    folders: Sequence[Path],
    runtimes: Sequence[Path],
    pairs: list[Pair],
    destination: Destination,
    runtime: Path,
) -> None:
    """Write every restored volume, and its scale where there is one, as one job would have.

    Parameters
    ----------
    folders, runtimes : sequence of Path
        Each job's slabs, and its JSON record of seconds, voxels and device.
    pairs : list of Pair
        The pairs whose images were restored.
    destination : Destination
        Written: the whole volumes.
    runtime : Path
        Written: the jobs' records in one, as `total`.

    Raises
    ------
    ValueError
        If slabs of a volume are missing, or do not fit together.
    """
    start = time.perf_counter()
    has_scales = any((folder / SCALES).is_dir() for folder in folders)
    destination.folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        header = volume_header(pair.image)
        names = [pair.restored_name]
        if has_scales:
            names.append(SCALES / pair.restored_name)
        for name in names:
            parts = [folder / name for folder in folders]
            whole = join(parts, header.shape, destination.folder)
            normalisation = volume_header(parts[0]).normalisation
            destination.write(name, whole, pair.axes, header, normalisation)
    spent = time.perf_counter() - start
    record = total([json.loads(path.read_text()) for path in runtimes], spent)
    write_json(runtime, record)
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
    ndarray of float32, or of float64 if the image has a large offset

    Raises
    ------
    ValueError
        If the slabs do not make up the volume.
    """
    axis = shape.index(max(shape))
    parts = {path: open_volume(path, scratch=scratch) for path in paths if path.exists()}
    shapes = [part.shape for part in parts.values()]
    thickness = sum(part[axis] for part in shapes if len(part) == len(shape))
    expected = _across(shape, axis)
    if thickness != shape[axis] or any(_across(part, axis) != expected for part in shapes):
        found = ", ".join(str(path) for path in paths if path in parts)
        missing = ", ".join(str(path) for path in paths if path not in parts)
        raise ValueError(
            f"slabs of {paths[0].name} have shapes {shapes}, expected to make up {shape} along its"
            f" axis {axis}; found {found or 'none'}; not found {missing or 'none'}; delete the"
            " folders of all slabs and run again."
        )
    whole = scratch_array(scratch, shape, next(iter(parts.values())).dtype)
    first = 0
    for part in parts.values():
        place = (slice(None),) * axis + (slice(first, first + part.shape[axis]),)
        whole[place] = part  # from file to file
        first += part.shape[axis]
    return whole


def _across(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def total(records: Sequence[dict], gathering: float) -> dict:
    """One record of a restoration: the jobs' seconds added, with those of gathering and without
    those of waiting; every device that took part.
    """
    seconds = sum(record["seconds"] for record in records) + gathering
    voxels = sum(record["voxels"] for record in records)
    devices = ", ".join(sorted({record["device"] for record in records}))
    return records[0] | {"device": devices, "seconds": round(seconds, 3), "voxels": voxels}
