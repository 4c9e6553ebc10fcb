"""What is said of a user's images: what was found, and what to do.

Errors are what no later step can use. They stand behind the name of the file, and are grouped by
`denoising.images.problems`. Warnings are what trains, but perhaps not what is wanted: one sentence,
with the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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

    `part` is test or train, `side` low or high. `frame` is its number in the file, None if the file
    is one image; `bytes` and `sha256` are those of the whole file. `alignment` is that of a low-SNR
    image.
    """

    pair: str
    part: str
    side: str
    path: Path
    axes: str
    frame: int | None
    bytes: int
    sha256: str
    seen: Inspection | None = None
    alignment: Alignment | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The user's own name: the file and, of several images in it, which frame."""
        return str(self.path) if self.frame is None else f"{self.path} (frame {self.frame})"

    @property
    def leave_out(self) -> str:
        """How not to use it."""
        return MOVE if self.frame is None else f"{MOVE}, or the frame out of pairs.frames"

    @property
    def is_usable(self) -> bool:
        """Whether it is finite, and has a range to normalise: patches may have a smaller one."""
        if self.seen is None or self.seen.not_finite:
            return False
        top = self.seen.least_top if self.part == "train" else self.seen.top
        return top > self.seen.bottom

    @property
    def noise(self) -> float:
        return self.seen.noise if self.seen else np.nan

    @property
    def is_background(self) -> bool:
        """Whether it is a ground truth in which nothing stands out from its noise."""
        return self.side == "high" and self.noise > BACKGROUND_NOISE


def error_in_values(
    image: Image, seen: Inspection, ranks: tuple[float, float, float]
) -> str | None:
    """Values that are not finite, or one value at both ends of the normalised range.

    `ranks` are the percentiles `bottom`, `least_top` and `top`.
    """
    if seen.not_finite:
        return (
            f"{seen.not_finite} values are NaN or infinite; export it again, or crop both images of"
            " the pair to where values are known."
        )
    if not image.is_usable:
        bottom, least_top, top = ranks
        end = least_top if image.part == "train" else top
        return (
            f"its percentiles {bottom:g} and {end:g} are both {seen.bottom:g}, as in a blank or"
            f" nearly empty image; {image.leave_out}, or, for sparse images, raise the dataset's"
            " patches.percentiles."
        )
    return None


def duplicates(alike: list[Image]) -> str:
    """Images of equal pixels."""
    if len({image.pair for image in alike}) == 1:
        return "have equal pixels, expected a noisy and a clean image; replace one."
    leak = ", and one would train and another test" if len({i.part for i in alike}) > 1 else ""
    return f"have equal pixels{leak}; keep one, and move the other pairs out."


def saturation(image: Image, seen: Inspection) -> str | None:
    if seen.saturated <= MOST_SATURATED or not _is_limit(seen):
        return None
    return (
        f"{image.name}: {100 * seen.saturated:.2g} % of its voxels have the largest value,"
        f" {seen.highest:g}: bright structures are clipped, which no network undoes; expose for a"
        f" shorter time, or {image.leave_out}."
    )


def _is_limit(seen: Inspection) -> bool:
    """Whether the largest value may be a detector's limit. Images of few counts have many voxels of
    their largest value, so a whole number must be the largest one of 8 to 32 bits.
    """
    if not np.issubdtype(np.dtype(seen.dtype), np.integer):
        return True
    return int(seen.highest) in {2**bits - 1 for bits in range(8, 33)}


def smaller_than_patch(shape: tuple[int, ...], patch: tuple[int, ...]) -> str | None:
    """An image from which no patch can be cut; planes of a stack may be patches."""
    short = [size < edge for size, edge in zip(shape[::-1], patch[::-1], strict=False)]
    if not any(short):
        return None
    remedy = "set the dataset's patches.shape to one that fits."
    if len(patch) == 3 and not any(short[:2]):
        remedy = (
            f"set the dataset's patches.shape to {list(patch[1:])}, which trains on planes one by"
            " one."
        )
    return f"is {shape}, too small for a patch of {patch}; {remedy}"


def background_count(images: list[Image], key: str) -> str | None:
    """How many ground truths show background alone, if several do."""
    truths = [image for image in images if image.side == "high"]
    count = sum(image.is_background for image in truths)
    if count < 2:
        return None
    return f"{key}: {count} of {len(truths)} ground truths show nothing but background."


def background_only(image: Image) -> str | None:
    if not image.is_background:
        return None
    return (
        f"{image.name}: shows nothing that stands out from its noise, as an empty field does; if"
        f" there is no specimen, {image.leave_out}."
    )


def misalignment(low: Image, high: Image, limit: float, key: str) -> Iterator[str]:
    """Shift, drift and fading of a low-SNR image against its partner, if they are large."""
    found = low.alignment
    if found is None:
        return
    shifts = [
        f"{abs(step):g} voxels along {axis}"
        for step, axis in zip(found.shift, low.axes, strict=True)
        if abs(step) > limit
    ]
    if shifts:
        yield (
            f"{low.name}: what it shows lies {' and '.join(shifts)} from where {high.name} shows it"
            f" (limit {limit:g}, {key}.largest_shift), and a network would learn to blur; register"
            " the pair."
        )
    elif found.drift > max(limit, 1):
        yield (
            f"{low.name}: drifts against {high.name} by {found.drift:.1f} voxels in Y and X, from"
            " the first third of the planes to the last; register the pair plane by plane."
        )
    if found.fading < LEAST_FADING or found.fading > 1 / LEAST_FADING:
        yield (
            f"{low.name}: its brightness beside that of {high.name} changes by a factor of"
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
            f"{low.name}: is less noisy than its ground truth {high.name}; see whether the files"
            " have each other's name."
        )
    return None
