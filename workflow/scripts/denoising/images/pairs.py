"""A microscopist's own image pairs: the images in them, which of them test, and their import."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from denoising.images.problems import Problems
from denoising.images.sources import Selection, Source, find_source
from denoising.images.volumes import listing_row, write_listing, write_volume
from denoising.running.outputs import write_json
from denoising.running.random_streams import random_stream
from denoising.study.names import TRUTH

FilePairs = Sequence[tuple[str, Path, Path]]  # name, low file, high file


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


def find_pairs(pairs: FilePairs, selection: Selection, problems: Problems) -> list[SourcePair]:
    """The images of each pair, by the files' headers.

    What is wrong with files is added to `problems`. A pair is left out if one of its files cannot
    be used.
    """
    found = []
    for name, *paths in pairs:
        sources = []
        for path in paths:
            with problems.noted(path):
                sources.append(find_source(path, selection))
        if len(sources) == 2:
            pair = SourcePair(name, *sources)
            _check_alike(pair, problems)
            found.append(pair)
    return found


def _check_alike(pair: SourcePair, problems: Problems) -> None:
    low = pair.low
    high = pair.high
    if low.shape != high.shape:
        problems.add(
            f"{low.path} {low.shape} and {high.path} {high.shape}",
            "a pair must have one shape; crop or rescale one of the two, or move the pair out of"
            " the folder.",
        )
    if low.frames != high.frames:
        problems.add(
            f"{low.path} ({len(low.frames)} frames) and {high.path} ({len(high.frames)})",
            "a pair must have the same frames; list those of both in pairs.frames.",
        )


def held_out(names: Sequence[str], fraction: float, seed: int) -> set[str]:
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


def held_out_images(
    files: Sequence[str], pairs: Sequence[SourcePair], fraction: float, seed: int
) -> set[str]:
    """Names of the images that test.

    Neighbouring frames are alike, so that those of a file stay together, unless there is one pair
    of files alone: its last frames test.

    Parameters
    ----------
    files : sequence of str
        Names of all pairs of files.
    pairs : sequence of SourcePair
        Those of them that can be read.
    fraction, seed : see `held_out`
    """
    names = [name for pair in pairs for name in pair.names]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"pairs: {', '.join(twice)} names several images; rename the files.")
    if len(files) == 1 and not pairs:
        return set()
    if len(files) == 1 and len(names) > 1:
        return set(names[-_count(len(names), fraction) :])
    tests = held_out(files, fraction, seed)
    return {name for pair in pairs if pair.name in tests for name in pair.names}


def import_pairs(
    pairs: FilePairs,
    selection: Selection,
    condition: str,
    fraction: float,
    seed: int,
    folder: Path,
) -> None:
    """Write a folder of volumes from image pairs; `fraction` of them test, the others train.

    The values of the images are those of the check (`denoising.images.checks`) and not looked at
    again.

    Parameters
    ----------
    pairs : sequence of (name, low file, high file)
    selection : Selection
        Which images the files hold. A frame is an image of its own, called NAME-t0000.
    condition : str
        Name of the low-SNR images in the scores.
    fraction, seed : see `held_out_images`
    folder : Path
        Named for the dataset.

    Raises
    ------
    ValueError
        Naming all files that cannot be used: unreadable, of other axes, or of another shape than
        their partners, which they are only if they changed after the check.
    """
    problems = Problems(folder.name)
    sources = find_pairs(pairs, selection, problems)
    problems.raise_all()
    tests = held_out_images([name for name, _, _ in pairs], sources, fraction, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for pair in sources:
        for label, source in {condition: pair.low, TRUTH: pair.high}.items():
            with problems.noted(source.path):
                images = source.images(scratch=folder)
                for name, image in zip(pair.names, images, strict=True):
                    part = "test" if name in tests else "train"
                    row = listing_row(part, name, label, image, source.axes)
                    write_volume(folder / row["path"], image, source.axes, source.voxel_size)
                    rows.append(row)
    problems.raise_all()
    write_listing(folder, rows)


def record_pairs(table: pd.DataFrame, record: Path) -> None:
    """Write what the pairs are, as JSON: files, sizes and checksums (see `sha256_of_image`), from
    the table of their check; and which low-SNR images test.
    """
    columns = zip(table["file"], table["bytes"].astype(int), table["sha256"], strict=True)
    entries = {file: {"bytes": size, "sha256": checksum} for file, size, checksum in columns}
    tests = table[(table["part"] == "test") & (table["side"] == "low")]
    names = [
        f"{file} (frame {frame})" if frame else file
        for file, frame in zip(tests["file"], tests["frame"], strict=True)
    ]
    entry = {"source": "image pairs", "files": entries, "held_out": names}
    write_json(record, entry)


def held_out_files(records: Iterable[str]) -> dict[str, list[str]]:
    """The low-SNR images that test, by the name of the dataset, from records of `record_pairs`."""
    return {Path(path).stem: json.loads(Path(path).read_text())["held_out"] for path in records}


def changed_since_import(table: pd.DataFrame, record: Path) -> list[str]:
    """Files of the check's table that hold something else than `record_pairs` recorded; none if
    nothing was imported.
    """
    if not record.is_file():
        return []
    recorded = json.loads(record.read_text())["files"]
    checksums = dict(zip(table["file"], table["sha256"], strict=True))
    return [
        file
        for file, checksum in checksums.items()
        if file in recorded and recorded[file]["sha256"] != checksum
    ]
