"""OME-Zarr groups of version 0.5 (Zarr format 3): a pyramid of levels `0`, `1`, ... in chunks of at
most 16 x 256 x 256; `gain` and `offset` in attributes, and for restorations `low` and `high`, what
was 0 and 1 for the network.

Each level has the means of 2 x 2 voxels of the one before, or of 2 x 2 x 2 where planes lie less
than two voxels apart, until a plane fits into a chunk. It is made chunk by chunk, so that no image
must fit into memory.

Groups of other software are read from version 0.4 on. The first of several levels is read, which is
the full resolution.
"""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoising.images.decoding import decoding
from denoising.images.formats import UnusableImageError
from denoising.images.headers import MICROMETRES, Header, Scale, units, units_in
from denoising.images.slabs import slabs
from denoising.running.reasons import reason

if TYPE_CHECKING:  # slow to import, and seldom needed
    import zarr

ZARR = ".ome.zarr"
# An attribute of groups whose every chunk is a file: elsewhere a chunk that is missing is zeros
ALL_CHUNKS = "all_chunks"
CHUNK = {"Z": 16, "Y": 256, "X": 256}  # voxels along an axis; 1 along others


def open_ome_zarr(path: Path) -> "tuple[zarr.Array, Header]":
    """The array of the group's first level, and its header.

    Raises
    ------
    ValueError
        If the group does not describe an image as OME-Zarr does.
    """
    import zarr

    with decoding_zarr(path):
        try:
            group = zarr.open_group(str(path), mode="r")
            attributes = dict(group.attrs)
            array: Any = group[_multiscale(attributes)["datasets"][0]["path"]]
            header = _header(array, attributes)
        except (FileNotFoundError, KeyError) as error:
            raise ValueError(f"it has no {reason(error)}") from None
        _check_shapes(array, header)
    if attributes.get(ALL_CHUNKS):
        there = sum(file.is_file() for file in (path / array.path / "c").rglob("*"))
        if there < array.nchunks:
            raise UnusableImageError(
                f"{path}: has {there} of its {array.nchunks} chunks; copy or save it again."
            )
    return array, header


def decoding_zarr(path: Path) -> AbstractContextManager[None]:
    """Errors of the block name the group at `path`, see `decoding`."""
    return decoding(path, "not a readable OME-Zarr group", "save it again as OME-Zarr 0.5")


def _check_shapes(array: Any, header: Header) -> None:
    """Refuse an array that has no voxels, or other axes than the group's attributes say."""
    if len(header.axes) != len(header.shape):
        raise ValueError(f"axes {header.axes} of an array of shape {header.shape}")
    if min((*header.shape, *array.chunks), default=0) < 1:
        raise ValueError(f"shape {header.shape} in chunks of {array.chunks}")


