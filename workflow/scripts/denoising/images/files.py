"""Image files: TIFF and OME-Zarr, with axes, size of a voxel, and the scale of what is stored as
whole numbers.

TIFF files are tifffile's own: the first page's description is JSON with `shape` and `axes`, and
where they are known `spacing` (between planes) and `unit`, as ImageJ names them, and `gain` and
`offset`; the XY size of a voxel is in the resolution tags. Planes follow one another, so that
uncompressed files can be memory-mapped; BigTIFF from 4 GB.

OME-Zarr groups are version 0.5 (Zarr format 3): one level, `0`, a chunk a plane; `gain` and
`offset` in attributes. Those of others are read from version 0.4 on, of several levels the first,
which is the full resolution.

Whole numbers n with a gain and an offset stand for the values gain n + offset.
"""

import itertools
import math
import os
import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile

ZARR = ".ome.zarr"
LARGEST_TIFF = 2**32 - 2**25  # bytes, with some room for what is not pixels
SLAB_BYTES = 1 << 23
# Micrometres in the units that microscopes' files are written in
MICROMETRES = {
    "µm": 1, "μm": 1, "um": 1, "micron": 1, "microns": 1, "micrometer": 1, "micrometre": 1,
    "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4,
    "m": 1e6, "inch": 25400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What a file says of its image: `voxel_size` in micrometres (Z, Y, X), None where it is not
    said.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    gain: float = 1.0
    offset: float = 0.0

    @property
    def scaled(self) -> bool:
        return (self.gain, self.offset) != (1, 0)


@dataclass(frozen=True)
class Storage:
    """How images are written: `format` tiff or ome-zarr, `dtype` a numpy dtype or None for the
    image's own.
    """

    format: str = "tiff"
    dtype: str | None = None
    compression: bool = False

    @classmethod
    def of(cls, settings: dict, input_dtype: np.dtype) -> "Storage":
        """As the config's `restoration` says, whose dtype `input` is that of what was restored."""
        dtype = str(input_dtype) if settings["dtype"] == "input" else settings["dtype"]
        if (
            np.dtype(dtype).itemsize > 4
        ):  # float64 cannot tell the numbers of a 64-bit integer apart
            raise ValueError(
                f"restoration.dtype is input, and the input is {dtype}: set it to float32 or"
                " float16."
            )
        return cls(settings["format"], dtype, settings["compression"])


def find(path: Path) -> Path:
    """The file of an image that is known by its TIFF name: that file, or the OME-Zarr group in its
    place.
    """
    zarr = path.with_suffix(ZARR)
    return zarr if not path.exists() and zarr.is_dir() else path


def read_header(path: Path) -> Header:
    """What the image at `path` says of itself.

    Raises
    ------
    ValueError
        If there are several images of different kinds, or it is neither TIFF nor OME-Zarr.
    """
    return _open_zarr(path)[1] if path.is_dir() else _tiff(path, _tiff_header)


def load(path: Path) -> tuple[np.ndarray, Header]:
    """The whole image, in memory: as stored, or as float32 where it is stored with a gain."""
    return _load(path, scratch=None)


def map_file(path: Path, scratch: Path | None = None) -> tuple[np.ndarray, Header]:
    """The image as a read-only memory map: of the file itself, or where that cannot be of a copy.

    What is compressed, in chunks or stored with a gain is decoded once, in parts, to a file without
    a name in `scratch` (by default the image's own folder), which is gone when nothing refers to
    the map.
    """
    return _load(path, scratch or path.parent)


def _load(path: Path, scratch: Path | None) -> tuple[np.ndarray, Header]:
    if path.is_dir():
        array, header = _open_zarr(path)
        return _decoded(array, header, scratch), header
    image, header = _tiff(path, lambda tif: (_pixels(tif.series[0], scratch), _tiff_header(tif)))
    return _decoded(image, header, scratch) if header.scaled else image, header


def _pixels(series: tifffile.TiffPageSeries, scratch: Path | None) -> np.ndarray:
    if scratch is None:
        return series.asarray()
    # The file itself where tifffile knows one place of all pixels
    mapped = series.dataoffset is not None
    return series.asarray(
        out="memmap" if mapped else scratch_array(scratch, series.shape, series.dtype)
    )


def _decoded(stored, header: Header, scratch: Path | None) -> np.ndarray:
    """A copy, slab by slab, in memory or in a file of `scratch`, with gain and offset applied."""
    dtype = np.dtype(np.float32) if header.scaled else header.dtype
    image = (
        np.empty(header.shape, dtype)
        if scratch is None
        else scratch_array(scratch, header.shape, dtype)
    )
    for slab in slabs(header.shape, dtype.itemsize, getattr(stored, "chunks", None)):
        part = np.asarray(stored[slab])
        image[slab] = (
            part * np.float32(header.gain) + np.float32(header.offset) if header.scaled else part
        )
    return image


def scratch_array(folder: Path, shape: Sequence[int], dtype) -> np.memmap:
    """Zeros in a file of `folder` that has no name, and so is gone with the array however the
    process ends.
    """
    shape = tuple(shape)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(
            os, "posix_fallocate"
        ):  # a full disk is an error now, and not the death of the process later
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype, "w+", shape=shape)


