"""The header of an image file: axes, shape, dtype, size of a voxel, and the units of its values.

A stored number n with a gain and an offset stands for the value gain n + offset. A restoration has
the units of the image that was restored, and its header tells which two values of that image were 0
and 1 for the network.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

VoxelSize = tuple[float | None, float | None, float | None]
Scale = tuple[float, float]  # a gain and an offset

UNNAMED = "QIS"  # what files call a sequence that they know no better name for
SAME: Scale = (1.0, 0.0)
# float32 would round values of a larger offset, in ranges of their image, to worse than 1e-4
LARGEST_OFFSET = 1000

# Micrometres in the units that microscopes' files are written in
MICROMETRES = {
    "µm": 1, "μm": 1, "um": 1, "micron": 1, "microns": 1, "micrometer": 1, "micrometre": 1,
    "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4,
    "m": 1e6, "inch": 25400.0,
}  # fmt: skip


def positive_number(value: Any) -> float | None:
    """The number that a file's metadata holds; None for text, zero, and what is not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None


@dataclass(frozen=True)
class Normalisation:
    """Values of an image that were 0 and 1 for the network that restored it.

    `is_applied` says whether a restoration in memory is still that of the normalised image, and not
    in the image's own units.
    """

    low: float
    high: float
    is_applied: bool = False

    @property
    def scale(self) -> Scale:
        """What leads from the normalised image to the image."""
        return self.high - self.low, self.low

    @property
    def of_widths(self) -> "Normalisation":
        """The same for widths, such as the predicted scale, which have no offset."""
        return replace(self, low=0.0, high=self.high - self.low)

    @property
    def has_large_offset(self) -> bool:
        return abs(self.low) > LARGEST_OFFSET * abs(self.high - self.low)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """(values - low) / (high - low), float32: a large low is subtracted before rounding."""
        low = self.low
        if self.has_large_offset:
            values = values - np.float64(low)
            low = 0.0
        normalised = values.astype(np.float32)
        normalised -= np.float32(low)  # in place: beside a narrow network, copies of a tile count
        normalised /= np.float32(self.high - self.low)
        return normalised


@dataclass(frozen=True)
class Header:
    """Header of one image file; `voxel_size` is (Z, Y, X) in micrometres, None where unknown.

    `normalisation` is that of a restoration, None of other images. `doubts` say what of the file's
    metadata could not be read.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    voxel_size: VoxelSize = (None, None, None)
    gain: float = 1.0
    offset: float = 0.0
    normalisation: Normalisation | None = None
    doubts: tuple[str, ...] = ()

    @property
    def scaled(self) -> bool:
        return (self.gain, self.offset) != SAME

    @property
    def value_dtype(self) -> np.dtype:
        """Of decoded values: float64 where float32 would lose them beside a large offset."""
        if not self.scaled:
            return self.dtype
        is_far = self.normalisation is not None and self.normalisation.has_large_offset
        return np.dtype(np.float64 if is_far else np.float32)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Values of a stored part of the image, of `value_dtype`."""
        if not self.scaled:
            return stored
        number = self.value_dtype.type
        return stored * number(self.gain) + number(self.offset)

    def encode(self, part: np.ndarray, path: Path, scale: Scale = SAME) -> np.ndarray:
        """A part of the image as the file stores it, which `decode` undoes.

        Parameters
        ----------
        part : ndarray
        path : Path
        scale : (gain, offset)
            A number n of `part` stands for the value gain n + offset.

        Raises
        ------
        ValueError
            If a value is too large for float16; the message names `path`.
        """
        gain, offset = scale
        if scale != (self.gain, self.offset):
            part = (part.astype(np.float64) * gain + (offset - self.offset)) / self.gain
        if self.scaled and self.dtype.kind in "ui":
            limits = np.iinfo(self.dtype)
            part = np.clip(np.rint(part), limits.min, limits.max)
        elif self.dtype == np.float16 and np.abs(part).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"{path} would hold {np.abs(part).max():g}, too much for float16; set"
                " restoration.dtype to float32."
            )
        return np.ascontiguousarray(part, self.dtype)


def units(header: Header) -> dict[str, float]:
    """What a file says of the units of its values, by the names it has there."""
    scale = {"gain": header.gain, "offset": header.offset} if header.scaled else {}
    of = header.normalisation
    return scale | ({"low": of.low, "high": of.high} if of else {})


def units_in(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `Header` that `units` has written to a file."""
    fields: dict[str, Any] = {}
    if {"gain", "offset"} <= set(metadata):
        fields |= {name: float(metadata[name]) for name in ("gain", "offset")}
    if {"low", "high"} <= set(metadata):
        bounds = Normalisation(float(metadata["low"]), float(metadata["high"]))
        fields["normalisation"] = bounds
    return fields
