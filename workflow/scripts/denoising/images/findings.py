"""What is said of a user's images: one sentence with the file, what was found, and what to do.

Errors are what no later step can use. Warnings are what trains, but perhaps not what is wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from denoising.images.content import Content
from denoising.images.inspection import Inspection
from denoising.images.registration import Alignment

# A low-SNR image has two to five times the noise of its ground truth. It has less than this share
# only if the two are swapped: even images that were binned by 2 and enlarged again have at least
# 0.84, on real and on simulated pairs.
LEAST_NOISE = 0.75
# Beyond it percentile 99.8, the top of the normalised range, is the largest value itself
MOST_SATURATED = 0.002
# Pure noise has 0.21: its percentiles 3 and 99.8 are 4.8 standard deviations apart
BACKGROUND_NOISE = 0.18
LEAST_FADING = 0.7
MOVE = "move the pair out of the folder"


@dataclass
class Image:
    """One image of a pair: its file, what it holds, and the warnings about it.

    `part` is test or train, `side` low or high. `alignment` is that of a low-SNR image.
    """

    pair: str
    part: str
    side: str
    path: Path
    content: Content | None = None
    seen: Inspection | None = None
    alignment: Alignment | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def top(self) -> tuple[float, float]:
        """The lowest percentile that may be the top of the normalised range, and its value."""
        assert self.seen is not None
        return (99.5, self.seen.p99_5) if self.part == "train" else (99.8, self.seen.p99_8)

    @property
    def is_usable(self) -> bool:
        return self.seen is not None and not self.seen.not_finite and self.top[1] > self.seen.p3

    @property
    def noise(self) -> float:
        return self.seen.noise if self.seen else np.nan


def error_in_values(image: Image, seen: Inspection) -> str | None:
    """Values that are not finite, or one value at both ends of the normalised range."""
    if seen.not_finite:
        return (
            f"{image.path}: {seen.not_finite} values are NaN or infinite; export it again, or crop"
            " both images of the pair to where values are known."
        )
    if not image.is_usable:
        return (
            f"{image.path}: its percentiles 3 and {image.top[0]:g} are both {seen.p3:g}, as in a"
            f" blank or nearly empty image; {MOVE}."
        )
    return None


def error_in_shapes(low: Image, high: Image) -> str | None:
    shapes = [image.seen.shape for image in (low, high) if image.seen]
    if len(set(shapes)) < 2:
        return None
    return (
        f"{low.path} {shapes[0]} and {high.path} {shapes[1]}: a pair must have one shape; crop or"
        f" rescale one of them, or {MOVE}."
    )


def duplicates(alike: list[Image]) -> str:
    """Images of equal pixels."""
    listed = " and ".join(str(image.path) for image in alike)
    if len({image.pair for image in alike}) == 1:
        return f"{listed}: have equal pixels, expected a noisy and a clean image; replace one."
    leak = ", and one would train and another test" if len({i.part for i in alike}) > 1 else ""
    return f"{listed}: have equal pixels{leak}; keep one, and move the other pairs out."


def saturation(image: Image, seen: Inspection) -> str | None:
    if seen.saturated <= MOST_SATURATED or not _is_limit(seen):
        return None
    return (
        f"{image.path}: {100 * seen.saturated:.2g} % of its voxels have the largest value,"
        f" {seen.highest:g}: bright structures are clipped, which no network undoes; expose for a"
        f" shorter time, or {MOVE}."
    )


def _is_limit(seen: Inspection) -> bool:
    """Whether the largest value may be a detector's limit. Images of few counts have many voxels of
    their largest value, so a whole number must be the largest one of 8 to 32 bits.
    """
    if not np.issubdtype(np.dtype(seen.dtype), np.integer):
        return True
    return int(seen.highest) in {2**bits - 1 for bits in range(8, 33)}


def background_only(image: Image) -> str | None:
    if not image.noise > BACKGROUND_NOISE:
        return None
    return (
        f"{image.path}: shows nothing that stands out from its noise, as an empty field does; if"
        f" there is no specimen, {MOVE}."
    )


def misalignment(low: Image, high: Image, axes: str, limit: float, key: str) -> Iterator[str]:
    """Shift, drift and fading of a low-SNR image against its partner, if they are large."""
    found = low.alignment
    if found is None:
        return
    shifts = [
        f"{abs(step):g} voxels along {axis}"
        for step, axis in zip(found.shift, axes, strict=True)
        if abs(step) > limit
    ]
    if shifts:
        yield (
            f"{low.path}: what it shows lies {' and '.join(shifts)} from where {high.path} shows it"
            f" (limit {limit:g}, {key}.largest_shift), and a network would learn to blur; register"
            " the pair."
        )
    elif found.drift > max(limit, 1):
        yield (
            f"{low.path}: drifts against {high.path} by {found.drift:.1f} voxels in Y and X, from"
            " the first third of the planes to the last; register the pair plane by plane."
        )
    if found.fading < LEAST_FADING or found.fading > 1 / LEAST_FADING:
        yield (
            f"{low.path}: its brightness beside that of {high.path} changes by a factor of"
            f" {found.fading:.2g} from the first third of the planes to the last, as by bleaching;"
            " take both images plane by plane, or the low-SNR one first."
        )


def swapped(pairs: list[tuple[Image, Image]], key: str) -> str | None:
    """If most low-SNR images are less noisy than their partners; else single ones have a warning
    of their own.
    """
    found = [(low, high) for low, high in pairs if low.noise < LEAST_NOISE * high.noise]
    if len(found) > len(pairs) / 2:
        return (
            f"in {len(found)} of {len(pairs)} pairs the low-SNR image is less noisy than its ground"
            f" truth: see whether {key}.low and high are swapped."
        )
    for low, high in found:
        low.warnings.append(
            f"{low.path}: is less noisy than its ground truth {high.path}; see whether the files"
            " have each other's name."
        )
    return None