def slabs(
    shape: Sequence[int], itemsize: int, chunk: Sequence[int] | None = None, most: int | None = None
) -> Iterator[tuple[slice, ...]]:
    """Slices of every axis that together are the image, each of whole chunks and of at most about
    `most` bytes, by default `SLAB_BYTES`.

    Without chunks they follow one another in the order of a file. A chunk larger than that is a
    slab by itself.
    """
    steps = list(chunk or [1] * len(shape))
    for axis in reversed(range(len(shape))):
        fitting = (most or SLAB_BYTES) // max(1, math.prod(steps) * itemsize)
        steps[axis] *= max(1, min(fitting, -(-shape[axis] // steps[axis])))
    starts = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + n, size)) for a, n, size in zip(corner, steps, shape, strict=True)
        )


# Writing


def write(
    path: Path,
    image: np.ndarray,
    axes: str,
    voxel_size: Sequence | None = None,
    storage: Storage | None = None,
    threads: int = 1,
) -> None:
    """Write an image, complete or not at all, plane by plane.

    Parameters
    ----------
    path : Path
        Its TIFF name; an OME-Zarr group takes `ZARR` instead of the suffix.
    image : ndarray
        Any numbers; a memory map is never in memory as a whole.
    axes : str
        Such as ZYX, an axis each.
    voxel_size : sequence of (float or None), optional
        Micrometres (Z, Y, X).
    storage : Storage, optional
    threads : int
        That compress.

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
    header = Header(axes, image.shape, dtype, tuple(voxel_size or (None,) * 3))
    if image.dtype.kind == "f" and dtype.kind in "ui":
        gain, offset = _scale(path, image, dtype)
        header = replace(header, gain=gain, offset=offset)
    target = path.with_suffix(ZARR) if storage.format == "ome-zarr" else path
    partial = target.with_name(target.name + ".partial")
    _remove(partial)
    if storage.format == "ome-zarr":
        _write_zarr(partial, image, header, storage.compression)
    else:
        _write_tiff(partial, image, header, storage.compression, threads)
    if target.is_dir():
        _remove(target)
    os.replace(partial, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _scale(path: Path, image: np.ndarray, dtype: np.dtype) -> tuple[float, float]:
    """Gain and offset that spread the image's range over all of an integer type."""
    parts = [image[slab] for slab in slabs(image.shape, image.itemsize)]
    # numpy's, as Python's min and max pass over NaN
    low, high = (
        float(np.min([part.min() for part in parts])),
        float(np.max([part.max() for part in parts])),
    )
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError(
            f"{path}: holds values from {low} to {high}, expected finite ones to store as {dtype}; "
            "set restoration.dtype to float32 and look at them."
        )
    first, last = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    gain = (high - low) / (last - first) or 1.0
    return gain, low - gain * first


