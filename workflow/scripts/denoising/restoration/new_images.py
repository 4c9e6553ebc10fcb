"""Restoring any image with one network or several: frame by frame, in bounded memory.

A restoration has the units, the axes and the size of a voxel of its image. Beside it lie, in
folders of their own, the predicted scale (one probabilistic network) or the spread (several
networks: the standard deviation between them), in the same units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoising.images.files import Storage, find_image, map_image, write
from denoising.images.headers import Header, Normalisation
from denoising.images.percentiles import blocks, limits
from denoising.images.slabs import scratch_array
from denoising.restoration.frames import Frames, Place, frames_of
from denoising.restoration.restored_volumes import normalise
from denoising.restoration.restorer import Restorer
from denoising.study.names import SCALES, SPREADS


@dataclass(frozen=True)
class Wish:
    """How new images are restored.

    Attributes
    ----------
    percentiles : tuple of float
        Of each frame, or of the stack of each plane, which become 0 and 1 for the network.
    axes : str or None
        Of the files, if they do not tell them rightly.
    channels : sequence of int or None
        None for all.
    storage : dict
        format, dtype, compression.
    threads : int
        That compress.
    """

    percentiles: tuple[float, float]
    axes: str | None
    channels: Sequence[int] | None
    storage: dict
    threads: int = 1


@dataclass(frozen=True)
class Restored:
    """A restored image: views of arrays in files without a name.

    `mean` and `error` are of the image normalised by `normalisation`; `error` is the predicted
    scale or the spread, or None.
    """

    source: np.ndarray
    mean: np.ndarray
    error: np.ndarray | None
    is_scale: bool
    normalisation: Normalisation
    normalisations: list[Normalisation]  # of each frame
    frames: Frames
    header: Header

    @property
    def middle(self) -> Place:
        """The place of the middle frame."""
        places = list(self.frames.places(self.mean.shape))
        return places[len(places) // 2]


@dataclass(frozen=True)
class OpenedImage:
    """An image to be restored: a view of an array on disk.

    Attributes
    ----------
    path : Path
    header : Header
    source : ndarray
        The chosen channels.
    frames : Frames
    normalisations : list of Normalisation
        Of each frame.
    """

    path: Path
    header: Header
    source: np.ndarray
    frames: Frames
    normalisations: list[Normalisation]

    @property
    def whole(self) -> Normalisation:
        """That of the image: from the least of its frames' values to the largest."""
        low = min(each.low for each in self.normalisations)
        high = max(each.high for each in self.normalisations)
        return Normalisation(low, high, is_applied=True)


def open_image(path: Path, network: Restorer, wish: Wish, scratch: Path) -> OpenedImage:
    """Open an image, and find what is 0 and 1 for the network in each of its frames.

    Parameters
    ----------
    path : Path
        TIFF or OME-Zarr, larger than memory if need be; only read.
    network : Restorer
        Of several, any.
    wish : Wish
    scratch : Path
        A folder for files without a name.

    Raises
    ------
    ValueError
        Naming the file: its axes do not fit, or a frame is constant between its percentiles.
    """
    image, header = map_image(path, scratch)
    try:
        frames = frames_of(
            header, network.axes, wish.axes, wish.channels, network.config.n_channel_in
        )
        source = frames.chosen(image)
        places = list(frames.places(source.shape))
        stacks = {str(frames.stack(place)): frames.stack(place) for place in places}
        by_stack = {
            name: Normalisation(*limits(source[stack], *wish.percentiles))
            for name, stack in stacks.items()
        }
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    norms = [by_stack[str(frames.stack(place))] for place in places]
    return OpenedImage(path, header, source, frames, norms)


