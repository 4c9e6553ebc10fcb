"""Ensembles: the mean of what several runs of one model restored, folders of {condition}/{volume}.tif."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from denoising.volumes import write_volume

log = logging.getLogger(__name__)


def average(folders: Sequence[Path], output: Path) -> None:
    """Write the mean of every restored volume over `folders` to `output`, under the same name.

    Parameters
    ----------
    folders : sequence of Path
        What each run restored: the same volumes in each.
    output : Path
        The folder to write.

    Raises
    ------
    ValueError
        If the folders differ in the names or shapes of their volumes, or hold none.
    """
    for name in _shared_names(folders):
        mean = mean_volume([folder / name for folder in folders])
        write_volume(output / name, mean, "ZYX"[-mean.ndim :])
    log.info("averaged %d runs: %s", len(folders), ", ".join(map(str, folders)))


def _shared_names(folders: Sequence[Path]) -> list[Path]:
    """The volumes that each folder holds."""
    first, *others = ({path.relative_to(folder) for path in folder.rglob("*.tif")} for folder in folders)
    if not first:
        raise ValueError(f"{folders[0]}: holds no restored volume; delete the folder and run again.")
    for folder, names in zip(folders[1:], others, strict=True):
        if names != first:
            raise ValueError(
                f"{folder}: its volumes differ from those of {folders[0]} in "
                f"{', '.join(map(str, sorted(names ^ first)))}; delete both folders and run again."
            )
    return sorted(first)


def mean_volume(paths: Sequence[Path]) -> np.ndarray:
    """The mean of volumes on disk, summed in float64: equal to the exact mean, rounded to float32.

    Parameters
    ----------
    paths : sequence of Path
        Uncompressed TIFF files of one shape, (Z, Y, X) or (Y, X). Of each, one plane at a time is in memory.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    volumes = [tifffile.memmap(path, mode="r") for path in paths]
    for path, volume in zip(paths, volumes, strict=True):
        if volume.shape != volumes[0].shape:
            raise ValueError(
                f"{path}: shape {volume.shape} differs from {volumes[0].shape} of {paths[0]}; "
                "delete both folders and run again."
            )
    mean = np.empty(volumes[0].shape, np.float32)
    for plane in range(len(mean)):
        mean[plane] = np.mean([volume[plane] for volume in volumes], axis=0, dtype=np.float64)
    return mean
