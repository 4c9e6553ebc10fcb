"""Volumes on disk: image files with axes in their metadata, listed in a `volumes.csv`.

A folder of volumes holds `volumes.csv` and one TIFF file per volume and condition:

    volumes.csv                     part, volume, condition, path, axes, shape, dtype
    test/{condition}/{volume}.tif   what models are tested on; condition `truth` is the ground truth
    train/{condition}/{volume}.tif  what patches are cut from, if there are such volumes
    train/data_label.npz            published patches, if there are such patches
    nuclei.csv                      volume, z, y, x, radius_um: all nuclei of test volumes, if known

Files may be links, to an archive that came as a folder. `path` is relative to the folder; `shape`
is written as 16x128x128. `z`, `y` and `x` are the centre of a nucleus in voxels, from the centre of
the first voxel; it may lie outside the volume.

A folder of restored volumes holds {condition}/{volume}.tif, and from probabilistic networks
scale/{condition}/{volume}.tif; ensembles of such networks have interval/lower/{condition}/... and
interval/upper/{condition}/..., the ends of their 95 % intervals. NAME.ome.zarr may stand for
NAME.tif. The formats are described in
`denoising.images.tiff` and `denoising.images.ome_zarr`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.images.files import find_image, map_image, read_header, write
from denoising.images.headers import UNNAMED, Header
from denoising.images.ome_zarr import ZARR
from denoising.images.slabs import slabs
from denoising.running.outputs import whole
from denoising.study.names import NUCLEI, TRUTH

INPUT_PERCENTILES = (3.0, 99.8)
SMALLEST_AXIS = 7  # voxels: SSIM's window
NUCLEI_COLUMNS = ("volume", "z", "y", "x", "radius_um")
COLUMNS = ("part", "volume", "condition", "path", "axes", "shape", "dtype")


def open_volume(path: Path, axes: str | None = None, scratch: Path | None = None) -> np.ndarray:
    """Open a volume as a read-only memory map, so that volumes may be larger than memory.

    Parameters
    ----------
    path : Path
        A TIFF file or an OME-Zarr group. If there is no TIFF file NAME.tif, the group NAME.ome.zarr
        is opened in its place.
    axes : str, optional
        Expected axes, such as "ZYX". An axis that the file merely names a sequence (Q, I or S, as
        many writers do) is taken for the expected one at its position. Times, channels and planes
        that are one and not expected are left out.
    scratch : Path, optional
        A file that cannot be mapped, such as a compressed one, is decoded once, in parts, to a file
        in this folder (by default the volume's own) that is gone with the map.

    Returns
    -------
    ndarray
        Axes as in `axes`; the file's own dtype, or float32 if whole numbers are stored with a
        scale.

    Raises
    ------
    ValueError
        If the file is no TIFF or its axes are not those expected.
    """
    path = find_image(path)
    volume, header = map_image(path, scratch)
    if axes is None or _same_axes(header.axes, axes):
        return volume
    # Times, channels and planes that are one and not expected are left out
    kept = [
        i
        for i, axis in enumerate(header.axes)
        if axis in axes or axis not in "TCZ" or header.shape[i] > 1
    ]
    if not _same_axes("".join(header.axes[i] for i in kept), axes):
        raise ValueError(
            f"{path}: axes are {header.axes} {header.shape}, expected {axes}; save it as {axes}, "
            "or correct the dataset's layout or pairs.axes."
        )
    return volume.reshape([header.shape[i] for i in kept])


def volume_header(path: Path) -> Header:
    """Axes, shape, dtype and size of a voxel of the volume that `open_volume` would open."""
    return read_header(find_image(path))


def volume_names(folder: Path) -> set[Path]:
    """The TIFF names, within `folder`, of all volumes in it, whatever their format."""
    tiffs = {path.relative_to(folder) for path in folder.rglob("*.tif")}
    zarrs = {path.relative_to(folder) for path in folder.rglob(f"*{ZARR}")}
    return tiffs | {path.with_name(path.name.removesuffix(ZARR) + ".tif") for path in zarrs}


def _same_axes(axes: str, expected: str) -> bool:
    if len(axes) != len(expected):
        return False
    return all(a == e or a in UNNAMED for a, e in zip(axes, expected, strict=True))


def write_volume(
    path: Path, volume: np.ndarray, axes: str, voxel_size: Sequence | None = None
) -> None:
    """Write a volume as an uncompressed (so memory-mappable) TIFF with `axes`, complete or not at
    all.

    `voxel_size` is in micrometres (Z, Y, X), None where it is not known.
    """
    write(path, volume, axes, voxel_size)


def check_volume(volume: np.ndarray, source: str) -> None:
    """Refuse what no later step can use: empty, not numeric, or not finite."""
    if volume.size == 0 or volume.dtype.kind not in "uif":
        raise ValueError(
            f"{source}: holds {volume.dtype} of shape {volume.shape}, expected a non-empty integer "
            "or floating point image; export the image again."
        )
    if volume.dtype.kind != "f":
        return
    # By parts: a memory map is never in memory as a whole
    count = sum(
        int(np.count_nonzero(~np.isfinite(volume[slab]))) for slab in slabs(volume.shape, 8)
    )
    if count:
        raise ValueError(
            f"{source}: {count} values are NaN or infinite, expected none; export it again."
        )


def write_listing(folder: Path, rows: list[dict]) -> None:
    """Write `folder`/volumes.csv, one row per file, sorted so that the same files give the same
    list.
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(["part", "volume", "condition"], kind="stable")
    with whole(folder / "volumes.csv") as file:
        table.to_csv(file, index=False)


def listing_row(part: str, volume: str, condition: str, image: np.ndarray, axes: str) -> dict:
    """The row of volumes.csv for one image written under `part`/`condition`/`volume`.tif."""
    return {
        "part": part,
        "volume": volume,
        "condition": condition,
        "path": f"{part}/{condition}/{volume}.tif",
        "axes": axes,
        "shape": "x".join(map(str, image.shape)),
        "dtype": image.dtype.name,
    }


def read_listing(folder: Path) -> pd.DataFrame:
    """Read `folder`/volumes.csv, every column as text."""
    return pd.read_csv(folder / "volumes.csv", dtype=str, keep_default_na=False)


def read_nuclei(folder: Path) -> pd.DataFrame:
    """Read `folder`/nuclei.csv: the volumes as text, positions and radii as numbers."""
    return pd.read_csv(folder / NUCLEI, dtype={"volume": str}, keep_default_na=False)


@dataclass(frozen=True)
class Pair:
    """A low-SNR image and its ground truth, by file.

    `by_plane` is whether it is scored plane by plane, because the thinnest stack of its part of the
    dataset has fewer planes than SSIM's window. `channels` are images that a network of several
    channels takes together, in its order, this one among them.
    """

    volume: str
    condition: str
    axes: str
    image: Path
    truth: Path
    by_plane: bool = False
    channels: tuple[Path, ...] = ()

    @property
    def restored_name(self) -> Path:
        """File of the restored image within a folder of restored volumes."""
        return Path(self.condition, f"{self.volume}.tif")


def paired(folder: Path, part: str, conditions: list[str]) -> Iterator[Pair]:
    """Every pair of `part` ("train" or "test"), volume by volume, conditions in the order given."""
    table = read_listing(folder)
    table = table[table["part"] == part]
    is_thin = table["axes"].str.startswith("Z") & (table["shape"].map(_first_edge) < SMALLEST_AXIS)
    by_plane = bool(is_thin.any())
    for volume, files in table.groupby("volume", sort=True):
        by_condition = files.set_index("condition")
        missing = {TRUTH, *conditions} - set(by_condition.index)
        if missing:
            raise ValueError(
                f"{folder}: volume {volume} lacks {', '.join(sorted(missing))}; unpack it again."
            )
        for condition in conditions:
            row = by_condition.loc[condition]
            truth = by_condition.loc[TRUTH]
            image = folder / row["path"]
            yield Pair(volume, condition, row["axes"], image, folder / truth["path"], by_plane)


def with_channels(pair: Pair, folders: Sequence[Path]) -> Pair:
    """A pair with the images of its volume in several folders of volumes.

    Raises
    ------
    ValueError
        If a folder lacks the volume, or has it in another shape.
    """
    channels = []
    for folder in folders:
        table = read_listing(folder)
        is_here = (table["volume"] == pair.volume) & (table["condition"] == pair.condition)
        paths = [folder / path for path in table.loc[is_here, "path"]]
        if not paths or volume_header(paths[0]).shape != volume_header(pair.image).shape:
            raise ValueError(
                f"{folder.name} has no image {pair.volume} of the shape that {pair.image} has, but"
                " the network takes channels of the same files together: give all of its channels"
                " the same files."
            )
        channels.append(paths[0])
    return replace(pair, channels=tuple(channels))


def _first_edge(shape: str) -> int:
    return int(shape.split("x")[0])
