"""Volumes on disk: image files with axes in their metadata, listed in a `volumes.csv`.

A folder of volumes holds `volumes.csv` and one TIFF file a volume and condition:

    volumes.csv                     part, volume, condition, path, axes, shape, dtype
    test/{condition}/{volume}.tif   what models are tested on; condition `truth` is the ground truth
    train/{condition}/{volume}.tif  what patches are cut from, where there are such volumes
    train/data_label.npz            published patches, where there are such patches

`path` is relative to the folder; `shape` is written as 16x128x128.

A folder of restored volumes holds {condition}/{volume}.tif, and from probabilistic networks
scale/{condition}/{volume}.tif; or NAME.ome.zarr for NAME.tif (`denoising.formats` tells what is in such files).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from denoising import formats

TRUTH = "truth"
INPUT_PERCENTILES = (3.0, 99.8)
SCALES = "scale"  # folder beside the conditions of a restoration, with the scales of a probabilistic network
SMALLEST_AXIS = 7  # voxels: SSIM's window
COLUMNS = ("part", "volume", "condition", "path", "axes", "shape", "dtype")


def read_volume(path: Path, axes: str | None = None) -> np.ndarray:
    """Read a volume into memory.

    Parameters
    ----------
    path : Path
        A TIFF file, or an OME-Zarr group; where there is no such TIFF file, the group NAME.ome.zarr in its place.
    axes : str, optional
        The axes expected, such as "ZYX". Files that name an axis merely "sequence" (Q, I or S, as
        many writers do) are taken at their word by position.

    Returns
    -------
    ndarray
        Of the file's own dtype, axes as in `axes`; float32 where whole numbers are stored with their scale.

    Raises
    ------
    ValueError
        If the file is no TIFF or its axes are not those expected.
    """
    return _checked(path, axes, formats.load)


def open_volume(path: Path, axes: str | None = None, scratch: Path | None = None) -> np.ndarray:
    """Like `read_volume`, but as a read-only memory map, so that volumes may be larger than memory.

    A file that cannot be mapped, because it is compressed, say, is decoded once, in parts, to a file in `scratch`
    (by default the volume's own folder) that is gone with the map.
    """
    return _checked(path, axes, lambda file: formats.map_file(file, scratch))


def volume_header(path: Path) -> formats.Header:
    """Axes, shape, dtype and size of a voxel of the volume that `read_volume` would read."""
    return formats.read_header(formats.find(path))


def volume_names(folder: Path) -> set[Path]:
    """The TIFF names, within `folder`, of all volumes in it, whatever their format."""
    tiffs = {path.relative_to(folder) for path in folder.rglob("*.tif")}
    zarrs = {path.relative_to(folder) for path in folder.rglob(f"*{formats.ZARR}")}
    return tiffs | {path.with_name(path.name.removesuffix(formats.ZARR) + ".tif") for path in zarrs}


def _checked(path: Path, axes: str | None, read: Callable) -> np.ndarray:
    path = formats.find(path)
    volume, found = read(path)
    if axes is not None and not _same_axes(found.axes, axes):
        raise ValueError(
            f"{path}: axes are {found.axes} {found.shape}, expected {axes}; save it as {axes}, "
            "or correct the dataset's layout or pairs.axes."
        )
    return volume


def _same_axes(found: str, expected: str) -> bool:
    if len(found) != len(expected):
        return False
    return all(f == e or f in "QIS" for f, e in zip(found, expected, strict=True))


def write_volume(path: Path, volume: np.ndarray, axes: str, voxel_size: Sequence | None = None) -> None:
    """Write a volume as an uncompressed (so memory-mappable) TIFF with `axes`, complete or not at all.

    `voxel_size` is in micrometres (Z, Y, X), None where it is not known.
    """
    formats.write(path, volume, axes, voxel_size)


def check_volume(volume: np.ndarray, source: str) -> None:
    """Refuse what no later step can use: empty, not numeric, or not finite."""
    if volume.size == 0 or volume.dtype.kind not in "uif":
        raise ValueError(
            f"{source}: holds {volume.dtype} of shape {volume.shape}, expected a non-empty integer "
            "or floating point image; export the image again."
        )
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        count = int(volume.size - np.isfinite(volume).sum())
        raise ValueError(f"{source}: {count} values are NaN or infinite, expected none; export it again.")


def write_listing(folder: Path, rows: list[dict]) -> None:
    """Write `folder`/volumes.csv from a row a file, sorted so that the same files give the same list."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(["part", "volume", "condition"], kind="stable")
    table.to_csv(folder / "volumes.csv", index=False)


def listing_row(part: str, volume: str, condition: str, image: np.ndarray, axes: str) -> dict:
    """The row of volumes.csv for one image written under `part`/`condition`/`volume`.tif."""
    return {
        "part": part,
        "volume": volume,
        "condition": condition,
        "path": f"{part}/{condition}/{volume}.tif",
        "axes": axes,
        "shape": "x".join(map(str, image.shape)),
        "dtype": str(image.dtype),
    }


def read_listing(folder: Path) -> pd.DataFrame:
    """Read `folder`/volumes.csv, every column as text."""
    return pd.read_csv(folder / "volumes.csv", dtype=str, keep_default_na=False)


@dataclass(frozen=True)
class Pair:
    """A low-SNR image and its ground truth, by file."""

    volume: str
    condition: str
    axes: str
    image: Path
    truth: Path


def paired(folder: Path, part: str, conditions: list[str]) -> Iterator[Pair]:
    """Every pair of `part` ("train" or "test"), volume by volume, conditions in the order given."""
    table = read_listing(folder)
    table = table[table["part"] == part]
    for volume, files in table.groupby("volume", sort=True):
        by_condition = files.set_index("condition")
        missing = {TRUTH, *conditions} - set(by_condition.index)
        if missing:
            raise ValueError(f"{folder}: volume {volume} lacks {', '.join(sorted(missing))}; unpack it again.")
        for condition in conditions:
            row, truth = by_condition.loc[condition], by_condition.loc[TRUTH]
            yield Pair(volume, condition, row["axes"], folder / row["path"], folder / truth["path"])


def percentiles(image: np.ndarray, percents: Sequence[float]) -> list[float]:
    """Percentiles of a whole image, exact, in bounded memory: for images that are memory maps.

    Parameters
    ----------
    image : ndarray
        Of any shape. Types of at most 32 bits are counted slab by slab, 16 bits at a time, the first of which tell
        where to look for the second; those of 64 bits are sorted in memory.
    percents : sequence of float
        0 to 100, between values interpolated linearly, as numpy does.

    Returns
    -------
    list of float
        NaN, each, if the image holds any NaN.
    """
    if image.dtype.itemsize > 4:
        return [float(value) for value in np.percentile(image, percents)]
    places = [percent / 100 * (image.size - 1) for percent in percents]
    ranks = sorted({0, image.size - 1, *map(math.floor, places), *map(math.ceil, places)})
    value = dict(zip(ranks, _ranked(image, ranks), strict=True))
    if math.isnan(value[0]) or math.isnan(value[image.size - 1]):
        return [math.nan] * len(percents)
    low = [value[math.floor(place)] for place in places]
    high = [value[math.ceil(place)] for place in places]
    return [a + (b - a) * (place % 1) if b > a else a for a, b, place in zip(low, high, places, strict=True)]


def _ranked(image: np.ndarray, ranks: list[int]) -> list[float]:
    """The values at these places of the sorted image, by two counts of 16 bits (a radix selection), or by one."""
    if image.dtype.kind != "f" and image.dtype.itemsize <= 2:
        ends = np.cumsum(_count(image, lambda keys: keys))
        return [_from_key(int(key), image.dtype) for key in np.searchsorted(ends, ranks, side="right")]
    counts = _count(image, lambda keys: keys >> 16)
    ends = np.cumsum(counts)
    values = {}
    for bucket in np.unique(np.searchsorted(ends, ranks, side="right")):
        first = ends[bucket] - counts[bucket]
        inner = np.cumsum(_count(image, lambda keys, b=bucket: keys[keys >> 16 == b] & 0xFFFF))
        for rank in (rank for rank in ranks if first <= rank < ends[bucket]):
            key = (int(bucket) << 16) + int(np.searchsorted(inner, rank - first, side="right"))
            values[rank] = _from_key(key, image.dtype)
    return [values[rank] for rank in ranks]


def _count(image: np.ndarray, digit) -> np.ndarray:
    counts = np.zeros(1 << 16, np.int64)
    for slab in formats.slabs(image.shape, 4):
        counts += np.bincount(digit(_keys(image[slab])), minlength=1 << 16)
    return counts


def _keys(part: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the values."""
    if part.dtype.kind != "f":
        return (part.ravel().astype(np.int64) - _least(part.dtype)).astype(np.uint32)
    bits = np.ascontiguousarray(part, np.float32).ravel().view(np.uint32)
    # Negative numbers in reverse, below the others
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


def _from_key(key: int, dtype: np.dtype) -> float:
    if dtype.kind != "f":
        return float(key + _least(dtype))
    bits = key & 0x7FFFFFFF if key >> 31 else ~key & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))


def _least(dtype: np.dtype) -> int:
    return int(np.iinfo(dtype).min)


def normalise(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map the `low` and `high` percentiles of a whole image to 0 and 1, without clipping: N(u; lo, hi).

    Parameters
    ----------
    image : ndarray
        Any shape, integer or float, arbitrary units.
    low, high : float
        Percentiles, 0 to 100.

    Returns
    -------
    ndarray of float32
        (image - perc(low)) / (perc(high) - perc(low)).

    Raises
    ------
    ValueError
        If both percentiles are the same value, as in a constant image.
    """
    lowest, highest = normalising(image, low, high)
    return ((image.astype(np.float32) - np.float32(lowest)) / np.float32(highest - lowest)).astype(np.float32)


def normalising(image: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The values of a whole image that `normalise` maps to 0 and 1, with its errors; in bounded memory."""
    lowest, highest = percentiles(image, (low, high))
    if not np.isfinite([lowest, highest]).all():
        raise ValueError("the image holds NaN or infinite values, which cannot be normalised; export it again.")
    if not highest > lowest:
        raise ValueError(
            f"percentiles {low} and {high} of the image are both {lowest:g}: a constant or nearly "
            "empty image cannot be normalised; leave it out."
        )
    return lowest, highest


def normalise_input(image: np.ndarray) -> np.ndarray:
    """`N(x; 3, 99.8)`: what every method restores, networks and baselines alike."""
    return normalise(image, *INPUT_PERCENTILES)
