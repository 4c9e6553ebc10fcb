"""A user's image pairs, looked at before anything is made from them.

All problems are gathered, so that one look names every file. The table of a dataset has one row per
image, which may be a frame of a file, with the columns `COLUMNS`: those of `Inspection`, and in the
row of a low-SNR image how it lies against its partner (`Alignment`): shift_z, shift_y and shift_x
in voxels, drift, fading. `background_only` is yes for a ground truth that shows nothing else.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.images import findings
from denoising.images.findings import Image
from denoising.images.inspection import inspect
from denoising.images.pairs import FilePairs, SourcePair, find_pairs, held_out_images
from denoising.images.problems import Problems, grouped
from denoising.images.ranges import drawn_ranges
from denoising.images.registration import Alignment, alignment
from denoising.images.sources import Selection
from denoising.images.volumes import INPUT_PERCENTILES
from denoising.running.checksums import files_of_image, sha256_of_image

progress = logging.getLogger("progress")  # printed on the console too

COLUMNS = (
    "pair", "part", "side", "file", "frame", "bytes", "sha256", "axes", "shape", "dtype",
    "not_finite", "lowest", "bottom", "p50", "least_top", "top", "highest", "saturated", "noise",
    "background_only", "along_z", "shift_z", "shift_y", "shift_x", "drift", "fading", "pixels",
    "warnings",
)  # fmt: skip
MOST_ON_CONSOLE = 10


@dataclass(frozen=True)
class Limits:
    """The settings of a dataset that a look at its images depends on.

    `percentiles` are those of an image that are 0 and 1 for the network. `largest_shift` is in
    voxels along any axis. `patch` is the shape of the patches that are cut, empty if none are.
    """

    percentiles: tuple[float, float] = INPUT_PERCENTILES
    largest_shift: float = 1
    patch: tuple[int, ...] = ()

    @property
    def ranks(self) -> tuple[float, float, float]:
        """The lower percentile, the lowest one that a patch may have for 1, and the upper one."""
        low, high = self.percentiles
        return low, drawn_ranges(self.percentiles)[1][0], high


class Check:
    """The check of a dataset: its images, problems, and warnings on the dataset as a whole.

    Parameters
    ----------
    dataset : str
    limits : Limits
    scratch : Path
        Folder for what must be decoded, see `map_image`.
    """

    def __init__(self, dataset: str, limits: Limits, scratch: Path):
        self.key = f"datasets.{dataset}.pairs"
        self.limits = limits
        self.scratch = scratch
        self.images: list[Image] = []
        self.problems = Problems(dataset)
        self.dataset_warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """Of the dataset, and of its images in their order."""
        return self.dataset_warnings + [text for image in self.images for text in image.warnings]

    def look(self, pairs: FilePairs, selection: Selection, fraction: float, seed: int) -> None:
        """Look at all images of all pairs; see `held_out_images` for those that test."""
        sources = find_pairs(pairs, selection, self.problems)
        tests = held_out_images([name for name, _, _ in pairs], sources, fraction, seed)
        both = [images for pair in sources for images in self._look_at_pair(pair, tests)]
        self._look_for_duplicates()
        doubts = [
            (str(source.path), doubt)
            for pair in sources
            for source in (pair.low, pair.high)
            for doubt in source.doubts
        ]
        self.dataset_warnings += [f"{self.key}: {line}" for line in grouped(doubts)]
        if warning := findings.swapped(both, self.key):
            self.dataset_warnings.append(f"{self.key}: {warning}")
        if warning := findings.background_count(self.images, self.key):
            self.dataset_warnings.append(warning)

    def _look_at_pair(self, pair: SourcePair, tests: set[str]) -> list[tuple[Image, Image]]:
        lows = self._look_at_file(pair, "low", tests)
        highs = self._look_at_file(pair, "high", tests)
        both = []
        # There are fewer of one only if that is a problem already
        for (low, low_array), (high, high_array) in zip(lows, highs, strict=False):
            if low_array.shape == high_array.shape and low.is_usable and high.is_usable:
                self._compare(low, high, alignment(low_array, high_array))
            both.append((low, high))
        return both

    def _compare(self, low: Image, high: Image, aligned: Alignment) -> None:
        low.alignment = aligned
        limit = self.limits.largest_shift
        low.warnings += findings.misalignment(low, high, limit, self.key)
        if warning := findings.background_only(high):
            high.warnings.append(warning)

    def _look_at_file(
        self, pair: SourcePair, side: str, tests: set[str]
    ) -> list[tuple[Image, np.ndarray]]:
        """The images of a file, after a look at each by itself, and their arrays; none if the file
        cannot be read.
        """
        source = pair.low if side == "low" else pair.high
        arrays: list[np.ndarray] = []
        size, checksum = 0, ""
        with self.problems.noted(source.path):
            size = sum(file.stat().st_size for file in files_of_image(source.path))
            checksum = sha256_of_image(source.path)
            arrays = list(source.images(self.scratch))
        looked = []
        for name, frame, array in zip(pair.names, source.frames, arrays, strict=False):
            part = "test" if name in tests else "train"
            image = Image(name, part, side, source.path, source.axes, frame, size, checksum)
            self._look_at(image, array)
            looked.append((image, array))
        return looked

    def _look_at(self, image: Image, array: np.ndarray) -> None:
        self.images.append(image)
        if array.size == 0:
            self.problems.add(image.name, f"has no voxels, shape {array.shape}; export it again.")
            return
        too_small = findings.smaller_than_patch(array.shape, self.limits.patch)
        if too_small and image.part == "train":
            self.problems.add(image.name, too_small)
        image.seen = inspect(array, self.limits.ranks)
        if problem := findings.error_in_values(image, image.seen, self.limits.ranks):
            self.problems.add(image.name, problem)
        elif warning := findings.saturation(image, image.seen):
            image.warnings.append(warning)

    def _look_for_duplicates(self) -> None:
        by_pixels = defaultdict(list)
        for image in self.images:
            if image.seen and image.is_usable:
                by_pixels[image.seen.pixels].append(image)
        for alike in by_pixels.values():
            if alike[1:]:
                names = " and ".join(image.name for image in alike)
                self.problems.add(names, findings.duplicates(alike))

    def report(self, listing: Path) -> None:
        """Print the warnings, all of which `listing` holds, and raise one error for all problems.

        Raises
        ------
        ValueError
            See `Problems.raise_all`.
        """
        for warning in self.warnings[:MOST_ON_CONSOLE]:
            progress.warning("%s", warning)
        if len(self.warnings) > MOST_ON_CONSOLE:
            more = len(self.warnings) - MOST_ON_CONSOLE
            progress.warning("%s: %d warnings more, all in %s", self.key, more, listing)
        self.problems.raise_all()

    def table(self) -> pd.DataFrame:
        """One row per image; numbers have six digits."""
        return pd.DataFrame([_row(image) for image in self.images], columns=list(COLUMNS))


def _row(image: Image) -> dict[str, str]:
    values = vars(image) | {"file": image.path}
    values["frame"] = "" if image.frame is None else image.frame
    values["warnings"] = " ".join(image.warnings)
    values["background_only"] = "yes" if image.is_background else ""
    if image.seen:
        values |= vars(image.seen) | {"shape": "x".join(map(str, image.seen.shape))}
    if image.alignment:
        names = (f"shift_{axis.lower()}" for axis in image.axes)
        values |= vars(image.alignment) | dict(zip(names, image.alignment.shift, strict=True))
    return {name: _text(values.get(name, "")) for name in COLUMNS}


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6g}"
    return str(value)
