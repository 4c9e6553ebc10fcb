"""Training patches in an npz: those of a published archive, or of csbdeep's save_training_data.

The file holds arrays X (low SNR) and Y (ground truth), and may hold the text `axes`, such as SCYX:
S counts patches, C channels.
"""

from pathlib import Path

import numpy as np

from denoising.images.archives import npz_text, unzip_array


def npz_patches(
    npz: Path, axes: str | None, channel: int | None, patch_shape: tuple[int, ...], scratch: Path
) -> list[np.ndarray]:
    """Arrays X and Y of the npz, each (n, *patch_shape), as read-only memory maps.

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
    scratch : Path
        A folder that arrays are unzipped to.

    Raises
    ------
    ValueError
        If arrays are missing, differ in shape, or do not fit the other arguments.
    """
    arrays = [unzip_array(npz, name, scratch) for name in "XY"]
    spatial = "ZYX"[-len(patch_shape) :]
    named = npz_text(npz, "axes")
    if named is not None and axes not in (None, named):
        raise ValueError(
            f"{npz}: names its axes {named}, expected {axes}; correct the dataset's patches.axes."
        )
    has_channels = arrays[0].ndim == 2 + len(spatial)
    axes = axes or named or ("SC" if has_channels else "S") + spatial
    shapes = [array.shape for array in arrays]
    for array in arrays:
        _check_axes(npz, array.shape, axes, patch_shape)
    images = [
        _one_channel(npz, name, array, axes, channel)
        for name, array in zip("XY", arrays, strict=True)
    ]
    if images[0].shape != images[1].shape:
        raise ValueError(
            f"{npz}: X is {shapes[0]} and Y {shapes[1]}, expected one shape; save or fetch the file"
            " again."
        )
    order = [axes.replace("C", "").index(axis) for axis in "S" + spatial]
    return [image.transpose(order) for image in images]


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


def _one_channel(
    npz: Path, name: str, array: np.ndarray, axes: str, channel: int | None
) -> np.ndarray:
    """The channel of the array; it is the one that there is where there is one."""
    if "C" not in axes:
        return array
    place = axes.index("C")
    count = array.shape[place]
    if count > 1 and channel is None:
        raise ValueError(
            f"{npz}: array {name} has {count} channels (axes {axes}, {array.shape}), and networks"
            " here have one; choose one, from 0, by the key channel of the dataset's npz."
        )
    chosen = channel if count > 1 and channel is not None else 0
    if chosen >= count:
        raise ValueError(
            f"{npz}: array {name} has {count} channels (axes {axes}, {array.shape}), but the"
            f" dataset's npz.channel is {chosen}; channels count from 0."
        )
    return array[(slice(None),) * place + (chosen,)]
