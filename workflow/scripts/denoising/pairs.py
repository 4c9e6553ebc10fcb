"""A microscopist's own image pairs: matching low-SNR files to high-SNR files, and bringing them into volumes."""

import glob
import hashlib
import json
import os
import re
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


def match_pairs(low: str, high: str) -> list[tuple[str, Path, Path]]:
    """Pair the files of two glob patterns by what their wildcards match.

    `low` "raw/*_noisy.tif" and `high` "clean/*_gt.tif" pair raw/fish_noisy.tif with clean/fish_gt.tif under
    the name "fish".

    Returns
    -------
    list of (name, low file, high file), sorted by name

    Raises
    ------
    ValueError
        If a pattern matches nothing, or a file has no partner: all of them are named.
    """
    lows, highs = _by_wildcards(low), _by_wildcards(high)
    for key, pattern, files in (("low", low, lows), ("high", high, highs)):
        if not files:
            raise ValueError(
                f"pairs.{key}: {pattern} matches no file; correct the pattern (paths start at the working directory)."
            )
    if set(lows.values()) & set(highs.values()):
        raise ValueError(f"pairs: {low} and {high} match the same files, expected low-SNR and high-SNR images apart.")
    alone = sorted(set(lows) ^ set(highs))
    if alone:
        listed = ", ".join(f"{_name(key)} (only in {'low' if key in lows else 'high'})" for key in alone)
        raise ValueError(
            f"pairs: {low} and {high} do not pair up: {listed}; what * matches must be the same in both names."
        )
    names = [_name(key) for key in sorted(lows)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"pairs: several files of {low} would be called {', '.join(sorted(twice))}; rename them.")
    return [(_name(key), lows[key], highs[key]) for key in sorted(lows)]


def _name(key: tuple[str, ...]) -> str:
    """A volume's name: what the wildcards matched, joined."""
    return "-".join(key).replace("/", "-") or "image"


def _by_wildcards(pattern: str) -> dict[tuple[str, ...], Path]:
    pattern = os.path.normpath(pattern)
    regex = re.compile("".join("(.*)" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern)))
    names = sorted(glob.glob(pattern.replace("[", "[[]").replace("?", "[?]")))
    return {regex.fullmatch(name).groups(): Path(name) for name in names}


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
