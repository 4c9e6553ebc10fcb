"""Import of a microscopist's own image pairs into a folder of volumes."""

import json
import logging
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np

from denoising.images.appearance import unevenness
from denoising.images.percentiles import percentiles
from denoising.images.problems import Problems, grouped
from denoising.images.slabs import slabs
from denoising.images.sources import Selection, Source, find_source
from denoising.images.volumes import (
    INPUT_PERCENTILES,
    check_volume,
    listing_row,
    write_listing,
    write_volume,
)
from denoising.running.checksums import sha256_of_image
from denoising.running.random_streams import random_stream
from denoising.study.names import TRUTH

progress = logging.getLogger("progress")  # printed on the console too

# A low-SNR image has two to five times the noise of its ground truth. It has less than this share
# only if the two are swapped: even images that were binned by 2 and enlarged again have at least
# 0.84, on real and on simulated pairs.
LEAST_NOISE = 0.75


def held_out(names: list[str], fraction: float, seed: int) -> set[str]:
    """Whole images kept for testing: at least one, `fraction` of them, drawn with `seed`."""
    if len(names) < 2:
        raise ValueError(
            f"pairs: {len(names)} pair found ({', '.join(names)}), expected two or more: one to"
            " train on, one to test."
        )
    order = random_stream(seed, "held-out images").permutation(sorted(names))
    return set(order[: _count(len(names), fraction)].tolist())


def _count(images: int, fraction: float) -> int:
    return min(images - 1, max(1, round(fraction * images)))


@dataclass(frozen=True)
class SourcePair:
    """A low-SNR file and its partner, which have as many images as each other."""

    name: str
    low: Source
    high: Source

    @property
    def names(self) -> list[str]:
        """Names of the images: the pair's own, or that of each frame."""
        numbers = self.low.frames
        return [self.name if n is None else f"{self.name}-t{n:04d}" for n in numbers]


def import_pairs(
    pairs: list[tuple[str, Path, Path]],
    selection: Selection,
    condition: str,
    fraction: float,
    seed: int,
    folder: Path,
) -> None:
    """Write a folder of volumes from image pairs; `fraction` of them test, the others train.

    A warning says that pairs seem swapped, if most low-SNR images are less noisy than their
    partners.

    Parameters
    ----------
    pairs : list of (name, low file, high file)
    selection : Selection
        Which images the files hold. A frame is an image of its own, called NAME-t0000.
    condition : str
        Name of the low-SNR images in the scores.
    fraction, seed : see `held_out`
        Frames of a file test or train together, unless there is one pair of files alone.
    folder : Path
        Named for the dataset.

    Raises
    ------
    ValueError
        Naming all files that cannot be used: unreadable, other axes, not finite, or of another
        shape than their partners. All headers are read before anything is written.
    """
    problems = Problems(folder.name)
    sources = find_pairs(pairs, selection, problems)
    problems.raise_all()
    tests = _test_images(sources, fraction, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    swapped = []
    for pair in sources:
        noises: dict[str, list[float]] = {condition: [], TRUTH: []}
        for label, source in {condition: pair.low, TRUTH: pair.high}.items():
            with problems.noted(source.path):
                images = source.images(scratch=folder)
                for name, image in zip(pair.names, images, strict=True):
                    check_volume(image, str(source.path))
                    noises[label].append(noise(image))
                    part = "test" if name in tests else "train"
                    row = listing_row(part, name, label, image, source.axes)
                    write_volume(folder / row["path"], image, source.axes, source.voxel_size)
                    rows.append(row)
        both = zip(pair.names, noises[condition], noises[TRUTH], strict=False)
        swapped += [name for name, low, high in both if low < LEAST_NOISE * high]
    problems.raise_all()
    write_listing(folder, rows)
    images_in_all = sum(len(pair.names) for pair in sources)
    if len(swapped) > images_in_all / 2:
        progress.warning(
            "%s: in %d of %d pairs the low-SNR image is less noisy than its ground truth: see"
            " whether datasets.%s.pairs.low and high are swapped",
            folder.name, len(swapped), images_in_all, folder.name,
        )  # fmt: skip


def find_pairs(
    pairs: list[tuple[str, Path, Path]], selection: Selection, problems: Problems
) -> list[SourcePair]:
    """The images of each pair, by the files' headers.

    What is wrong with files is added to `problems`. What is not clear is a warning.
    """
    found = []
    doubts: list[tuple[str, str]] = []
    for name, *paths in pairs:
        sources = []
        for path in paths:
            with problems.noted(path):
                source = find_source(path, selection)
                sources.append(source)
                doubts += [(str(path), doubt) for doubt in source.doubts]
        if len(sources) == 2:
            pair = SourcePair(name, *sources)
            _check_alike(pair, problems)
            found.append(pair)
    for line in grouped(doubts):
        progress.warning("datasets.%s: %s", problems.dataset, line)
    return found


def _check_alike(pair: SourcePair, problems: Problems) -> None:
    low = pair.low
    high = pair.high
    if low.shape != high.shape:
        problems.add(
            f"{low.path} {low.shape} and {high.path} {high.shape}",
            "a pair must have one shape; crop or register them first.",
        )
    if low.frames != high.frames:
        problems.add(
            f"{low.path} ({len(low.frames)} frames) and {high.path} ({len(high.frames)})",
            "a pair must have the same frames; list those of both in pairs.frames.",
        )


def _test_images(sources: list[SourcePair], fraction: float, seed: int) -> set[str]:
    """Names of the images that test: neighbouring frames are alike, so a file's stay together."""
    names = [name for pair in sources for name in pair.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"pairs: {', '.join(twice)} names several images; rename the files.")
    if len(sources) == 1 and len(names) > 1:
        return set(names[-_count(len(names), fraction) :])
    files = held_out([pair.name for pair in sources], fraction, seed)
    return {name for pair in sources if pair.name in files for name in pair.names}


def noise(image: np.ndarray) -> float:
    """How noisy an image is, whatever its gain and offset.

    Parameters
    ----------
    image : ndarray, (Y, X) or (Z, Y, X)
        A memory map is read slab by slab.

    Returns
    -------
    float
        Standard deviation of the white noise that would make voxels differ as these do, as a
        fraction of the range between `INPUT_PERCENTILES`: the median over lines along X, as edges
        and hot pixels are in few. nan for an image without a range, or smaller than 3 voxels.
    """
    low, high = percentiles(image, INPUT_PERCENTILES)
    if not high > low or min(image.shape[-2:]) < 3:
        return nan
    lines = np.concatenate([unevenness(image[slab]) for slab in slabs(image.shape, 8)])
    return float(np.median(lines)) / (high - low)


def record_pairs(pairs: list[tuple[str, Path, Path]], record: Path) -> None:
    """Write what the pairs are, as JSON: files, sizes and checksums.

    The checksum of an OME-Zarr group is that of the list of its files, one line `checksum  name`
    per file, sorted by name, as `sha256sum` writes it.
    """
    entries = {str(path): _recorded(path) for pair in pairs for path in pair[1:]}
    record.write_text(json.dumps({"source": "image pairs", "files": entries}, indent=2) + "\n")


def _recorded(path: Path) -> dict:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"bytes": sum(file.stat().st_size for file in files), "sha256": sha256_of_image(path)}
