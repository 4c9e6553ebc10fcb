"""OME-Zarr groups of version 0.5 (Zarr format 3): one level, `0`, a chunk per plane; `gain` and
`offset` in attributes, and for restorations `low` and `high`, what was 0 and 1 for the network.

Groups of other software are read from version 0.4 on. The first of several levels is read, which is
the full resolution.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoising.images.headers import MICROMETRES, Header, Scale, units, units_in
from denoising.images.slabs import slabs

if TYPE_CHECKING:  # slow to import, and seldom needed
    import zarr

ZARR = ".ome.zarr"


def open_ome_zarr(path: Path) -> "tuple[zarr.Array, Header]":
    """The array of the group's first level, and its header.

    Raises
    ------
    ValueError
        If the group does not describe an image as OME-Zarr does.
    """
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
        array: Any = group[_multiscale(attributes)["datasets"][0]["path"]]
        return array, _header(array, attributes)
    except (
        AttributeError, KeyError, IndexError, TypeError, ValueError, FileNotFoundError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"{path}: not a readable OME-Zarr group ({type(error).__name__}: {error}); save it"
            " again as OME-Zarr 0.5."
        ) from None


def write_ome_zarr(
    path: Path, image: np.ndarray, header: Header, scale: Scale, compression: bool
) -> None:
    """Write the image slab by slab; `compression` is zarr's default one, `scale` the image's."""
    import zarr

    sizes = dict(zip("ZYX", header.voxel_size, strict=True))
    axes = [_axis(axis, sizes) for axis in header.axes]
    voxel = {"type": "scale", "scale": [sizes.get(axis) or 1.0 for axis in header.axes]}
    level = {"path": "0", "coordinateTransformations": [voxel]}
    multiscale = {"axes": axes, "datasets": [level]}
    attributes: dict[str, Any] = {"ome": {"version": "0.5", "multiscales": [multiscale]}}
    attributes |= units(header)
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
        array[slab] = header.encode(image[slab], path, scale)


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
