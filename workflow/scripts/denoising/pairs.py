"""A microscopist's own image pairs, brought into volumes."""

import hashlib
import json
from pathlib import Path

import numpy as np

from denoising.volumes import (
    TRUTH,
    check_volume,
    listing_row,
    open_volume,
    volume_header,
    write_listing,
    write_volume,
)


def held_out(names: list[str], fraction: float, seed: int) -> set[str]:
    """Whole images kept for testing: at least one, `fraction` of them, drawn with `seed`."""
    if len(names) < 2:
        raise ValueError(
            f"pairs: {len(names)} pair found ({', '.join(names)}), expected two or more: one to train on, one to test."
        )
    count = min(len(names) - 1, max(1, round(fraction * len(names))))
    return set(np.random.default_rng([seed, 3]).permutation(sorted(names))[:count].tolist())


def bring_in(
    pairs: list[tuple[str, Path, Path]], axes: str, condition: str, fraction: float, seed: int, folder: Path
) -> None:
    """Write a folder of volumes from image pairs; `fraction` of them test, the others train.

    Parameters
    ----------
    pairs : list of (name, low file, high file)
    axes : {"YX", "ZYX"}
    condition : str
        What the low-SNR images are called in the scores.
    fraction, seed : see `held_out`
    folder : Path

    Raises
    ------
    ValueError
        Naming the file: unreadable, other axes, not finite, or of another shape than its partner.
    """
    tests = held_out([name for name, _, _ in pairs], fraction, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, low, high in pairs:
        part = "test" if name in tests else "train"
        images = {condition: low, TRUTH: high}
        shapes = {}
        for label, path in images.items():
            image = open_volume(path, axes, scratch=folder)
            check_volume(image, str(path))
            shapes[path] = image.shape
            rows.append(listing_row(part, name, label, image, axes))
            write_volume(folder / rows[-1]["path"], image, axes, volume_header(path).voxel_size)
        if len(set(shapes.values())) > 1:
            listed = " and ".join(f"{path} {shape}" for path, shape in shapes.items())
            raise ValueError(f"{listed}: a pair must have one shape; crop or register them first.")
    write_listing(folder, rows)


def record_pairs(pairs: list[tuple[str, Path, Path]], record: Path) -> None:
    """Write what the pairs are, as JSON: files, sizes and checksums.

    The checksum of an OME-Zarr group is that of the list of its files, `checksum  name` a line, sorted by name, as
    `sha256sum` writes it.
    """
    entries = {str(path): _recorded(path) for pair in pairs for path in pair[1:]}
    record.write_text(json.dumps({"source": "image pairs", "files": entries}, indent=2) + "\n")


def _recorded(path: Path) -> dict:
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    files = sorted((str(file.relative_to(path)), file) for file in path.rglob("*") if file.is_file())
    listed = "".join(f"{_sha256(file)}  {name}\n" for name, file in files)
    return {
        "bytes": sum(file.stat().st_size for _, file in files),
        "sha256": hashlib.sha256(listed.encode()).hexdigest(),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
