"""TIFF files, read as tifffile, ImageJ and OME write them, and written as ImageJ's.

ImageJ, Fiji and tifffile read the size of a voxel from them: the resolution tags have that in XY,
the first page's description has `spacing` (between planes) and `unit`. It also has `gain` and
`offset`, which ImageJ reads as its calibration function of whole numbers, and of restorations `low`
and `high`. What ImageJ's format cannot hold (other numbers, other axes, 4 GB and more) is written
as tifffile's own, with the same words as JSON. Planes follow one another, so that uncompressed
files can be memory-mapped.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile

from denoising.images import ome_xml
from denoising.images.decoding import decoding
from denoising.images.headers import (
    MICROMETRES,
    Header,
    Scale,
    VoxelSize,
    positive_number,
    units,
    units_in,
)
from denoising.images.tiff_pages import Pages, open_pages

LARGEST_TIFF = 2**32 - 2**25  # bytes, with some room for what is not pixels
IMAGEJ_AXES = "TZCYX"
IMAGEJ_TYPES = ("uint8", "uint16", "float32")
UNREAD = "the size of its voxels cannot be read, and is taken for unknown"
# Micrometres in the units of the tag ResolutionUnit
TAG_MICROMETRES = {2: MICROMETRES["inch"], 3: MICROMETRES["cm"]}

T = TypeVar("T")


def read_tiff_header(path: Path) -> Header:
    """Header of the TIFF file.

    Raises
    ------
    ValueError
        Naming the file: see `tiff_pages.open_pages`, or it cannot be decoded.
    """
    return _read(path, _header)


def map_tiff(path: Path, scratch: Path) -> tuple[np.ndarray, Header]:
    """The image as stored, and its header.

    It is a memory map of the file itself or, where pixels are compressed or scattered, of a
    nameless copy in the folder `scratch`. Raises as `read_tiff_header`.
    """
    return _read(path, lambda pages: (pages.pixels(scratch), _header(pages)))


def write_tiff(
    path: Path, image: np.ndarray, header: Header, scale: Scale, threads: int | None
) -> None:
    """Write the image, whose numbers have the `scale`, plane by plane.

    If there are `threads`, they compress it (zlib).
    """
    planes = (header.encode(image[index], path, scale) for index in np.ndindex(header.shape[:-2]))
    is_large = math.prod(header.shape) * header.dtype.itemsize > LARGEST_TIFF
    _, y, x = header.voxel_size
    tifffile.imwrite(
        path,
        planes,
        shape=header.shape,
        dtype=header.dtype,
        bigtiff=is_large,
        imagej=not is_large and _fits_imagej(header),
        photometric="minisblack",
        metadata=_description(header),
        compression="zlib" if threads else None,
        compressionargs={"level": 1} if threads else None,
        maxworkers=threads or 1,
        resolution=(1 / x, 1 / y) if x and y else None,
        resolutionunit="NONE" if x and y else None,
    )


def _fits_imagej(header: Header) -> bool:
    """ImageJ has these types, axes in this order, and no stack of one plane."""
    ordered = [axis for axis in IMAGEJ_AXES if axis in header.axes]
    fits = header.dtype.name in IMAGEJ_TYPES and list(header.axes) == ordered
    return fits and 1 not in header.shape


def _description(header: Header) -> dict[str, Any]:
    """What the first page's description holds besides shapes."""
    z = header.voxel_size[0] if "Z" in header.axes else None
    words: dict[str, Any] = {"axes": header.axes, **units(header)}
    if any((z, *header.voxel_size[1:])):
        words |= {"unit": "um"}
    if z:
        words |= {"spacing": z}
    if header.scaled and header.dtype.kind == "u":  # ImageJ's calibration function, a line
        words |= {"cf": 0, "c0": header.offset, "c1": header.gain, "vunit": "Gray Value"}
    return words


def _read(path: Path, read: Callable[[Pages], T]) -> T:
    """Result of `read` for the file's one image."""
    with (
        decoding(path, "not a readable TIFF file", "save it again, uncompressed"),
        open_pages(path) as pages,
    ):
        return read(pages)


def _header(pages: Pages) -> Header:
    # ImageJ's description or tifffile's
    metadata = pages.file.imagej_metadata or (pages.file.shaped_metadata or [{}])[0]
    if metadata.get("cf") == 0 and {"c0", "c1"} <= set(metadata):
        metadata = {"gain": metadata["c1"], "offset": metadata["c0"], **metadata}
    voxel_size, doubts = _voxel_size(pages, metadata)
    return Header(
        pages.axes,
        pages.shape,
        pages.dtype,
        voxel_size,
        **units_in(metadata),
        doubts=(*pages.doubts, *doubts),
    )


def _voxel_size(pages: Pages, metadata: dict) -> tuple[VoxelSize, list[str]]:
    """Size of a voxel, and what of it stands in the file but cannot be read."""
    if pages.xml is not None:
        voxel_size, is_read = ome_xml.voxel_size(pages.xml)
        return voxel_size, [] if is_read else [UNREAD]
    spacing = metadata.get("spacing")
    unit = _micrometres(metadata.get("unit"))
    number = positive_number(spacing)
    z = number * unit if number and unit else None
    is_read = number is not None or not spacing
    try:
        y, x = _tag_sizes(pages.file.pages.first.tags, unit)
    except (AttributeError, TypeError, ValueError):
        y = x = None
        is_read = False
    return (z, y, x), [] if is_read else [UNREAD]


def _tag_sizes(tags: tifffile.TiffTags, unit: float | None) -> tuple[float | None, float | None]:
    """Size of a pixel along Y and X by the resolution tags; `unit` is what a tag may leave open."""
    # Inches, if the file does not name the unit, as the standard has it
    tag_unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
    pixel_unit = TAG_MICROMETRES.get(tag_unit, unit)
    y = _pixel_size(tags, "YResolution", pixel_unit)
    x = _pixel_size(tags, "XResolution", pixel_unit)
    return y, x


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
