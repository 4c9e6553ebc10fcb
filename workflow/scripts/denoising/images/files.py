"""Image files, TIFF or OME-Zarr alike: opened as a memory map, and written.

An image is known by its TIFF name, NAME.tif; an OME-Zarr group in its place is NAME.ome.zarr.
"""

import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from denoising.images.headers import SAME, Header, Normalisation, Scale
from denoising.images.ome_zarr import ZARR, decoding_zarr, open_ome_zarr, write_ome_zarr
from denoising.images.slabs import scratch_array, slabs
from denoising.images.tiff import map_tiff, read_tiff_header, write_tiff


@dataclass(frozen=True)
class Storage:
    """How images are written: `format` is tiff or ome-zarr, `dtype` None for the image's own."""

    format: str = "tiff"
    dtype: str | None = None
    compression: bool = False
    threads: int = 1  # that compress a TIFF file

    @classmethod
    def of(cls, settings: dict, input_dtype: np.dtype, threads: int = 1) -> "Storage":
        """As the config's `restoration` says; its dtype "input" stands for `input_dtype`."""
        dtype = str(input_dtype) if settings["dtype"] == "input" else settings["dtype"]
        # float64 cannot tell the numbers of a 64-bit integer apart
        if np.dtype(dtype).itemsize > 4:
            raise ValueError(
                f"restoration.dtype is input, and the input is {dtype}: set it to float32 or"
                " float16."
            )
        return cls(settings["format"], dtype, settings["compression"], threads)


def find_image(path: Path) -> Path:
    """The file of an image that is known by its TIFF name: that file, or the OME-Zarr group in its
    place.
    """
    zarr = path.with_suffix(ZARR)
    return zarr if not path.exists() and zarr.is_dir() else path


def read_header(path: Path) -> Header:
    """Header of the image at `path`.

    Raises
    ------
    ValueError
        If there are several images of different kinds, or it is neither TIFF nor OME-Zarr.
    """
    return open_ome_zarr(path)[1] if path.is_dir() else read_tiff_header(path)


def map_image(path: Path, scratch: Path | None = None) -> tuple[np.ndarray, Header]:
    """The image as a read-only memory map: of the file itself, or if that cannot be of a copy.

    An image that is compressed, in chunks or stored with a gain is decoded once, in parts, to a
    file without a name in `scratch` (by default the image's own folder). The file is gone when
    nothing refers to the map. An image stored with a gain is float32, or float64 if its offset is
    large.
    """
    scratch = scratch or path.parent
    if path.is_dir():
        array, header = open_ome_zarr(path)
        with decoding_zarr(path):
            return _decoded(array, header, scratch), header
    image, header = map_tiff(path, scratch)
    return _decoded(image, header, scratch) if header.scaled else image, header


def _decoded(stored: Any, header: Header, scratch: Path) -> np.ndarray:
    """A copy, slab by slab, in a file of `scratch`, with gain and offset applied."""
    dtype = header.value_dtype
    image = scratch_array(scratch, header.shape, dtype)
    for slab in slabs(header.shape, dtype.itemsize, getattr(stored, "chunks", None)):
        image[slab] = header.decode(np.asarray(stored[slab]))
    return image


def write(
    path: Path,
    image: np.ndarray,
    axes: str,
    voxel_size: Sequence | None = None,
    storage: Storage | None = None,
    normalisation: Normalisation | None = None,
) -> None:
    """Write an image, complete or not at all, plane by plane.

    A restoration is written in the units of the image that was restored. Whole numbers and float16
    have a gain and an offset, which spread them over the range of the image; so has float32 if the
    image has an offset so large that the restoration would be lost beside it.

    Parameters
    ----------
    path : Path
        Its TIFF name; an OME-Zarr group takes `ZARR` instead of the suffix.
    image : ndarray
        Any numbers; a memory map is never in memory as a whole.
    axes : str
        Such as ZYX, one letter per axis.
    voxel_size : sequence of (float or None), optional
        Micrometres (Z, Y, X).
    storage : Storage, optional
    normalisation : Normalisation, optional
        Of a restoration.

    Raises
    ------
    ValueError
        If the axes do not fit, or values are not finite that are to be stored as whole numbers.
    """
    if len(axes) != image.ndim:
        raise ValueError(f"{path}: a volume of shape {image.shape} cannot have the axes {axes}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = storage or Storage()
    dtype = np.dtype(storage.dtype or image.dtype).newbyteorder("=")
    z, y, x = voxel_size or (None, None, None)
    scale = normalisation.scale if normalisation and normalisation.is_applied else SAME
    header = Header(axes, image.shape, dtype, (z, y, x), normalisation=normalisation)
    gain, offset = _stored_scale(path, image, header, scale)
    header = replace(header, gain=gain, offset=offset)
    target = path.with_suffix(ZARR) if storage.format == "ome-zarr" else path
    partial = target.with_name(target.name + ".partial")
    _remove(partial)
    if storage.format == "ome-zarr":
        write_ome_zarr(partial, image, header, scale, storage.compression)
    else:
        write_tiff(partial, image, header, scale, storage.compression and storage.threads)
    if target.is_dir():
        _remove(target)
    os.replace(partial, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _stored_scale(path: Path, image: np.ndarray, header: Header, scale: Scale) -> Scale:
    """Gain and offset of the numbers in the file; `scale` has those of the numbers in memory."""
    if image.dtype.kind == "f" and header.dtype.kind in "ui":
        return _spread(path, image, header.dtype, scale)
    normalisation = header.normalisation
    if normalisation and (header.dtype == np.float16 or normalisation.has_large_offset):
        return normalisation.scale
    return SAME


def _spread(path: Path, image: np.ndarray, dtype: np.dtype, scale: Scale) -> Scale:
    """Gain and offset that spread the image's range over all of an integer type."""
    parts = [image[slab] for slab in slabs(image.shape, image.itemsize)]
    # numpy's, as Python's min and max pass over NaN
    low = float(np.min([part.min() for part in parts])) * scale[0] + scale[1]
    high = float(np.max([part.max() for part in parts])) * scale[0] + scale[1]
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError(
            f"{path}: holds values from {low} to {high}, expected finite ones to store as {dtype}; "
            "set restoration.dtype to float32 and look at them."
        )
    first = float(np.iinfo(dtype).min)
    last = float(np.iinfo(dtype).max)
    gain = (high - low) / (last - first) or 1.0
    return gain, low - gain * first
