"""Tiles that cover a volume, the padding around it, and slabs of it.

A tile is a core that starts on a multiple of the network's 2**depth and a halo of context around it
that reaches the network's receptive field or the volume's edge, so the core's result does not
depend on how the volume is cut.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

Region = tuple[slice, ...]


class Tile(NamedTuple):
    """One tile of a plan: the part of the volume that it reads, the place in it where its core
    begins, the part of the volume that it gives, and where in the core that part lies.
    """

    read: Region
    begin: tuple[int, ...]
    give: Region
    within: Region


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one size that cover a region of a volume of `shape`: every tile is `tile` voxels,
    halo of `margin` included, for `core` of the result.
    """

    shape: tuple[int, ...]
    region: Region
    margin: int
    core: tuple[int, ...]
    tile: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(len(_begins(*axis)) for axis in zip(self.region, self.core, strict=True))

    @property
    def computed_voxels(self) -> int:
        """Voxels that pass through the network, overlaps counted each time."""
        return len(self) * math.prod(self.tile)

    def __iter__(self) -> Iterator[Tile]:
        axes = zip(self.shape, self.region, self.core, self.tile, strict=True)
        along_axes = [list(_along_axis(*axis, self.margin)) for axis in axes]
        for parts in itertools.product(*along_axes):
            yield Tile(*zip(*parts, strict=True))


def _along_axis(
    size: int, wanted: slice, core: int, tile: int, margin: int
) -> Iterator[tuple[slice, int, slice, slice]]:
    """The tiles' parts along one axis, as in `Tile`."""
    starts = range(wanted.start, wanted.stop, core)
    for start, begin in zip(starts, _begins(wanted, core), strict=True):
        stop = min(start + core, wanted.stop)
        first = min(max(0, begin - margin), size - tile)
        read = slice(first, first + tile)
        yield read, begin - first, slice(start, stop), slice(start - begin, stop - begin)


def _begins(wanted: slice, core: int) -> list[int]:
    """Where cores begin along one axis; all are of one size, so the last two may overlap."""
    return [min(start, wanted.stop - core) for start in range(wanted.start, wanted.stop, core)]


def plan_tiles(
    shape: tuple[int, ...],
    margin: int,
    multiple: int,
    max_voxels: int,
    region: Region | None = None,
) -> TilePlan:
    """The tiles of least recomputation that fit.

    Parameters
    ----------
    shape : tuple of int
        The padded volume's, each a multiple of `multiple`.
    margin : int
        Halo in voxels, a multiple of `multiple`.
    multiple : int
        2**depth of the network.
    max_voxels : int
        Largest number of voxels of one tile, halo included.
    region : tuple of slice, optional
        The part of the volume that is wanted, from and to multiples of `multiple`; by default all
        of it.

    Raises
    ------
    ValueError
        If not even the smallest tile fits.
    """
    region = region or tuple(slice(0, size) for size in shape)
    choices = [
        list(_axis_choices(*axis, margin, multiple)) for axis in zip(shape, region, strict=True)
    ]
    counts, tiles = (
        products([[choice[key] for choice in axis] for axis in choices]) for key in (2, 1)
    )
    fits = tiles <= max_voxels
    if not fits.any():
        raise ValueError(
            f"a tile may have {max_voxels} voxels, but the smallest tile of a volume of {shape}"
            f" with its halo of {margin} has {tiles.min()}; give the rule restore (or restore_slab)"
            " more memory (mem_mb, by the profile or --set-resources) or a larger GPU, or raise"
            " restoration.max_tile_voxels if it is set."
        )
    computed = np.where(fits, counts * tiles, np.iinfo(np.int64).max)
    least = np.where(computed == computed.min(), counts, np.iinfo(np.int64).max)
    best = np.unravel_index(least.argmin(), least.shape)
    cores, sizes, _ = zip(*(axis[i] for axis, i in zip(choices, best, strict=True)), strict=True)
    return TilePlan(shape, region, margin, cores, sizes)