def _stored(path: Path, part: np.ndarray, header: Header) -> np.ndarray:
    """Part of an image as it is written: the file's dtype, little-endian."""
    if header.scaled:
        limits = np.iinfo(header.dtype)
        part = np.clip(
            np.rint((part.astype(np.float64) - header.offset) / header.gain), limits.min, limits.max
        )
    elif header.dtype == np.float16 and np.abs(part).max() > np.finfo(np.float16).max:
        raise ValueError(
            f"{path} would hold {np.abs(part).max():g}, too much for float16; set restoration.dtype"
            " to float32."
        )
    return np.ascontiguousarray(part, header.dtype)


def _write_tiff(
    path: Path, image: np.ndarray, header: Header, compression: bool, threads: int
) -> None:
    z, y, x = header.voxel_size
    told = {"axes": header.axes}
    if z is not None and "Z" in header.axes:
        told |= {"spacing": z, "unit": "um"}
    if header.scaled:
        told |= {"gain": header.gain, "offset": header.offset}
    planes = (_stored(path, image[index], header) for index in np.ndindex(header.shape[:-2]))
    tifffile.imwrite(
        path,
        planes,
        shape=header.shape,
        dtype=header.dtype,
        bigtiff=math.prod(header.shape) * header.dtype.itemsize > LARGEST_TIFF,
        photometric="minisblack",
        metadata=told,
        resolution=(1e4 / x, 1e4 / y) if x and y else None,
        resolutionunit="CENTIMETER" if x and y else None,
        compression="zlib" if compression else None,
        compressionargs={"level": 1} if compression else None,
        maxworkers=threads,
    )


