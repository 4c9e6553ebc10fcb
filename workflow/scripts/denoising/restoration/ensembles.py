"""Ensembles: means of the volumes that several runs of one model restored."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoising.images.percentiles import blocks
from denoising.images.slabs import scratch_array
from denoising.images.volumes import open_volume, volume_header, volume_names
from denoising.restoration.destination import Destination
from denoising.study.names import SCALES

log = logging.getLogger(__name__)


def average(folders: Sequence[Path], destination: Destination) -> None:
    """Write the mean of every restored volume over `folders`, under the same name.

    The scales of probabilistic networks have no mean here: that of a mixture of Laplace
    distributions is not the scale of one.

    Parameters
    ----------
    folders : sequence of Path
        The restorations of each run: the same volumes in each.
    destination : Destination
        Written: the means.

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
