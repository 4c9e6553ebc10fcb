"""The header of an image file: axes, shape, dtype, size of a voxel, and the scale of values that
are stored as whole numbers.

A whole number n with a gain and an offset stands for the value gain n + offset.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

VoxelSize = tuple[float | None, float | None, float | None]

# Micrometres in the units that microscopes' files are written in
MICROMETRES = {
    "µm": 1, "μm": 1, "um": 1, "micron": 1, "microns": 1, "micrometer": 1, "micrometre": 1,
    "nm": 1e-3, "nanometer": 1e-3, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4,
    "m": 1e6, "inch": 25400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Header of one image file; `voxel_size` is (Z, Y, X) in micrometres, None where unknown."""

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    voxel_size: VoxelSize = (None, None, None)
    gain: float = 1.0
    offset: float = 0.0

    @property
    def scaled(self) -> bool:
        return (self.gain, self.offset) != (1, 0)

    def decode(self, stored: np.ndarray) -> np.ndarray:
        """Values of a stored part of the image: float32 if it is scaled, else as stored."""
        if not self.scaled:
            return stored
        return stored * np.float32(self.gain) + np.float32(self.offset)

    def encode(self, part: np.ndarray, path: Path) -> np.ndarray:
        """A part of the image as the file stores it, which `decode` undoes.

        Raises
        ------
        ValueError
            If a value is too large for float16; the message names `path`.
        """
        if self.scaled:
            limits = np.iinfo(self.dtype)
            numbers = np.rint((part.astype(np.float64) - self.offset) / self.gain)
            part = np.clip(numbers, limits.min, limits.max)
        elif self.dtype == np.float16 and np.abs(part).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"{path} would hold {np.abs(part).max():g}, too much for float16; set"
                " restoration.dtype to float32."
            )
        return np.ascontiguousarray(part, self.dtype)