def products(values: list[list[int]]) -> np.ndarray:
    """The product of each combination of integers, one of each list: an array of int64 with an axis
    for each list.
    """
    return reduce(np.multiply.outer, [np.array(axis, np.int64) for axis in values])


def _axis_choices(
    size: int, wanted: slice, margin: int, multiple: int
) -> Iterator[tuple[int, int, int]]:
    """Core and tile sizes along one axis for every useful number of tiles, and that number."""
    length = wanted.stop - wanted.start
    counts = range(1, length // multiple + 1)
    cores = dict.fromkeys(-(-length // (count * multiple)) * multiple for count in counts)
    for core in cores:
        begins = _begins(wanted, core)
        spans = [(max(0, begin - margin), min(size, begin + core + margin)) for begin in begins]
        yield core, max(stop - start for start, stop in spans), len(begins)


# Padding: reflected at the edges to multiples of 2**depth, as csbdeep's `PadAndCropResizer` does


def inside_of(shape: tuple[int, ...], multiple: int) -> Region:
    """Where the image lies in the padded one."""
    befores = [-size % multiple // 2 for size in shape]
    return tuple(slice(before, before + size) for before, size in zip(befores, shape, strict=True))


def padded_part(image: np.ndarray, read: Region, inside: Region) -> np.ndarray:
    """The part `read` of the padded image, (..., channels); only that part is in memory."""
    spans = [
        (part.start - place.start, part.stop - place.start, place.stop - place.start)
        for part, place in zip(read, inside, strict=True)
    ]
    part = image[tuple(slice(max(start, 0), min(stop, size)) for start, stop, size in spans)]
    widths = [(max(-start, 0), max(stop - size, 0)) for start, stop, size in spans]
    return np.pad(part, [*widths, (0, 0)], mode="reflect") if np.any(widths) else part


def shifted(region: Region, inside: Region) -> Region:
    """Where in the padded image a region of the image lies."""
    return tuple(
        slice(part.start + place.start, part.stop + place.start)
        for part, place in zip(region, inside, strict=True)
    )


def cropped(give: Region, within: Region, wanted: Region) -> tuple[Region, Region]:
    """Where the wanted voxels of a tile lie: in the wanted region, and
    in the core.
    """
    places = []
    parts = []
    for given, inner, asked in zip(give, within, wanted, strict=True):
        start = max(given.start, asked.start)
        stop = min(given.stop, asked.stop)
        places.append(slice(start - asked.start, stop - asked.start))
        parts.append(slice(inner.start + start - given.start, inner.stop + stop - given.stop))
    return tuple(places), tuple(parts)


# Slabs


def slab(shape: tuple[int, ...], part: tuple[int, int], multiple: int) -> Region | None:
    """The part of an image that one of several jobs restores: a slab across its longest axis.

    Parameters
    ----------
    shape : tuple of int
    part : tuple of int
        Which part (from 1) of how many; slabs are of one thickness, but for the last.
    multiple : int
        2**depth of the network: slabs meet on multiples of it in the padded image, where they cost
        no recomputation but the halo's.

    Returns
    -------
    tuple of slice, or None
        None where the image is too short for so many parts and this one has none of it.
    """
    axis = shape.index(max(shape))
    size = shape[axis]
    number, count = part
    before = -size % multiple // 2
    thickness = -(-(size + -size % multiple) // (count * multiple)) * multiple
    start = min(max(0, (number - 1) * thickness - before), size)
    stop = min(max(0, number * thickness - before), size)
    if start >= stop:
        return None
    region = [slice(0, length) for length in shape]
    region[axis] = slice(start, stop)
    return tuple(region)


def equal_parts(first: int, last: int, longest: int) -> list[tuple[int, int]]:
    """Cut a range into equal parts."""
    edges = np.linspace(first, last, 1 + -(-(last - first) // longest)).astype(int).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))
