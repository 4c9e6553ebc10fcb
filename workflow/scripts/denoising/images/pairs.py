"""Import of a microscopist's own image pairs into a folder of volumes."""

import json
from pathlib import Path

import pandas as pd

from denoising.images.volumes import (
    listing_row,
    open_volume,
    volume_header,
    write_listing,
    write_volume,
)
from denoising.running.random_streams import random_stream
from denoising.study.names import TRUTH


def held_out(names: list[str], fraction: float, seed: int) -> set[str]:
    """Whole images kept for testing: at least one, `fraction` of them, drawn with `seed`."""
    if len(names) < 2:
        raise ValueError(
            f"pairs: {len(names)} pair found ({', '.join(names)}), expected two or more: one to"
            " train on, one to test."
        )
    count = min(len(names) - 1, max(1, round(fraction * len(names))))
    return set(random_stream(seed, "held-out images").permutation(sorted(names))[:count].tolist())


def import_pairs(
    pairs: list[tuple[str, Path, Path]],
    axes: str,
    condition: str,
    fraction: float,
    seed: int,
    folder: Path,
) -> None:
    """Write a folder of volumes from image pairs; `fraction` of them test, the others train.

    The images have been checked, see `checks`.

    Parameters
    ----------
    pairs : list of (name, low file, high file)
    axes : {"YX", "ZYX"}
    condition : str
        Name of the low-SNR images in the scores.
    fraction, seed : see `held_out`
    folder : Path
        Named for the dataset.

    Raises
    ------
    ValueError
        Naming the file: unreadable, or other axes.
    """
    tests = held_out([name for name, _, _ in pairs], fraction, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, low, high in pairs:
        part = "test" if name in tests else "train"
        for label, path in {condition: low, TRUTH: high}.items():
            image = open_volume(path, axes, scratch=folder)
            row = listing_row(part, name, label, image, axes)
            write_volume(folder / row["path"], image, axes, volume_header(path).voxel_size)
            rows.append(row)
    write_listing(folder, rows)


def record_pairs(table: pd.DataFrame, record: Path) -> None:
    """Write what the pairs are, as JSON: files, sizes and checksums, from the table of their
    check; see `content` for the checksum of a group.
    """
    columns = zip(table["file"], table["bytes"].astype(int), table["sha256"], strict=True)
    entries = {file: {"bytes": size, "sha256": checksum} for file, size, checksum in columns}
    record.write_text(json.dumps({"source": "image pairs", "files": entries}, indent=2) + "\n")


def changed_since_import(table: pd.DataFrame, record: Path) -> list[str]:
    """Files of the check's table that hold something else than `record_pairs` recorded; none if
    nothing was imported.
    """
    if not record.is_file():
        return []
    recorded = json.loads(record.read_text())["files"]
    return [
        file
        for file, checksum in zip(table["file"], table["sha256"], strict=True)
        if file in recorded and recorded[file]["sha256"] != checksum
    ]
