"""Training patches in an npz: those of a published archive, or of csbdeep's save_training_data.

The file holds arrays X (low SNR) and Y (ground truth), and may hold the text `axes`, such as SCYX:
S counts patches, C channels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoising.images.npz import NpzArray, npz_text, open_array


@dataclass(frozen=True)
class NpzPatches:
    """Patches in an array of an npz file, with the axes of the array and the channel to take."""

    array: NpzArray
    axes: str
    channel: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, Z, Y, X) or (n, Y, X)."""
        spatial = [axis for axis in "SZYX" if axis in self.axes]
        return tuple(self.array.shape[self.axes.index(axis)] for axis in spatial)

    def copy_to(self, target: np.ndarray) -> None:
        """Read the patches into an array of this shape, part by part."""
        spatial = [axis for axis in "SZYX" if axis in self.axes]
        in_order = target.transpose([spatial.index(axis) for axis in self.axes.replace("C", "")])
        for place, part in self.array.parts():
            if not self.axes.startswith("C"):
                in_order[place] = self._one_channel(part)
            elif place.start <= self.channel < place.stop:
                in_order[:] = part[self.channel - place.start]

    def _one_channel(self, part: np.ndarray) -> np.ndarray:
        return np.take(part, self.channel, self.axes.index("C")) if "C" in self.axes else part


def npz_patches(
    npz: Path, axes: str | None, channel: int | None, patch_shape: tuple[int, ...]
) -> list[NpzPatches]:
    """Patches X and Y of the npz, of one shape.

    Parameters
    ----------
    npz : Path
    axes : str or None
        Those of both arrays; None for those that the file names or, if it names none, for S, C (if
        the arrays have one more axis) and the patch's own.
    channel : int or None
        The channel that patches are taken from, where there are several.
    patch_shape : tuple of int
        Expected, (Z, Y, X) or (Y, X).

    Raises
    ------
    ValueError
        If arrays are missing, differ in shape, or do not fit the other arguments.
    """
    arrays = [open_array(npz, name) for name in "XY"]
    spatial = "ZYX"[-len(patch_shape) :]
    named = npz_text(npz, "axes")
    if named is not None and axes not in (None, named):
        raise ValueError(
            f"{npz}: names its axes {named}, expected {axes}; correct the dataset's patches.axes."
        )
    has_channels = len(arrays[0].shape) == 2 + len(spatial)
    axes = axes or named or ("SC" if has_channels else "S") + spatial
    for array in arrays:
        _check_axes(npz, array.shape, axes, patch_shape)
    patches = [NpzPatches(array, axes, _channel(array, axes, channel)) for array in arrays]
    if patches[0].shape != patches[1].shape:
        raise ValueError(
            f"{npz}: X is {arrays[0].shape} and Y {arrays[1].shape}, expected one shape; save or"
            " fetch the file again."
        )
    return patches


def _check_axes(npz: Path, shape: tuple[int, ...], axes: str, patch_shape: tuple[int, ...]) -> None:
    """Refuse arrays that are not shaped as `axes` and `patch_shape` say."""
    spatial = "ZYX"[-len(patch_shape) :]
    sizes = dict(zip(spatial, patch_shape, strict=True))
    fits = sorted(axes.replace("C", "")) == sorted("S" + spatial) and len(axes) == len(shape)
    if fits:
        fits = all(sizes.get(axis, size) == size for axis, size in zip(axes, shape, strict=True))
    if not fits:
        words = {"S": "n", "C": "1"} | {axis: str(size) for axis, size in sizes.items()}
        wanted = ", ".join(words.get(axis, "?") for axis in axes)
        raise ValueError(
            f"{npz}: arrays are {shape}, expected ({wanted}) with axes {axes}; set the dataset's"
            " patches.axes and patches.shape to what the file holds."
        )


def _channel(array: NpzArray, axes: str, channel: int | None) -> int:
    """The channel to take; it is the one that there is where there is one."""
    count = array.shape[axes.index("C")] if "C" in axes else 1
    if count > 1 and channel is None:
        raise ValueError(
            f"{array.npz}: array {array.name} has {count} channels (axes {axes}, {array.shape}),"
            " and networks here have one; choose one, from 0, by the key channel of the dataset's"
            " npz."
        )
    chosen = channel if count > 1 and channel is not None else 0
    if chosen >= count:
        raise ValueError(
            f"{array.npz}: array {array.name} has {count} channels (axes {axes}, {array.shape}),"
            f" but the dataset's npz.channel is {chosen}; channels count from 0."
        )
    return chosen
