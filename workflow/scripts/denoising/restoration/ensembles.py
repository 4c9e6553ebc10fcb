"""Ensembles: the mean of what several runs of one model restored, folders of
{condition}/{volume}.tif.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoising.images.files import Storage, write
from denoising.images.percentiles import blocks
from denoising.images.slabs import scratch_array
from denoising.images.volumes import SCALES, open_volume, volume_header, volume_names

log = logging.getLogger(__name__)


def average(folders: Sequence[Path], output: Path, settings: dict, threads: int = 1) -> None:
    """Write the mean of every restored volume over `folders` to `output`, under the same name.

    The scales of probabilistic networks have no mean here: that of a mixture of Laplace
    distributions is not the scale of one.

    Parameters
    ----------
    folders : sequence of Path
        What each run restored: the same volumes in each.
    output : Path
        The folder to write.
    settings : dict
        format, dtype and compression, as the config's `restoration` has them.
    threads : int
        That compress.

    Raises
    ------
    ValueError
        If the folders differ in the names or shapes of their volumes, or hold none.
    """
    for name in _shared_names(folders):
        paths = [folder / name for folder in folders]
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        header = volume_header(paths[0])
        mean = mean_volume(paths, (output / name).parent)
        storage = Storage.of(settings, header.dtype)
        write(output / name, mean, header.axes, header.voxel_size, storage, threads)
    log.info("averaged %d runs: %s", len(folders), ", ".join(map(str, folders)))


def _shared_names(folders: Sequence[Path]) -> list[Path]:
    """The volumes that each folder holds."""
    first, *others = (
        {name for name in volume_names(folder) if name.parts[0] != SCALES} for folder in folders
    )
    if not first:
        raise ValueError(
            f"{folders[0]}: holds no restored volume; delete the folder and run again."
        )
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
        Volumes of one shape, (Z, Y, X) or (Y, X). Of each, a block at a time is in memory.
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
    volumes = [open_volume(path, scratch=scratch) for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise ValueError(
                f"{path}: shape {volume.shape} differs from {volumes[0].shape} of {paths[0]}; "
                "delete both folders and run again."
            )
    mean = scratch_array(scratch, volumes[0].shape, np.float32)
    for block in blocks(mean):
        mean[block] = np.mean([volume[block] for volume in volumes], axis=0, dtype=np.float64)
    return mean
