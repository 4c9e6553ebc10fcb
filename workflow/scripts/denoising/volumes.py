"""Volumes on disk: TIFF files with axes in their metadata, listed in a `volumes.csv`.

A folder of volumes holds `volumes.csv` and one TIFF file a volume and condition:

    volumes.csv                     part, volume, condition, path, axes, shape, dtype
    test/{condition}/{volume}.tif   what models are tested on; condition `truth` is the ground truth
    train/{condition}/{volume}.tif  what patches are cut from, where there are such volumes
    train/data_label.npz            published patches, where there are such patches

`path` is relative to the folder; `shape` is written as 16x128x128.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

TRUTH = "truth"
INPUT_PERCENTILES = (3.0, 99.8)
SMALLEST_AXIS = 7  # voxels: SSIM's window
COLUMNS = ("part", "volume", "condition", "path", "axes", "shape", "dtype")


def read_volume(path: Path, axes: str | None = None) -> np.ndarray:
    """Read a TIFF volume.

    Parameters
    ----------
    path : Path
        A TIFF file.
    axes : str, optional
        The axes expected, such as "ZYX". Files that name an axis merely "sequence" (Q, I or S, as
        many writers do) are taken at their word by position.

    Returns
    -------
    ndarray
        Of the file's own dtype, axes as in `axes`.

    Raises
    ------
    ValueError
        If the file is no TIFF or its axes are not those expected.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            count = len(tif.series)
            volume, found = tif.series[0].asarray(), tif.series[0].axes
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # tifffile raises errors of many kinds for files cut short or badly encoded
        raise ValueError(f"{path}: not a readable TIFF file ({error}); save it again, uncompressed.") from None
    if count > 1:
        raise ValueError(f"{path}: holds {count} images of different kinds, expected one; save one image a file.")
    if axes is not None and not _same_axes(found, axes):
        raise ValueError(
            f"{path}: axes are {found} {volume.shape}, expected {axes}; save it as {axes}, "
            "or correct the dataset's layout or pairs.axes."
        )
    return volume


def _same_axes(found: str, expected: str) -> bool:
    if len(found) != len(expected):
        return False
    return all(f == e or f in "QIS" for f, e in zip(found, expected, strict=True))


def write_volume(path: Path, volume: np.ndarray, axes: str) -> None:
    """Write a volume as an uncompressed (so memory-mappable) TIFF with `axes`, complete or not at all."""
    if len(axes) != volume.ndim:
        raise ValueError(f"{path}: a volume of shape {volume.shape} cannot have the axes {axes}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    tifffile.imwrite(partial, volume, photometric="minisblack", metadata={"axes": axes})
    os.replace(partial, path)


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
    lowest, highest = np.percentile(image, (low, high))
    if not np.isfinite([lowest, highest]).all():
        raise ValueError("the image holds NaN or infinite values, which cannot be normalised; export it again.")
    if not highest > lowest:
        raise ValueError(
            f"percentiles {low} and {high} of the image are both {lowest:g}: a constant or nearly "
            "empty image cannot be normalised; leave it out."
        )
    return ((image.astype(np.float32) - np.float32(lowest)) / np.float32(highest - lowest)).astype(np.float32)


def normalise_input(image: np.ndarray) -> np.ndarray:
    """`N(x; 3, 99.8)`: what every method restores, networks and baselines alike."""
    return normalise(image, *INPUT_PERCENTILES)
