"""Disk space that a study takes at its peak: told before it starts, from the config and from published sizes."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from denoising.images.matching import match_pairs

GB = 1e9
STORED_BYTES = {"float32": 4, "float16": 2, "input": 2}  # inputs are of 16 bits


@dataclass(frozen=True)
class Sizes:
    """Bytes of a dataset on disk, and of its low-SNR test images in all conditions their voxels and how many they are;
    None where not known."""

    archives: float | None = None
    volumes: float | None = None
    patches: float | None = None
    tested_voxels: float | None = None
    tested_images: int | None = None


def disk_use(
    study: dict, published: Path, cores: int, devices: float = 1
) -> dict[str, dict[str, float | None]]:
    """Bytes of archives, volumes, patches, restorations and scratch files, by dataset; None where nothing tells them.

    Compressed files are counted uncompressed: noise hardly compresses.

    Parameters
    ----------
    study : dict
        A resolved study.
    published : Path
        resources/published_volumes.csv.
    cores : int
        On which jobs run.
    devices : float
        Networks that restore at a time; infinity for as many as there are.
    """
    with published.open(newline="") as file:
        known = {row["organism"]: row for row in csv.DictReader(file)}
    sizes = {name: _sizes(dataset, known) for name, dataset in study["datasets"].items()}
    parts = ("archives", "volumes", "patches")
    use = {part: {name: getattr(each, part) for name, each in sizes.items()} for part in parts}
    use["restorations"] = {
        name: _restorations(study, name, each, devices) for name, each in sizes.items()
    }
    return use | {
        "scratch": {name: _scratch(study, name, each, cores) for name, each in sizes.items()}
    }


def said(use: dict, free: float) -> str:
    """One line for the console; `free` in bytes."""
    sums = {part: sum(size or 0 for size in sizes.values()) / GB for part, sizes in use.items()}
    unknown = [
        f"{part} of {name}"
        for part, sizes in use.items()
        for name, size in sizes.items()
        if size is None
    ]
    rest = f", and what is unknown: {', '.join(unknown)}" if unknown else ""
    parts = ", ".join(f"{part} {size:.3g}" for part, size in sums.items())
    return f"Disk use at the peak: about {sum(sums.values()):.3g} GB ({parts}){rest}. {free / GB:.0f} GB are free here."


def _sizes(dataset: dict, known: dict) -> Sizes:
    if "simulate" in dataset:
        return _simulated(dataset)
    if "pairs" in dataset:
        return _paired(dataset)
    path = dataset["archive"]["path"]
    local = Path(path).stat().st_size if path and Path(path).exists() else None
    row = known.get(dataset["published"])
    return _published(dataset, row, local) if row else Sizes(archives=local)


def _simulated(dataset: dict) -> Sizes:
    made, low = dataset["simulate"], len(dataset["conditions"])
    voxels = math.prod(made["shape"])
    # Archives of stacks bring no volumes to train on
    volumes = made["test_volumes"] + (
        made["train_volumes"] if dataset["layout"] == "folders" else 0
    )
    unpacked = volumes * (low + 1) * voxels * 2 + made["patches"] * _pair_bytes(dataset)
    cut = made["train_volumes"] * low * dataset["patches"]["per_volume"]
    count = made["patches"] if dataset["patches"]["source"] == "npz" else cut
    tested = low * made["test_volumes"]
    return Sizes(unpacked, unpacked, count * _pair_bytes(dataset), tested * voxels, tested)


def _paired(dataset: dict) -> Sizes:
    try:  # here, as it loads much, and every job reads this module
        from denoising.images.volumes import volume_header
    except ImportError:  # where Snakemake is alone, and each rule in an environment of its own
        return Sizes(archives=0)

    wanted = dataset["pairs"]
    try:
        found = match_pairs(wanted["low"], wanted["high"])
        images = [(volume_header(low), volume_header(high)) for _, low, high in found]
    except (ValueError, OSError):  # which the rule that brings them in says better
        return Sizes(archives=0)
    volumes = sum(
        math.prod(header.shape) * header.dtype.itemsize for pair in images for header in pair
    )
    voxels = sum(math.prod(low.shape) for low, _ in images)
    tests = max(1, round(wanted["test_fraction"] * len(images)))
    patches = len(images) * dataset["patches"]["per_volume"] * _pair_bytes(dataset)
    return Sizes(0, volumes, patches, voxels / len(images) * tests, tests)


def _published(dataset: dict, row: dict, local: int | None) -> Sizes:
    low, patches = len(dataset["conditions"]), int(row["patches"]) * _pair_bytes(dataset)
    voxels = math.prod(int(row[key]) for key in ("test_volumes", "planes", "rows", "columns"))
    archive = local or (float(row["archive_bytes"]) if row["archive_bytes"] else None)
    # What is unpacked holds the patches too
    return Sizes(
        archive,
        (low + 1) * voxels * 2 + patches,
        patches,
        low * voxels,
        low * int(row["test_volumes"]),
    )


def _pair_bytes(dataset: dict) -> int:
    """Of one patch of X and one of Y, float32."""
    return math.prod(dataset["patches"]["shape"]) * 2 * 4


def _restorations(study: dict, name: str, sizes: Sizes, devices: float) -> float | None:
    """All of them where they are kept; else those of a model, of those with the most runs, on each device, of one that
    is scored, and of the example, which waits for its baseline; and the slabs of one run's, where several jobs share
    it."""
    models = _tested(study, name)
    if sizes.tested_voxels is None or not models:
        return 0.0 if not models else None
    each = sizes.tested_voxels * STORED_BYTES[study["restoration"]["dtype"]]
    of_models, slabs = [], 0
    for model in models:
        runs = len(study["models"][model]["seeds"])
        of_models.append(each * (runs * _files(study, model) + (runs > 1)))
        if study["restoration"]["jobs"] > 1:
            slabs = max(slabs, 4 * sizes.tested_voxels * _files(study, model))
    dataset = study["datasets"][name]
    # The clean stacks of the set whose roles the 2019 study swapped, restored by a run of one model, without scales
    truth = each / len(dataset["conditions"]) if dataset["published"] == "tribolium" else 0.0
    beside = each * len(study["baselines"]) + truth + slabs
    if study["restoration"]["keep"]:
        return beside + sum(of_models)
    return beside + min(sum(of_models), (devices + 2) * max(of_models))


def _scratch(study: dict, name: str, sizes: Sizes, cores: int) -> float | None:
    """What is mapped, float32, until it is written: an image for each thread of baselines, or runs and their mean."""
    models = _tested(study, name)
    if sizes.tested_voxels is None or not models:
        return 0.0 if not models else None
    images = max(cores, *(1 + len(study["models"][model]["seeds"]) for model in models))
    return 4 * images * sizes.tested_voxels / sizes.tested_images


def _tested(study: dict, name: str) -> list[str]:
    return [model for model, tests in study["tests"].items() if name in tests]


def _files(study: dict, model: str) -> int:
    """Of each image: probabilistic networks write their scale beside the mean."""
    return 2 if study["models"][model]["loss"] == "laplace" else 1
