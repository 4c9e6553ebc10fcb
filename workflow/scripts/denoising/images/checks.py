"""A user's image pairs, looked at before anything is made from them.

All problems are gathered, so that one look names every file. The table of a dataset has one row per
image with the columns `COLUMNS`: those of `Inspection`, and in the row of a low-SNR image how it
lies against its partner (`Alignment`): shift_z, shift_y and shift_x in voxels, drift, fading.
"""

import logging
from collections import defaultdict
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.images import findings
from denoising.images.content import content_of
from denoising.images.findings import Image
from denoising.images.inspection import inspect
from denoising.images.registration import alignment
from denoising.images.volumes import open_volume

progress = logging.getLogger("progress")  # printed on the console too

COLUMNS = (
    "pair", "part", "side", "file", "bytes", "sha256", "axes", "shape", "dtype", "not_finite",
    "lowest", "p3", "p50", "p99_5", "p99_8", "highest", "saturated", "noise", "along_z", "shift_z",
    "shift_y", "shift_x", "drift", "fading", "pixels", "warnings",
)  # fmt: skip
MOST_ON_CONSOLE = 10


class Check:
    """The check of a dataset: its images, errors, and warnings on the dataset as a whole.

    Parameters
    ----------
    dataset : str
    axes : {"YX", "ZYX"}
    largest_shift : float
        In voxels along any axis.
    scratch : Path
        Folder for what must be decoded, see `open_volume`.
    """

    def __init__(self, dataset: str, axes: str, largest_shift: float, scratch: Path):
        self.key = f"datasets.{dataset}.pairs"
        self.axes = axes
        self.largest_shift = largest_shift
        self.scratch = scratch
        self.images: list[Image] = []
        self.errors: list[str] = []
        self.dataset_warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """Of the dataset, and of its images in their order."""
        return self.dataset_warnings + [text for image in self.images for text in image.warnings]

    def look(self, pairs: list[tuple[str, Path, Path]], tests: set[str]) -> None:
        """Look at all pairs (name, low file, high file); those named in `tests` test."""
        both = []
        for name, *paths in pairs:
            part = "test" if name in tests else "train"
            low, high = (
                Image(name, part, side, path)
                for side, path in zip(("low", "high"), paths, strict=True)
            )
            self.images += [low, high]
            both.append((low, high))
            self._look_at_pair(low, high)
        self._look_for_duplicates()
        if warning := findings.swapped(both, self.key):
            self.dataset_warnings.append(f"{self.key}: {warning}")

    def _look_at_pair(self, low: Image, high: Image) -> None:
        low_array = self._look_at(low)
        high_array = self._look_at(high)
        if low_array is None or high_array is None:
            return
        if problem := findings.error_in_shapes(low, high):
            self.errors.append(problem)
            return
        if not (low.is_usable and high.is_usable):
            return
        low.alignment = alignment(low_array, high_array)
        low.warnings += findings.misalignment(low, high, self.axes, self.largest_shift, self.key)
        if warning := findings.background_only(high):
            high.warnings.append(warning)

    def _look_at(self, image: Image) -> np.ndarray | None:
        """The image's array, after a look at it by itself; None if it cannot be read."""
        try:
            array = open_volume(image.path, self.axes, self.scratch)
            image.content = content_of(image.path)
        except ValueError as error:
            self.errors.append(str(error))
            return None
        except OSError as error:
            reason = error.strerror or error
            self.errors.append(
                f"{image.path}: cannot be read ({reason}); see that it is there, and yours to read."
            )
            return None
        if array.size == 0 or array.dtype.kind not in "uif":
            self.errors.append(
                f"{image.path}: holds {array.dtype} of shape {array.shape}, expected whole or"
                " floating point numbers; export it again."
            )
            return None
        image.seen = inspect(array)
        if problem := findings.error_in_values(image, image.seen):
            self.errors.append(problem)
        elif warning := findings.saturation(image, image.seen):
            image.warnings.append(warning)
        return array

    def _look_for_duplicates(self) -> None:
        by_pixels = defaultdict(list)
        for image in self.images:
            if image.seen and image.is_usable:
                by_pixels[image.seen.pixels].append(image)
        self.errors += [findings.duplicates(alike) for alike in by_pixels.values() if alike[1:]]

    def report(self, listing: Path) -> None:
        """Print the warnings, all of which `listing` holds, and raise one error for all errors.

        Raises
        ------
        ValueError
            With one sentence per problem.
        """
        for warning in self.warnings[:MOST_ON_CONSOLE]:
            progress.warning("%s", warning)
        if len(self.warnings) > MOST_ON_CONSOLE:
            more = len(self.warnings) - MOST_ON_CONSOLE
            progress.warning("%s: %d warnings more, all in %s", self.key, more, listing)
        if self.errors:
            count = len(self.errors)
            problems = "1 problem" if count == 1 else f"{count} problems"
            lines = "\n  ".join(self.errors)
            raise ValueError(f"{self.key}: {problems} in the images, none imported.\n  {lines}")

    def table(self) -> pd.DataFrame:
        """One row per image; numbers have six digits."""
        rows = [_row(image, self.axes) for image in self.images]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(image: Image, axes: str) -> dict[str, str]:
    values = vars(image) | {"file": image.path, "axes": axes}
    values["warnings"] = " ".join(image.warnings)
    if image.content:
        values |= vars(image.content)
    if image.seen:
        values |= vars(image.seen) | {"shape": "x".join(map(str, image.seen.shape))}
    if image.alignment:
        names = (f"shift_{axis.lower()}" for axis in axes)
        values |= vars(image.alignment) | dict(zip(names, image.alignment.shift, strict=True))
    return {name: _text(values.get(name, "")) for name in COLUMNS}


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.6g}"
    return str(value)
