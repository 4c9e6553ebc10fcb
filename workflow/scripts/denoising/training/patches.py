"""Training patches: memory-mappable arrays, cut from volumes or copied from a published npz.

A folder of patches holds

    X.npy, Y.npy    float32 (n, Z, Y, X) or (n, Y, X): low-SNR input and ground truth, normalised
    patches.csv     patch, condition, volume: a row per patch in order (empty where not known)
    patches.json    axes, shape, count, source, how the patches were normalised, size of a voxel,
                    and checksums of both arrays
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from scipy.ndimage import maximum_filter

from denoising.images.npz import typical_range
from denoising.images.percentiles import percentiles
from denoising.images.ranges import HIGH_PERCENTILES, LOW_PERCENTILES, Ranges, drawn_ranges
from denoising.images.slabs import slabs, take_room
from denoising.images.volumes import (
    INPUT_PERCENTILES,
    check_volume,
    open_volume,
    paired,
    volume_header,
)
from denoising.running.checksums import sha256_of
from denoising.running.outputs import whole, write_json
from denoising.running.random_streams import random_stream
from denoising.training.npz import npz_patches

log = logging.getLogger(__name__)

# csbdeep's create_patches: no_background_patches(threshold=0.4, percentile=99.9)
BACKGROUND_THRESHOLD = 0.4
BACKGROUND_PERCENTILE = 99.9
# Foreground is looked for block by block, because the filter's windows reach beyond a block by half
# a patch: edges of a block in edges of a patch, and bytes per voxel of it (as float32, filtered,
# and whether it is foreground)
BLOCK = 3
BLOCK_BYTES = 9

Region = tuple[slice, ...]


@dataclass(frozen=True)
class Cutting:
    """How patches are cut: their shape in voxels, how many of each image, and the percentiles of
    an image that are about 0 and 1.
    """

    shape: tuple[int, ...]
    per_volume: int
    percentiles: tuple[float, float] = INPUT_PERCENTILES

    @property
    def ranges(self) -> Ranges:
        """From which the percentiles of each patch are drawn."""
        return drawn_ranges(self.percentiles)


def foreground(
    truth: np.ndarray, patch_shape: tuple[int, ...], threshold: np.float64, region: Region
) -> np.ndarray:
    """Where in a region a patch may have its centre, so that it shows more than background.

    A centre counts if the ground truth exceeds the threshold, 0.4 of its 99.9th percentile,
    somewhere in the half-sized window around it (the rule of csbdeep's `no_background_patches`).

    Returns
    -------
    ndarray of bool
        Of the region's shape.
    """
    window = [max(1, size // 2) for size in patch_shape]
    begin = [max(0, part.start - size // 2) for part, size in zip(region, window, strict=True)]
    end = [part.stop + (size - 1) // 2 for part, size in zip(region, window, strict=True)]
    around = truth[tuple(map(slice, begin, end))].astype(np.float32)
    inside = tuple(
        slice(part.start - start, part.stop - start)
        for part, start in zip(region, begin, strict=True)
    )
    return maximum_filter(around, window, mode="constant")[inside] > threshold


class ForegroundPatches:
    """Corners of the patches that show more than background, in the order of the volume's voxels.

    Memory holds only how many there are in each row, counted block by block; to find a corner, its
    row is filtered again.
    """

    def __init__(self, truth: np.ndarray, patch_shape: tuple[int, ...]):
        self.truth = truth
        self.patch_shape = patch_shape
        self.first_centre = [size // 2 for size in patch_shape]
        self.corners_shape = [s - p + 1 for p, s in zip(patch_shape, truth.shape, strict=True)]
        # A Python float would be rounded to float32 where it is compared with the image
        self.threshold = np.float64(
            BACKGROUND_THRESHOLD * percentiles(truth, [BACKGROUND_PERCENTILE])[0]
        )
        counts = np.zeros(self.corners_shape[:-1], np.int64)
        for block in slabs(self.corners_shape, BLOCK_BYTES, [BLOCK * size for size in patch_shape]):
            counts[block[:-1]] += self._allowed(block).sum(axis=-1)
        self.cumulative_counts = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self.cumulative_counts[-1])

    def corner(self, number: int) -> tuple[int, ...]:
        """The corner of patch `number`, counted from 0."""
        row = int(np.searchsorted(self.cumulative_counts, number, side="right"))
        lead = [int(i) for i in np.unravel_index(row, self.corners_shape[:-1])]
        whole_row = (*(slice(i, i + 1) for i in lead), slice(0, self.corners_shape[-1]))
        before = int(self.cumulative_counts[row - 1]) if row else 0
        return (*lead, int(np.flatnonzero(self._allowed(whole_row))[number - before]))

    def _allowed(self, corners: Region) -> np.ndarray:
        """Whether each corner of a region is that of a foreground patch."""
        centres = tuple(
            slice(part.start + offset, part.stop + offset)
            for part, offset in zip(corners, self.first_centre, strict=True)
        )
        return foreground(self.truth, self.patch_shape, self.threshold, centres)


def cut_patches(
    truth: np.ndarray,
    image: np.ndarray,
    patch_shape: tuple[int, ...],
    count: int,
    rng: np.random.Generator,
    ranges: Ranges = (LOW_PERCENTILES, HIGH_PERCENTILES),
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Cut `count` normalised patch pairs at random foreground places of one volume.

    Each pair is normalised by percentiles of its own, drawn from two ranges and taken over the
    whole image, the same ranks for input and ground truth (csbdeep's `norm_percentiles`).

    Parameters
    ----------
    truth, image : ndarray
        Ground truth and low-SNR image of one shape, (Z, Y, X) or (Y, X), arbitrary units; a memory
        map is never in memory as a whole.
    patch_shape : tuple of int
        In voxels, no larger than the volume; (Y, X) of a volume are planes of it.
    count : int
        Number of patches; places repeat only where the foreground has fewer.
    rng : numpy.random.Generator
    ranges : pair of pairs of float
        Of the lower and of the upper percentile; by default csbdeep's.

    Returns
    -------
    X, Y : ndarray of float32, (count, *patch_shape)
    places : tuple of int
        Places for a patch that show only background and are passed over, and all places.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an image is constant.
    """
    _check_shapes(truth, image, patch_shape)
    block = (*(1,) * (truth.ndim - len(patch_shape)), *patch_shape)
    candidates = ForegroundPatches(truth, block)
    if len(candidates) == 0:
        raise ValueError(
            f"no patch of {patch_shape} in the volume of {truth.shape} shows more than background"
            " around its centre; make patches smaller (the dataset's patches.shape), or leave the"
            " volume out."
        )
    numbers = rng.choice(len(candidates), count, replace=count > len(candidates))
    corners = [candidates.corner(number) for number in numbers]
    low, high = (rng.uniform(*bounds, count) for bounds in ranges)
    ranks = np.column_stack([low, high])
    X, Y = (_cut(array, corners, block, ranks) for array in (image, truth))
    all_places = prod(candidates.corners_shape)
    places = (all_places - len(candidates), all_places)
    return X.reshape(count, *patch_shape), Y.reshape(count, *patch_shape), places


def _check_shapes(truth: np.ndarray, image: np.ndarray, patch_shape: tuple[int, ...]) -> None:
    if truth.shape != image.shape:
        raise ValueError(
            f"ground truth is {truth.shape}, the image {image.shape}: expected one shape."
        )
    if len(patch_shape) > truth.ndim or any(
        p > s for p, s in zip(patch_shape[::-1], truth.shape[::-1], strict=False)
    ):
        raise ValueError(
            f"a patch of {patch_shape} does not fit a volume of {truth.shape}; set the dataset's"
            " patches.shape."
        )


def _cut(
    volume: np.ndarray,
    corners: list[tuple[int, ...]],
    shape: tuple[int, ...],
    ranks: np.ndarray,
) -> np.ndarray:
    """Cut patches at these corners, each normalised by its two percentiles of the volume."""
    ranges = np.reshape(percentiles(volume, ranks.ravel().tolist()), ranks.shape)
    if not (ranges[:, 1] > ranges[:, 0]).all():
        raise ValueError(
            f"the image is constant between its percentiles {ranks.min():.3g} and "
            f"{ranks.max():.5g}; leave it out, or if it is sparse, raise the second of the "
            "dataset's patches.percentiles."
        )
    patches = np.empty((len(corners), *shape), np.float32)
    for patch, corner, (low, high) in zip(patches, corners, ranges, strict=True):
        region = tuple(slice(a, a + size) for a, size in zip(corner, shape, strict=True))
        patch[...] = (volume[region] - low) / (high - low)
    return patches


def patches_from_volumes(
    volumes: Path,
    conditions: list[str],
    cutting: Cutting,
    seed: int,
    folder: Path,
) -> None:
    """Cut patches from each training image and write a folder of patches.

    Volumes are memory maps, and memory holds the patches of one image at a time. They go to
    shuffled places of the memory-mapped output, so that any part of it mixes volumes and
    conditions.

    Parameters
    ----------
    volumes : Path
        A folder of volumes.
    conditions : list of str
        Low-SNR conditions to cut from.
    cutting : Cutting
    seed : int
    folder : Path
        Written: a folder of patches.

    Raises
    ------
    ValueError
        If there are no training volumes, or no patches can be cut from one, which is then named.
    """
    pairs = list(paired(volumes, "train", conditions))
    if not pairs:
        raise ValueError(
            f"{volumes}: has no training volumes, which patches.source: volumes needs; "
            "set the dataset's patches.source to npz."
        )
    per_volume, patch_shape = cutting.per_volume, cutting.shape
    count = per_volume * len(pairs)
    order = random_stream(seed, "order of patches").permutation(count)
    labels = pd.DataFrame({"patch": range(count), "condition": "", "volume": ""})
    places = np.zeros(2, np.int64)
    with _patch_arrays(folder, (count, *patch_shape)) as (X, Y):
        for i, pair in enumerate(pairs):
            rows = order[i * per_volume : (i + 1) * per_volume]
            rng = random_stream(seed, "places of patches", i)
            truth = open_volume(pair.truth, pair.axes, folder)
            image = open_volume(pair.image, pair.axes, folder)
            try:
                inputs, targets, its_places = cut_patches(
                    truth, image, patch_shape, per_volume, rng, cutting.ranges
                )
            except ValueError as error:
                raise ValueError(f"volume {pair.volume} ({pair.image}): {error}") from None
            X[rows] = inputs
            Y[rows] = targets
            labels.loc[rows, ["condition", "volume"]] = [pair.condition, pair.volume]
            places += its_places
    log.info(
        "cut %d patches from %d images; %d of %d places for a patch show only background and were"
        " passed over",
        *(count, len(pairs), *places),
    )
    low, high = cutting.ranges
    origin = {
        "source": "volumes",
        "normalisation": f"per patch, percentiles {low} and {high} of the whole image",
        "percentiles": cutting.percentiles,
        "voxel_size": volume_header(pairs[0].image).voxel_size,
    }
    _describe(folder, labels, patch_shape, origin)


def patches_from_npz(
    npz: Path,
    axes: str | None,
    patch_shape: tuple[int, ...],
    folder: Path,
    channel: int | None = None,
) -> None:
    """Copy published patches, or those that csbdeep saved, unchanged to a folder of patches.

    Parameters
    ----------
    npz : Path
        Arrays X and Y in some order of axes, already normalised.
    axes : str or None
        Axes of both arrays, such as "SCZYX"; None for those that the file names, see `npz_patches`.
    patch_shape : tuple of int
        Expected, in the order of `axes` without S and C.
    folder : Path
        Written: a folder of patches.
    channel : int, optional
        The channel that patches are taken from, where there are several.

    Raises
    ------
    ValueError
        If arrays are missing, differ in shape, do not fit `axes` and `patch_shape`, or are not
        normalised.
    """
    published = npz_patches(npz, axes, channel, patch_shape)
    count = published[0].shape[0]
    with _patch_arrays(folder, published[0].shape) as arrays:
        for name, patches, target in zip("XY", published, arrays, strict=True):
            patches.copy_to(target)
            check_volume(target, f"{npz}: array {name}")
            _check_normalised(target, f"{npz}: array {name}")
    labels = pd.DataFrame({"patch": range(count), "condition": "", "volume": ""})
    origin = {"source": "npz", "normalisation": "as published, checked to lie near 0 to 1"}
    _describe(folder, labels, patch_shape, origin)


def _check_normalised(patches: np.ndarray, source: str) -> None:
    """Refuse patches in raw units: medians of 1st and 99.9th percentiles must lie near 0 and 1."""
    low, high = typical_range(patches[:: max(1, len(patches) // 64)])
    if not (-1 < low < 0.5 and 0.3 < high < 5):
        raise ValueError(
            f"{source}: patches range from {low:.3g} to {high:.3g} (medians),"
            " expected about 0 to 1 after percentile normalisation, not raw units; save patches as"
            " csbdeep's create_patches normalises them, or use patches.source: volumes."
        )


@contextmanager
def _patch_arrays(folder: Path, shape: tuple[int, ...]) -> Iterator[list[np.memmap]]:
    """X and Y to fill, in files that get their names only if the block ends without an error."""
    with whole(folder / "X.npy") as X, whole(folder / "Y.npy") as Y:
        arrays = [_room_for(path, shape) for path in (X, Y)]
        yield arrays
        for array in arrays:
            array.flush()


def _room_for(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """An array of float32 on disk, all of which the disk has room for."""
    array = open_memmap(path, "w+", np.float32, shape)
    with path.open("r+b") as file:
        take_room(file.fileno(), path.parent, path.stat().st_size, "an array of patches")
    return array


def _describe(
    folder: Path,
    labels: pd.DataFrame,
    patch_shape: tuple[int, ...],
    origin: Mapping[str, Any],
) -> None:
    """Write patches.csv and patches.json, which says where patches come from, beside the arrays."""
    with whole(folder / "patches.csv") as partial:
        labels.to_csv(partial, index=False)
    description = {
        "axes": "S" + "ZYX"[-len(patch_shape) :],
        "shape": list(patch_shape),
        "count": len(labels),
        **origin,
        "sha256": {name: sha256_of(folder / f"{name}.npy") for name in "XY"},
    }
    write_json(folder / "patches.json", description)