def _write_zarr(path: Path, image: np.ndarray, header: Header, compression: bool) -> None:
    import zarr  # slow to import, and seldom needed

    sizes = dict(zip("ZYX", header.voxel_size, strict=True))
    axes = [_zarr_axis(axis, sizes) for axis in header.axes]
    scale = {"type": "scale", "scale": [sizes.get(axis) or 1.0 for axis in header.axes]}
    level = {"path": "0", "coordinateTransformations": [scale]}
    attributes = {"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}}
    if header.scaled:
        attributes |= {"gain": header.gain, "offset": header.offset}
    group = zarr.create_group(store=str(path), zarr_format=3, attributes=attributes)
    array = group.create_array(
        "0",
        shape=header.shape,
        dtype=header.dtype,
        chunks=(*(1 for _ in header.shape[:-2]), *(min(1024, size) for size in header.shape[-2:])),
        compressors="auto" if compression else None,
        dimension_names=list(header.axes.lower()),
    )
    for slab in slabs(header.shape, 8, array.chunks):
        array[slab] = _stored(path, image[slab], header)


def _zarr_axis(axis: str, sizes: dict) -> dict:
    kind = {"C": "channel", "T": "time"}.get(axis, "space")
    unit = {"unit": "micrometer"} if sizes.get(axis) else {}
    return {"name": axis.lower(), "type": kind} | unit


# Reading TIFF


def _tiff(path: Path, ask):
    """What `ask` finds in the TIFF file."""
    try:
        with tifffile.TiffFile(path) as tif:
            count = len(tif.series)
            answer = ask(tif)
    except (FileNotFoundError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # tifffile raises errors of many kinds for files cut short or badly encoded
        raise ValueError(
            f"{path}: not a readable TIFF file ({error}); save it again, uncompressed."
        ) from None
    if count > 1:
        raise ValueError(
            f"{path}: holds {count} images of different kinds, expected one; save one image a file."
        )
    return answer


def _tiff_header(tif: tifffile.TiffFile) -> Header:
    series, told = tif.series[0], _told(tif)
    header = Header(series.axes, series.shape, series.dtype, _tiff_voxel_size(tif, told))
    if {"gain", "offset"} <= set(told):
        return replace(header, gain=float(told["gain"]), offset=float(told["offset"]))
    return header


def _told(tif: tifffile.TiffFile) -> dict:
    """What the file's description tells by name, ImageJ's or tifffile's."""
    return tif.imagej_metadata or (tif.shaped_metadata or [{}])[0]


def _tiff_voxel_size(tif: tifffile.TiffFile, told: dict) -> tuple:
    if tif.ome_metadata:
        return _ome_voxel_size(tif.ome_metadata)
    tags, unit = tif.pages[0].tags, _micrometres(told.get("unit"))
    spacing = told.get("spacing")
    z = float(spacing) * unit if spacing and unit else None
    kind = (
        tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 2
    )  # inches, as the standard has it
    by_tag = {2: MICROMETRES["inch"], 3: MICROMETRES["cm"]}.get(int(kind))
    y, x = (_from_resolution(tags, name, by_tag or unit) for name in ("YResolution", "XResolution"))
    return z, y, x


def _micrometres(unit: str | None) -> float | None:
    """How many micrometres a unit is; ImageJ escapes the Greek letter."""
    if not unit:
        return None
    return MICROMETRES.get(re.sub(r"\\u00[bB]5", "µ", str(unit)).strip())


def _from_resolution(tags, name: str, unit: float | None) -> float | None:
    """Size of a pixel, from pixels per unit; writers that know none put 1 or 72 per inch."""
    if name not in tags or unit is None:
        return None
    numerator, denominator = tags[name].value
    if (
        not numerator
        or not denominator
        or (unit == MICROMETRES["inch"] and numerator / denominator in (1, 72))
    ):
        return None
    return unit * denominator / numerator


def _ome_voxel_size(xml: str) -> tuple:
    pixels = next(
        (each for each in ElementTree.fromstring(xml).iter() if each.tag.endswith("}Pixels")), None
    )
    found = {} if pixels is None else pixels.attrib
    sizes = []
    for axis in "ZYX":
        unit = MICROMETRES.get(found.get(f"PhysicalSize{axis}Unit", "µm"))
        size = found.get(f"PhysicalSize{axis}")
        sizes.append(float(size) * unit if size and unit else None)
    return tuple(sizes)


# Reading OME-Zarr


def _open_zarr(path: Path) -> tuple:
    """The array of an OME-Zarr group's first level, and what the group says of it."""
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
        array = group[_multiscale(attributes)["datasets"][0]["path"]]
        return array, _zarr_header(array, attributes)
    except (
        AttributeError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        FileNotFoundError,
    ) as error:
        raise ValueError(
            f"{path}: not a readable OME-Zarr group ({type(error).__name__}: {error}); save it"
            " again as OME-Zarr 0.5."
        ) from None


def _multiscale(attributes: dict) -> dict:
    """The first image of the group, as its attributes describe it."""
    return attributes.get("ome", attributes)["multiscales"][0]


def _zarr_header(array, attributes: dict) -> Header:
    multiscale = _multiscale(attributes)
    axes = "".join(axis["name"] for axis in multiscale["axes"]).upper()
    scale = [1.0] * len(axes)
    # Of the level, and of the whole multiscale image
    for told in (multiscale["datasets"][0], multiscale):
        for each in told.get("coordinateTransformations", []):
            if each["type"] == "scale":
                scale = [a * b for a, b in zip(scale, each["scale"], strict=True)]
    sizes = dict.fromkeys("ZYX")
    for axis, size in zip(multiscale["axes"], scale, strict=True):
        unit = MICROMETRES.get(axis.get("unit"))
        sizes[axis["name"].upper()] = size * unit if unit else None
    size = tuple(sizes[axis] for axis in "ZYX")
    return Header(
        axes,
        array.shape,
        array.dtype,
        size,
        attributes.get("gain", 1.0),
        attributes.get("offset", 0.0),
    )
