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
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile

from denoising.images.headers import MICROMETRES, Header, Scale, VoxelSize, units, units_in
from denoising.images.slabs import scratch_array

LARGEST_TIFF = 2**32 - 2**25  # bytes, with some room for what is not pixels
IMAGEJ_AXES = "TZCYX"
IMAGEJ_TYPES = ("uint8", "uint16", "float32")
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


def _read(path: Path, read: Callable[[tifffile.TiffFile], T]) -> T:
    """Result of `read` for the opened file, whose one image is checked to be the only one."""
    try:
        with tifffile.TiffFile(path) as tif:
            count = len(tif.series)
            _check_complete(tif)
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


def _check_complete(tif: tifffile.TiffFile) -> None:
    """Refuse an ImageJ file cut short, of which tifffile reads what is left as another image."""
    planes = (tif.imagej_metadata or {}).get("images", 1)
    found = math.prod(tif.series[0].shape[:-2])
    if found < planes:
        raise ValueError(f"it has {found} of its {planes} planes, as if cut short")


def _pixels(series: tifffile.TiffPageSeries, scratch: Path) -> np.ndarray:
    if series.dataoffset is not None:  # tifffile knows one place of all pixels
        return series.asarray(out="memmap")
    return series.asarray(out=scratch_array(scratch, series.shape, series.dtype))


def _header(tif: tifffile.TiffFile) -> Header:
    series = tif.series[0]
    # ImageJ's description or tifffile's
    metadata = tif.imagej_metadata or (tif.shaped_metadata or [{}])[0]
    if metadata.get("cf") == 0 and {"c0", "c1"} <= set(metadata):
        metadata = {"gain": metadata["c1"], "offset": metadata["c0"], **metadata}
    voxel_size = _voxel_size(tif, metadata)
    return Header(series.axes, series.shape, series.dtype, voxel_size, **units_in(metadata))


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
