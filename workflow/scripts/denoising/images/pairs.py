"""Import of a microscopist's own image pairs into a folder of volumes."""

import json
import logging
from math import nan
from pathlib import Path

import numpy as np

from denoising.images.appearance import unevenness
from denoising.images.percentiles import percentiles
from denoising.images.slabs import slabs
from denoising.images.volumes import (
    INPUT_PERCENTILES,
    check_volume,
    listing_row,
    open_volume,
    volume_header,
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

    A warning says that pairs seem swapped, if most low-SNR images are less noisy than their
    partners.

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
        Naming the file: unreadable, other axes, not finite, or of another shape than its partner.
    """
    tests = held_out([name for name, _, _ in pairs], fraction, seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    swapped = []
    for name, low, high in pairs:
        part = "test" if name in tests else "train"
        shapes = {}
        noises = {}
        for label, path in {condition: low, TRUTH: high}.items():
            image = open_volume(path, axes, scratch=folder)
            check_volume(image, str(path))
            shapes[path] = image.shape
            noises[label] = noise(image)
            row = listing_row(part, name, label, image, axes)
            write_volume(folder / row["path"], image, axes, volume_header(path).voxel_size)
            rows.append(row)
        _check_shapes(shapes)
        if noises[condition] < LEAST_NOISE * noises[TRUTH]:
            swapped.append(name)
    write_listing(folder, rows)
    if len(swapped) > len(pairs) / 2:
        progress.warning(
            "%s: in %d of %d pairs the low-SNR image is less noisy than its ground truth: see"
            " whether datasets.%s.pairs.low and high are swapped",
            folder.name, len(swapped), len(pairs), folder.name,
        )  # fmt: skip


def _check_shapes(shapes: dict[Path, tuple[int, ...]]) -> None:
    if len(set(shapes.values())) > 1:
        listed = " and ".join(f"{path} {shape}" for path, shape in shapes.items())
        raise ValueError(f"{listed}: a pair must have one shape; crop or register them first.")


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
