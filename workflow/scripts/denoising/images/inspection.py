"""What is noted of one image before it is used: range, noise, saturation, and its pixels' hash.

The image is a memory map and is read slab by slab: once for all but the percentiles, which take one
more reading (two of 32 bits, four of 64 bits).
"""

import hashlib
from dataclasses import dataclass
from math import nan

import numpy as np

from denoising.images.noise import relative_noise, unevenness
from denoising.images.percentiles import percentiles
from denoising.images.slabs import slabs
from denoising.images.volumes import INPUT_PERCENTILES


@dataclass(frozen=True)
class Inspection:
    """What is noted of one image.

    `saturated` is the share of voxels that have the largest value. `noise` is a fraction of the
    range between the percentiles 3 and 99.8, whatever those of the dataset are. `bottom`,
    `least_top` and `top` are the values at the three ranks that it was asked for. `along_z` is the
    mean of the last third of the planes over that of the first, both above percentile 3; nan
    without planes. `pixels` is a hash of the values, equal for equal images whatever file they are
    in.
    """

    shape: tuple[int, ...]
    dtype: str
    not_finite: int
    lowest: float
    bottom: float
    p50: float
    least_top: float
    top: float
    highest: float
    saturated: float
    noise: float
    along_z: float
    pixels: str


def inspect(image: np.ndarray, ranks: tuple[float, float, float]) -> Inspection:
    """Look at an image of numbers, (Y, X) or (Z, Y, X), that is not empty.

    `ranks` are the percentiles of the ends of the range to which it will be normalised: the lower
    end, the lowest that the upper end may be, and the upper end.
    """
    sums = _Sums(image)
    for slab in slabs(image.shape, 8):
        sums.add(slab, np.ascontiguousarray(image[slab], image.dtype.newbyteorder("=")))
    wanted = (*INPUT_PERCENTILES, 50, *ranks)
    known = percentiles(image, wanted) if not sums.not_finite else [nan] * len(wanted)
    p3, p99_8, p50, bottom, least_top, top = known
    return Inspection(
        shape=image.shape,
        dtype=image.dtype.name,
        not_finite=sums.not_finite,
        lowest=sums.lowest,
        bottom=bottom,
        p50=p50,
        least_top=least_top,
        top=top,
        highest=sums.highest,
        saturated=sums.count_of_highest / image.size,
        noise=relative_noise(sums.lines, p3, p99_8),
        along_z=sums.along_z(p3),
        pixels=sums.pixels.hexdigest(),
    )


class _Sums:
    """What is gathered slab by slab, in the order of the image's voxels."""

    def __init__(self, image: np.ndarray):
        self.plane_size = image.shape[-1] * image.shape[-2]
        self.planes = np.zeros(image.shape[:-2])
        self.not_finite = 0
        self.lowest = np.inf
        self.highest = -np.inf
        self.count_of_highest = 0
        self.lines: list[np.ndarray] = []
        self.pixels = hashlib.blake2b(f"{image.shape} {image.dtype.name}".encode(), digest_size=16)

    def add(self, slab: tuple[slice, ...], part: np.ndarray) -> None:
        self.pixels.update(part.data)
        if part.dtype.kind == "f":
            not_finite = int(np.count_nonzero(~np.isfinite(part)))
            self.not_finite += not_finite
            if not_finite:  # the image is refused, whatever else it holds
                return
        self.lowest = min(self.lowest, float(part.min()))
        highest = part.max()
        if float(highest) > self.highest:
            self.highest = float(highest)
            self.count_of_highest = 0
        if float(highest) == self.highest:
            self.count_of_highest += int(np.count_nonzero(part == highest))
        self.lines.append(unevenness(part))
        self.planes[slab[:-2]] += part.sum(axis=(-2, -1), dtype=np.float64)

    def along_z(self, background: float) -> float:
        if self.planes.ndim == 0 or len(self.planes) < 3:
            return nan
        third = len(self.planes) // 3
        means = self.planes / self.plane_size - background
        first = means[:third].mean()
        return float(means[-third:].mean() / first) if first > 0 else nan