def write_ome_zarr(
    path: Path, image: np.ndarray, header: Header, scale: Scale, compression: bool
) -> None:
    """Write the image and its pyramid chunk by chunk; `compression` is zarr's default one with
    checksums, `scale` the image's. Times and channels come first, as OME-Zarr wants it.
    """
    import zarr
    from zarr.codecs import ZstdCodec

    order = sorted(range(image.ndim), key=lambda axis: f"TC{header.axes}".index(header.axes[axis]))
    image = image.transpose(order)
    axes = "".join(header.axes[axis] for axis in order)
    header = replace(header, axes=axes, shape=image.shape)
    sizes = dict(zip("ZYX", header.voxel_size, strict=True))
    voxel = [sizes.get(axis) or 1.0 for axis in header.axes]
    factors = list(_factors(header))
    levels = [
        {"path": str(level), "coordinateTransformations": _transformations(voxel, of_level)}
        for level, of_level in enumerate(factors)
    ]
    multiscale = {"axes": [_axis(axis, sizes) for axis in header.axes], "datasets": levels}
    attributes: dict[str, Any] = {"ome": {"version": "0.5", "multiscales": [multiscale]}}
    attributes |= units(header) | {ALL_CHUNKS: True}
    group = zarr.create_group(store=str(path), zarr_format=3, attributes=attributes)
    arrays = []
    for level, of_level in enumerate(factors):
        shape = [-(-size // factor) for size, factor in zip(header.shape, of_level, strict=True)]
        edges = [CHUNK.get(axis, 1) for axis in header.axes]
        array = group.create_array(
            str(level),
            shape=shape,
            dtype=header.dtype,
            chunks=tuple(map(min, shape, edges)),
            compressors=ZstdCodec(checksum=True) if compression else None,
            config={"write_empty_chunks": True},
            dimension_names=list(header.axes.lower()),
        )
        arrays.append(array)
    for slab in slabs(header.shape, 8, arrays[0].chunks):
        arrays[0][slab] = header.encode(image[slab], path, scale)
    for finer, coarser in itertools.pairwise(arrays):
        for slab in slabs(coarser.shape, 8, coarser.chunks):
            coarser[slab] = _means(finer, coarser, slab)


def _factors(header: Header) -> Iterator[list[int]]:
    """For each level of the pyramid how many voxels of the image become one along each axis."""
    sizes = dict(zip("ZYX", header.voxel_size, strict=True))
    factor = dict.fromkeys(header.axes, 1)
    extent = dict(zip(header.axes, header.shape, strict=True))
    yield list(factor.values())
    while any(extent[axis] > CHUNK[axis] * factor[axis] for axis in "YX"):
        z, y, x = sizes.values()
        halved = "YX"
        if z and y and x and z * factor.get("Z", 1) < 2 * max(y * factor["Y"], x * factor["X"]):
            halved = "ZYX"
        for axis in factor:
            if axis in halved and extent[axis] > factor[axis]:
                factor[axis] *= 2
        yield list(factor.values())


def _transformations(voxel: list[float], factors: list[int]) -> list[dict[str, Any]]:
    """Of a level: the size of its voxels, and the centre of its first one, a mean of several."""
    scale = [size * factor for size, factor in zip(voxel, factors, strict=True)]
    shift = [size * (factor - 1) / 2 for size, factor in zip(voxel, factors, strict=True)]
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    return [*found, {"type": "translation", "translation": shift}] if any(shift) else found


def _means(finer: Any, coarser: Any, slab: tuple[slice, ...]) -> np.ndarray:
    """A part of the coarser level; beyond the end of the finer one its last voxels repeat."""
    # A level has half the size, rounded up: an axis of one voxel is not halved
    factors = [-(-large // small) for large, small in zip(finer.shape, coarser.shape, strict=True)]
    source = tuple(
        slice(part.start * factor, part.stop * factor)
        for part, factor in zip(slab, factors, strict=True)
    )
    values = np.asarray(finer[source])
    shape = [part.stop - part.start for part in slab]
    for axis, (size, factor) in enumerate(zip(shape, factors, strict=True)):
        lacking = size * factor - values.shape[axis]
        if lacking:
            values = np.pad(
                values, [(0, lacking * (n == axis)) for n in range(values.ndim)], "edge"
            )
    pairs = [number for both in zip(shape, factors, strict=True) for number in both]
    axes = tuple(range(1, 2 * len(shape), 2))
    means = values.reshape(pairs).mean(axis=axes, dtype=np.float64)
    return (np.rint(means) if values.dtype.kind in "ui" else means).astype(values.dtype)


def _axis(axis: str, sizes: dict[str, float | None]) -> dict[str, str]:
    kind = {"C": "channel", "T": "time"}.get(axis, "space")
    unit = {"unit": "micrometer"} if sizes.get(axis) else {}
    return {"name": axis.lower(), "type": kind} | unit


def _multiscale(attributes: dict[str, Any]) -> dict[str, Any]:
    """The first image of the group, as its attributes describe it."""
    return attributes.get("ome", attributes)["multiscales"][0]


def _header(array: Any, attributes: dict[str, Any]) -> Header:
    multiscale = _multiscale(attributes)
    axes = "".join(axis["name"] for axis in multiscale["axes"]).upper()
    sizes: dict[str, float | None] = dict.fromkeys("ZYX")
    for axis, scale in zip(multiscale["axes"], _scales(multiscale), strict=True):
        unit = MICROMETRES.get(axis.get("unit"))
        sizes[axis["name"].upper()] = scale * unit if unit else None
    return Header(
        axes,
        array.shape,
        array.dtype,
        (sizes["Z"], sizes["Y"], sizes["X"]),
        **units_in(attributes),
    )


def _scales(multiscale: dict[str, Any]) -> list[float]:
    """Size of a voxel of the first level along each axis, in the axis's unit."""
    scales = [1.0] * len(multiscale["axes"])
    # Scales of the level and of the whole multiscale image multiply
    for described in (multiscale["datasets"][0], multiscale):
        for transformation in described.get("coordinateTransformations", []):
            if transformation["type"] == "scale":
                factors = transformation["scale"]
                scales = [a * b for a, b in zip(scales, factors, strict=True)]
    return scales