def restore_image(restorers: Sequence[Restorer], opened: OpenedImage, scratch: Path) -> Restored:
    """Restore an image with the mean of several networks, or with one.

    Parameters
    ----------
    restorers : sequence of Restorer
        Their networks have the same axes.
    opened : OpenedImage
    scratch : Path
        A folder for files without a name.

    Raises
    ------
    ValueError
        Naming the file, if no tile of it fits the memory.
    """
    source, frames, norms = opened.source, opened.frames, opened.normalisations
    whole = opened.whole
    mean = scratch_array(scratch, source.shape, np.float32)
    is_scale = len(restorers) == 1 and restorers[0].probabilistic
    has_error = is_scale or len(restorers) > 1
    error = scratch_array(scratch, source.shape, np.float32) if has_error else None
    places = list(frames.places(source.shape))
    taken = list(frames.taken(source.shape))
    given, bounds = source, [(norm.low, norm.high) for norm in norms]
    if frames.takes_channels:
        given = _normalised(source, places, norms, scratch)
        bounds = [(0.0, 1.0)] * len(taken)
    one = scratch_array(scratch, source[taken[0]].shape, np.float32)
    try:
        for place, of_place in zip(taken, bounds, strict=True):
            outputs = (mean[place], None if error is None else error[place], one)
            _restore_frame(restorers, given[place], frames.taken_axes, outputs, of_place)
    except ValueError as problem:
        raise ValueError(f"{opened.path}: {problem}") from None
    for place, norm in zip(places, norms, strict=True):
        _renormalise(mean[place], None if error is None else error[place], norm, whole)
    return Restored(source, mean, error, is_scale, whole, norms, frames, opened.header)


def write_restored(restored: Restored, folder: Path, name: str, wish: Wish) -> Path:
    """Write `folder`/NAME.tif, and scale/NAME.tif or spread/NAME.tif, or OME-Zarr groups.

    Returns the restoration's file.
    """
    storage = Storage.of(wish.storage, restored.header.dtype, wish.threads)
    voxel = restored.header.voxel_size
    axes = restored.frames.order
    norm = restored.normalisation
    write(folder / f"{name}.tif", restored.mean, axes, voxel, storage, norm)
    if restored.error is not None:
        kind = SCALES if restored.is_scale else SPREADS
        write(folder / kind / f"{name}.tif", restored.error, axes, voxel, storage, norm.of_widths)
    return find_image(folder / f"{name}.tif")


def _normalised(
    source: np.ndarray, places: Sequence[Place], norms: Sequence[Normalisation], scratch: Path
) -> np.ndarray:
    """The image with each channel normalised by percentiles of its own, as csbdeep does it."""
    normalised = scratch_array(scratch, source.shape, np.float32)
    for place, norm in zip(places, norms, strict=True):
        normalise(source[place], norm, normalised[place])
    return normalised


def _restore_frame(
    restorers: Sequence[Restorer],
    frame: np.ndarray,
    axes: str,
    outputs: tuple[np.ndarray, np.ndarray | None, np.ndarray],
    bounds: tuple[float, float],
) -> None:
    """Write the mean of the networks and their spread, or one network's mean and scale.

    The third of the `outputs` is room for the restoration by one of several networks.
    """
    mean, error, one = outputs
    if len(restorers) == 1:
        restorers[0].restore(frame, axes, mean, error, bounds)
        return
    assert error is not None
    for number, restorer in enumerate(restorers, 1):
        restorer.restore(frame, axes, one, None, bounds)
        _update(mean, error, one, number)
    for block in blocks(error):
        error[block] = np.sqrt(error[block] / (len(restorers) - 1))


def _update(mean: np.ndarray, squares: np.ndarray, values: np.ndarray, number: int) -> None:
    """Welford's update of a mean and of the sum of squared differences from it, in place."""
    for block in blocks(mean):
        difference = values[block] - mean[block]
        mean[block] += difference / number
        squares[block] += difference * (values[block] - mean[block])


def _renormalise(
    mean: np.ndarray, error: np.ndarray | None, norm: Normalisation, whole: Normalisation
) -> None:
    """From a frame's own normalisation to that of the whole image, in place."""
    if (norm.low, norm.high) == (whole.low, whole.high):
        return
    gain = (norm.high - norm.low) / (whole.high - whole.low)
    offset = (norm.low - whole.low) / (whole.high - whole.low)
    for block in blocks(mean):
        mean[block] = mean[block] * np.float64(gain) + offset
        if error is not None:
            error[block] = error[block] * np.float64(gain)
