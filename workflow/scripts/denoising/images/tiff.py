"""TIFF files, read as tifffile, ImageJ and OME write them, and written as tifffile's own.

The first page's description is JSON with `shape` and `axes`, and where they are known `spacing`
(between planes) and `unit`, as ImageJ names them, and `gain` and `offset`; the XY size of a voxel
is in the resolution tags. Planes follow one another, so that uncompressed files can be
memory-mapped; BigTIFF from 4 GB.
"""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile

from denoising.images.headers import MICROMETRES, Header, VoxelSize
from denoising.images.slabs import scratch_array

LARGEST_TIFF = 2**32 - 2**25  # bytes, with some room for what is not pixels
# Micrometres in the units of the tag ResolutionUnit
TAG_MICROMETRES = {2: MICROMETRES["inch"], 3: MICROMETRES["cm"]}

T = TypeVar("T")


def read_tiff_header(path: Path) -> Header:
    """Header of the TIFF file.

    Raises
    ------
    ValueError
        If the file is no TIFF file, or holds several images of different kinds.
    """
    return _read(path, _header)


def map_tiff(path: Path, scratch: Path) -> tuple[np.ndarray, Header]:
    """The image as stored, and its header.

    It is a memory map of the file itself or, where pixels are compressed or scattered, of a
    nameless copy in the folder `scratch`. Raises as `read_tiff_header`.
    """
    return _read(path, lambda tif: (_pixels(tif.series[0], scratch), _header(tif)))


def write_tiff(
    path: Path, image: np.ndarray, header: Header, compression: bool, threads: int
) -> None:
    """Write the image plane by plane; `compression` is zlib's, by several `threads`."""
    z, y, x = header.voxel_size
    metadata: dict[str, Any] = {"axes": header.axes}
    if z is not None and "Z" in header.axes:
        metadata |= {"spacing": z, "unit": "um"}
    if header.scaled:
        metadata |= {"gain": header.gain, "offset": header.offset}
    planes = (header.encode(image[index], path) for index in np.ndindex(header.shape[:-2]))
    tifffile.imwrite(
        path,
        planes,
        shape=header.shape,
        dtype=header.dtype,
        bigtiff=math.prod(header.shape) * header.dtype.itemsize > LARGEST_TIFF,
        photometric="minisblack",
        metadata=metadata,
        resolution=(1e4 / x, 1e4 / y) if x and y else None,
        resolutionunit="CENTIMETER" if x and y else None,
        compression="zlib" if compression else None,
        compressionargs={"level": 1} if compression else None,
        maxworkers=threads,
    )


def _read(path: Path, read: Callable[[tifffile.TiffFile], T]) -> T:
    """Result of `read` for the opened file, whose one image is checked to be the only one."""
    try:
        with tifffile.TiffFile(path) as tif:
            count = len(tif.series)
            result = read(tif)
    except (FileNotFoundError, MemoryError):
        raise
    # tifffile raises errors of many kinds for files cut short or badly encoded
    except Exception as error:
        raise ValueError(
            f"{path}: not a readable TIFF file ({error}); save it again, uncompressed."
        ) from None
    if count > 1:
        raise ValueError(
            f"{path}: holds {count} images of different kinds, expected one; save one image"
            " per file."
        )
    return result


def _pixels(series: tifffile.TiffPageSeries, scratch: Path) -> np.ndarray:
    if series.dataoffset is not None:  # tifffile knows one place of all pixels
        return series.asarray(out="memmap")
    return series.asarray(out=scratch_array(scratch, series.shape, series.dtype))


def _header(tif: tifffile.TiffFile) -> Header:
    series = tif.series[0]
    # ImageJ's description or tifffile's
    metadata = tif.imagej_metadata or (tif.shaped_metadata or [{}])[0]
    header = Header(series.axes, series.shape, series.dtype, _voxel_size(tif, metadata))
    if {"gain", "offset"} <= set(metadata):
        return replace(header, gain=float(metadata["gain"]), offset=float(metadata["offset"]))
    return header


def _voxel_size(tif: tifffile.TiffFile, metadata: dict) -> VoxelSize:
    if tif.ome_metadata:
        return _ome_voxel_size(tif.ome_metadata)
    tags = tif.pages.first.tags
    unit = _micrometres(metadata.get("unit"))
    spacing = metadata.get("spacing")
    z = float(spacing) * unit if spacing and unit else None
    # Inches, if the file does not name the unit, as the standard has it
    tag_unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
    pixel_unit = TAG_MICROMETRES.get(tag_unit, unit)
    y = _pixel_size(tags, "YResolution", pixel_unit)
    x = _pixel_size(tags, "XResolution", pixel_unit)
    return z, y, x


def _micrometres(unit: str | None) -> float | None:
    """How many micrometres a unit is; ImageJ escapes the Greek letter."""
    if not unit:
        return None
    return MICROMETRES.get(re.sub(r"\\u00[bB]5", "µ", str(unit)).strip())


def _pixel_size(tags: tifffile.TiffTags, name: str, unit: float | None) -> float | None:
    """Size of a pixel, from pixels per unit; writers that know none put 1 or 72 per inch."""
    if name not in tags or unit is None:
        return None
    numerator, denominator = tags[name].value
    if not numerator or not denominator:
        return None
    if unit == MICROMETRES["inch"] and numerator / denominator in (1, 72):
        return None
    return unit * denominator / numerator


def _ome_voxel_size(xml: str) -> VoxelSize:
    elements = ElementTree.fromstring(xml).iter()
    pixels = next((element for element in elements if element.tag.endswith("}Pixels")), None)
    attributes = {} if pixels is None else pixels.attrib

    def size(axis: str) -> float | None:
        unit = MICROMETRES.get(attributes.get(f"PhysicalSize{axis}Unit", "µm"))
        physical = attributes.get(f"PhysicalSize{axis}")
        return float(physical) * unit if physical and unit else None

    return size("Z"), size("Y"), size("X")
