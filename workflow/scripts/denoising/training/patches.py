"""Training patches: memory-mappable arrays, cut from volumes or copied from a published npz.

A folder of patches holds

    X.npy, Y.npy    float32 (n, Z, Y, X) or (n, Y, X): low-SNR input and ground truth, normalised
    patches.csv     patch, condition, volume: a row a patch in order (empty where not known)
    patches.json    axes, shape, count, source, how the patches were normalised, and checksums of
    both arrays
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from scipy.ndimage import maximum_filter

from denoising.images.archives import npz_blocks, npz_shape, npz_text
from denoising.images.files import slabs
from denoising.images.percentiles import percentiles
from denoising.images.volumes import check_volume, open_volume, paired
from denoising.running.random_streams import random_stream

# csbdeep's create_patches: no_background_patches(threshold=0.4, percentile=99.9),
# sample_percentiles()
BACKGROUND_THRESHOLD = 0.4
BACKGROUND_PERCENTILE = 99.9
LOW_PERCENTILES = (1.0, 3.0)
HIGH_PERCENTILES = (99.5, 99.9)
# edges of a patch in a block in which foreground is looked for: its windows reach half an edge
# beyond it
BLOCK = 3
BLOCK_BYTES = 9  # of a voxel in the block: as float32, filtered, and whether it is foreground

Region = tuple[slice, ...]


def foreground(
    truth: np.ndarray, patch_shape: tuple[int, ...], threshold: float, region: Region
) -> np.ndarray:
    """Where in a region of the ground truth a patch centre may lie so that the patch shows more
    than background.

    A centre counts when the ground truth exceeds the threshold, 0.4 of its 99.9th percentile,
    somewhere in the half-sized window around it (the rule of csbdeep's `no_background_patches`).
    Returns a boolean array of the region's shape.
    """
    window = [max(1, size // 2) for size in patch_shape]
    begin = [max(0, part.start - size // 2) for part, size in zip(region, window, strict=True)]
    end = [part.stop + (size - 1) // 2 for part, size in zip(region, window, strict=True)]
    around = truth[tuple(map(slice, begin, end))].astype(np.float32)
    inside = tuple(
        slice(part.start - a, part.stop - a) for a, part in zip(begin, region, strict=True)
    )
    return maximum_filter(around, window, mode="constant")[inside] > threshold


class Places:
    """Corners of patches whose centres show more than background, in the order of their places in
    the volume.

    Memory holds how many there are in each row, counted block by block; a row is looked at again
    for a place in it.
    """

    def __init__(self, truth: np.ndarray, patch_shape: tuple[int, ...]):
        self.truth, self.patch_shape = truth, patch_shape
        self.first = [
            size // 2 for size in patch_shape
        ]  # the centre of the patch in the volume's first corner
        self.shape = [s - p + 1 for p, s in zip(patch_shape, truth.shape, strict=True)]
        self.threshold = np.float64(
            BACKGROUND_THRESHOLD * percentiles(truth, [BACKGROUND_PERCENTILE])[0]
        )
        in_rows = np.zeros(self.shape[:-1], np.int64)
        for block in slabs(self.shape, BLOCK_BYTES, [BLOCK * size for size in patch_shape]):
            in_rows[block[:-1]] += self._allowed(block).sum(axis=-1)
        self.up_to = np.cumsum(in_rows)

    def __len__(self) -> int:
        return int(self.up_to[-1])

    def corner(self, place: int) -> tuple[int, ...]:
        """The corner of one place, counted from 0."""
        row = int(np.searchsorted(self.up_to, place, side="right"))
        lead = [int(i) for i in np.unravel_index(row, self.shape[:-1])]
        allowed = self._allowed((*(slice(i, i + 1) for i in lead), slice(0, self.shape[-1])))
        before = int(self.up_to[row - 1]) if row else 0
        return (*lead, int(np.flatnonzero(allowed)[place - before]))

    def _allowed(self, corners: Region) -> np.ndarray:
        centres = tuple(
            slice(part.start + c, part.stop + c)
            for part, c in zip(corners, self.first, strict=True)
        )
        return foreground(self.truth, self.patch_shape, self.threshold, centres)


def cut_patches(
    truth: np.ndarray,
    image: np.ndarray,
    patch_shape: tuple[int, ...],
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut `count` normalised patch pairs at random foreground places of one volume.

    Each pair is normalised by percentiles of its own, drawn from 1 to 3 and from 99.5 to 99.9 and
    taken over the whole image, the same ranks for input and ground truth (csbdeep's
    `norm_percentiles`).

    Parameters
    ----------
    truth, image : ndarray
        Ground truth and low-SNR image of one shape, (Z, Y, X) or (Y, X), arbitrary units; a memory
        map is never in memory as a whole.
    patch_shape : tuple of int
        In voxels, no larger than the volume.
    count : int
        Patches wanted; places repeat only where the foreground has fewer.
    rng : numpy.random.Generator

    Returns
    -------
    X, Y : ndarray of float32, (count, *patch_shape)

    Raises
    ------
    ValueError
        If the shapes do not fit, or an image is constant.
    """
    patch_shape = tuple(patch_shape)
    if truth.shape != image.shape:
        raise ValueError(
            f"ground truth is {truth.shape}, the image {image.shape}: expected one shape."
        )
    if len(patch_shape) != truth.ndim or any(
        p > s for p, s in zip(patch_shape, truth.shape, strict=True)
    ):
        raise ValueError(
            f"a patch of {patch_shape} does not fit a volume of {truth.shape}; set the dataset's"
            " patches.shape."
        )
    places = Places(truth, patch_shape)
    if len(places) == 0:
        raise ValueError(
            f"no patch of {patch_shape} in the volume of {truth.shape} shows more than background"
            " around its centre; make patches smaller (the dataset's patches.shape), or leave the"
            " volume out."
        )
    chosen = [
        places.corner(place)
        for place in rng.choice(len(places), count, replace=count > len(places))
    ]
    ranks = np.column_stack(
        [rng.uniform(*LOW_PERCENTILES, count), rng.uniform(*HIGH_PERCENTILES, count)]
    )
    return tuple(_cut(volume, chosen, patch_shape, ranks) for volume in (image, truth))


def _cut(
    volume: np.ndarray, starts: list[tuple[int, ...]], shape: tuple[int, ...], ranks: np.ndarray
) -> np.ndarray:
    limits = np.reshape(percentiles(volume, ranks.ravel()), ranks.shape)
    if not (limits[:, 1] > limits[:, 0]).all():
        raise ValueError(
            "the image is constant between its 3rd and 99.5th percentile; leave it out."
        )
    cut = np.empty((len(starts), *shape), np.float32)
    for patch, start, (low, high) in zip(cut, starts, limits, strict=True):
        part = volume[tuple(slice(a, a + s) for a, s in zip(start, shape, strict=True))]
        patch[...] = (part - low) / (high - low)
    return cut


def patches_from_volumes(
    volumes: Path,
    conditions: list[str],
    patch_shape: tuple[int, ...],
    per_volume: int,
    seed: int,
    folder: Path,
) -> None:
    """Cut patches from every training volume under `volumes` and write a folder of patches.

    Volumes are memory maps, of which the patches of one and its low-SNR image are in memory at a
    time; they go to shuffled places of the memory-mapped output, so that any part of it mixes
    volumes and conditions.
    """
    pairs = list(paired(volumes, "train", conditions))
    if not pairs:
        raise ValueError(
            f"{volumes}: has no training volumes, which patches.source: volumes needs; "
            "set the dataset's patches.source to npz."
        )
    count = per_volume * len(pairs)
    order = random_stream(seed, "order of patches").permutation(count)
    labels = pd.DataFrame({"patch": range(count), "condition": "", "volume": ""})
    with _patch_writer(folder, (count, *patch_shape)) as (X, Y):
        for i, pair in enumerate(pairs):
            places = order[i * per_volume : (i + 1) * per_volume]
            rng = random_stream(seed, "places of patches", i)
            truth, image = (
                open_volume(path, pair.axes, folder) for path in (pair.truth, pair.image)
            )
            try:
                X[places], Y[places] = cut_patches(truth, image, patch_shape, per_volume, rng)
            except ValueError as error:
                raise ValueError(f"volume {pair.volume} ({pair.image}): {error}") from None
            labels.loc[places, ["condition", "volume"]] = [pair.condition, pair.volume]
    normalisation = (
        f"per patch, percentiles {LOW_PERCENTILES} and {HIGH_PERCENTILES} of the whole image"
    )
    _describe(folder, labels, patch_shape, "volumes", normalisation)


def patches_from_npz(npz: Path, axes: str, patch_shape: tuple[int, ...], folder: Path) -> None:
    """Copy the published patches of `npz` to memory-mappable arrays, block by block, as they are.

    Parameters
    ----------
    npz : Path
        Arrays X and Y of shape (n, 1, *patch_shape) in some order of axes, already normalised.
    axes : str
        Axes of both arrays, such as "SCZYX": the file does not promise to name them.
    patch_shape : tuple of int
        Expected, in the order of `axes` without S and C.
    folder : Path
        Written: a folder of patches.

    Raises
    ------
    ValueError
        If arrays are missing, differ in shape, do not fit `axes` and `patch_shape`, or are not
        normalised.
    """
    shape = _npz_patches_shape(npz, axes, patch_shape)
    with _patch_writer(folder, (shape[0], *patch_shape)) as arrays:
        for name, target in zip("XY", arrays, strict=True):
            start = 0
            for block in npz_blocks(npz, name):
                check_volume(block, f"{npz}: array {name}")
                block = block.reshape(len(block), *patch_shape)
                target[start : start + len(block)] = block
                start += len(block)
            _check_normalised(target, f"{npz}: array {name}")
    labels = pd.DataFrame({"patch": range(shape[0]), "condition": "", "volume": ""})
    _describe(folder, labels, patch_shape, "npz", "as published, checked to lie near 0 to 1")


def _npz_patches_shape(npz: Path, axes: str, patch_shape: tuple[int, ...]) -> tuple[int, ...]:
    shape, other = npz_shape(npz, "X"), npz_shape(npz, "Y")
    if shape != other:
        raise ValueError(
            f"{npz}: X is {shape} and Y {other}, expected one shape; fetch the archive again."
        )
    named = npz_text(npz, "axes")
    if named not in (None, axes):
        raise ValueError(
            f"{npz}: names its axes {named}, expected {axes}; correct the dataset's patches.axes."
        )
    sizes = {
        "S": shape[0],
        "C": 1,
        **dict(zip("ZYX"[-len(patch_shape) :], patch_shape, strict=True)),
    }
    # A channel axis of length 1 may stand anywhere: the order of the values is the same
    fits = axes.replace("C", "") == "S" + "ZYX"[-len(patch_shape) :]
    if not fits or shape != tuple(sizes[axis] for axis in axes):
        wanted = ", ".join("n" if axis == "S" else str(sizes.get(axis, "?")) for axis in axes)
        raise ValueError(
            f"{npz}: arrays are {shape}, expected ({wanted}) with axes {axes}; "
            "set the dataset's patches.axes and patches.shape to what the file holds."
        )
    return shape


def _check_normalised(patches: np.ndarray, source: str) -> None:
    """Refuse patches in raw units: medians of 1st and 99.9th percentiles must lie near 0 and 1."""
    some = patches[:: max(1, len(patches) // 256)]
    low, high = np.percentile(some.reshape(len(some), -1), (1, 99.9), axis=1)
    if not (-1 < np.median(low) < 0.5 and 0.3 < np.median(high) < 5):
        raise ValueError(
            f"{source}: patches range from {np.median(low):.3g} to {np.median(high):.3g} (medians),"
            " expected about 0 to 1 after percentile normalisation; use patches.source: volumes"
            " for data in raw units."
        )


class _patch_writer:
    """Open X.npy and Y.npy under temporary names; rename both when the block ends well."""

    def __init__(self, folder: Path, shape: tuple[int, ...]):
        folder.mkdir(parents=True, exist_ok=True)
        self.paths = [folder / "X.npy", folder / "Y.npy"]
        self.partial = [path.with_name(path.name + ".partial") for path in self.paths]
        self.shape = shape

    def __enter__(self) -> list[np.memmap]:
        self.arrays = [open_memmap(path, "w+", np.float32, self.shape) for path in self.partial]
        return self.arrays

    def __exit__(self, failed, *_):
        for array, partial, path in zip(self.arrays, self.partial, self.paths, strict=True):
            array.flush()
            if failed is None:
                os.replace(partial, path)
            else:
                partial.unlink()


def _describe(
    folder: Path, labels: pd.DataFrame, patch_shape, source: str, normalisation: str
) -> None:
    labels.to_csv(folder / "patches.csv", index=False)
    description = {
        "axes": "S" + "ZYX"[-len(patch_shape) :],
        "shape": list(patch_shape),
        "count": len(labels),
        "source": source,
        "normalisation": normalisation,
        "sha256": {name: _checksum(folder / f"{name}.npy") for name in "XY"},
    }
    (folder / "patches.json").write_text(json.dumps(description, indent=2) + "\n")


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
