"""Ensembles: means of the volumes that several runs of one model restored, and the intervals of the
mixture of what their networks predict.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf, isfinite
from pathlib import Path

import numpy as np

from denoising.evaluation.laplace import Block, Predicted
from denoising.images.percentiles import blocks
from denoising.images.slabs import scratch_array
from denoising.images.volumes import open_volume, volume_header, volume_names
from denoising.restoration.destination import Destination
from denoising.running.names import remedy_of_damage
from denoising.study.names import INTERVALS, SCALES

log = logging.getLogger(__name__)


def average(folders: Sequence[Path], destination: Destination, score: float = inf) -> None:
    """Write the mean of every restored volume over `folders`, under the same name.

    The scales of probabilistic networks have no mean here: a mixture of Laplace distributions is
    none itself. It has intervals.

    Parameters
    ----------
    folders : sequence of Path
        The restorations of each run: the same volumes in each.
    destination : Destination
        Written: the means, and interval/lower/{condition}/{volume}.tif and interval/upper/...
    score : float
        The largest score within the interval (see `evaluation.laplace`). No intervals are written
        if it is infinite.

    Raises
    ------
    ValueError
        If the folders differ in the names or shapes of their volumes, or hold none.
    """
    names = _shared_names(folders)
    destination.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        paths = [folder / name for folder in folders]
        header = volume_header(paths[0])
        mean = mean_volume(paths, destination.folder)
        destination.write(name, mean, header.axes, header)
        if isfinite(score):
            scales = [folder / SCALES / name for folder in folders]
            ends = interval_volumes(paths, scales, score, destination)
            for end, volume in ends.items():
                destination.write(Path(INTERVALS, end, name), volume, header.axes, header)
    log.info("averaged %d runs: %s", len(folders), ", ".join(map(str, folders)))


def _shared_names(folders: Sequence[Path]) -> list[Path]:
    """The volumes that each folder holds."""
    first, *others = (
        {name for name in volume_names(folder) if name.parts[0] not in (SCALES, INTERVALS)}
        for folder in folders
    )
    if not first:
        raise ValueError(f"{folders[0]}: holds no restored volume; {remedy_of_damage(folders[0])}.")
    for folder, names in zip(folders[1:], others, strict=True):
        if names != first:
            raise ValueError(
                f"{folder}: its volumes differ from those of {folders[0]} in "
                f"{', '.join(map(str, sorted(names ^ first)))}; delete both folders and run again."
            )
    return sorted(first)


def mean_volume(paths: Sequence[Path], scratch: Path) -> np.ndarray:
    """The mean of volumes on disk, summed in float64: equal to the exact mean, rounded to float32.

    Parameters
    ----------
    paths : sequence of Path
        Volumes of one shape, (Z, Y, X) or (Y, X). A block of each is in memory at a time.
    scratch : Path
        A folder for the mean, a file without a name that is gone with the array.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    volumes = _of_one_shape(paths, scratch)
    mean = scratch_array(scratch, volumes[0].shape, _dtype(volumes))
    for block in blocks(mean):
        mean[block] = np.mean([volume[block] for volume in volumes], axis=0, dtype=np.float64)
    return mean


def interval_volumes(
    paths: Sequence[Path], scales: Sequence[Path], score: float, destination: Destination
) -> dict[str, np.ndarray]:
    """Both ends of the central interval of the mixture that the runs predict for each voxel.

    Parameters
    ----------
    paths, scales : sequence of Path
        The restoration and the scale of one volume by each run.
    score : float
        The largest score within the interval.
    destination : Destination
        Its folder has room for the ends, files without a name that are gone with the arrays. Each
        of its threads has a block of every volume in memory.

    Returns
    -------
    dict of str to ndarray of float32
        `lower` and `upper`.

    Raises
    ------
    ValueError
        If the shapes differ, or a scale is negative or not finite.
    """
    images = _of_one_shape([*paths, *scales], destination.folder)
    predicted = Predicted(images[: len(paths)], images[len(paths) :])
    shape = images[0].shape
    ends: dict[str, np.ndarray] = {
        end: scratch_array(destination.folder, shape, _dtype(images)) for end in ("lower", "upper")
    }

    def fill(block: Block) -> None:
        interval = predicted.mixture(block).interval(score)
        for volume, values in zip(ends.values(), interval, strict=True):
            volume[block] = values.reshape(volume[block].shape)

    with ThreadPoolExecutor(destination.threads) as pool:
        list(pool.map(fill, blocks(images[0])))  # the list raises what a thread has raised
    return ends


def _dtype(volumes: Sequence[np.ndarray]) -> np.dtype:
    """float32, or float64 for images with a large offset."""
    return np.promote_types(np.float32, volumes[0].dtype)


def _of_one_shape(paths: Sequence[Path], scratch: Path) -> list[np.ndarray]:
    """The volumes of several files, mapped into memory, if they have one shape."""
    volumes = [open_volume(path, scratch=scratch) for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise ValueError(
                f"{path}: shape {volume.shape} differs from {volumes[0].shape} of {paths[0]}; "
                "delete both folders and run again."
            )
    return volumes
