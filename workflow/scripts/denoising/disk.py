"""Disk space that a study takes at its peak: told before it starts, from the config and from published sizes."""

import csv
import math
from dataclasses import dataclass
from glob import glob
from pathlib import Path

GB = 1e9
STORED_BYTES = {"float32": 4, "float16": 2, "input": 2}  # inputs are of 16 bits


@dataclass(frozen=True)
class Sizes:
    """Bytes of a dataset on disk, and voxels of its low-SNR test images in all conditions; None where not known."""

    archives: float | None = None
    volumes: float | None = None
    patches: float | None = None
    tested_voxels: float | None = None


def disk_use(study: dict, published: Path) -> dict[str, dict[str, float | None]]:
    """Bytes of archives, volumes, patches and restorations, each by dataset; None where nothing tells them.

    Compressed files are counted uncompressed: noise hardly compresses.

    Parameters
    ----------
    study : dict
        A resolved study.
    published : Path
        resources/published_volumes.csv.
    """
    with published.open(newline="") as file:
        known = {row["organism"]: row for row in csv.DictReader(file)}
    sizes = {name: _sizes(dataset, known) for name, dataset in study["datasets"].items()}
    parts = ("archives", "volumes", "patches")
    use = {part: {name: getattr(each, part) for name, each in sizes.items()} for part in parts}
    return use | {"restorations": {name: _restorations(study, name, each) for name, each in sizes.items()}}


def said(use: dict, free: float) -> str:
    """One line for the console; `free` in bytes."""
    sums = {part: sum(size or 0 for size in sizes.values()) / GB for part, sizes in use.items()}
    unknown = [f"{part} of {name}" for part, sizes in use.items() for name, size in sizes.items() if size is None]
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
    volumes = made["test_volumes"] + (made["train_volumes"] if dataset["layout"] == "folders" else 0)
    unpacked = volumes * (low + 1) * voxels * 2 + made["patches"] * _pair_bytes(dataset)
    cut = made["train_volumes"] * low * dataset["patches"]["per_volume"]
    count = made["patches"] if dataset["patches"]["source"] == "npz" else cut
    return Sizes(unpacked, unpacked, count * _pair_bytes(dataset), low * made["test_volumes"] * voxels)


def _paired(dataset: dict) -> Sizes:
    pairs = dataset["pairs"]
    low, high = (sum(Path(path).stat().st_size for path in glob(pairs[side])) for side in ("low", "high"))
    patches = len(glob(pairs["low"])) * dataset["patches"]["per_volume"] * _pair_bytes(dataset)
    return Sizes(0, low + high, patches, low / 2 * pairs["test_fraction"])


def _published(dataset: dict, row: dict, local: int | None) -> Sizes:
    low, patches = len(dataset["conditions"]), int(row["patches"]) * _pair_bytes(dataset)
    voxels = math.prod(int(row[key]) for key in ("test_volumes", "planes", "rows", "columns"))
    archive = local or (float(row["archive_bytes"]) if row["archive_bytes"] else None)
    # What is unpacked holds the patches too
    return Sizes(archive, (low + 1) * voxels * 2 + patches, patches, low * voxels)


def _pair_bytes(dataset: dict) -> int:
    """Of one patch of X and one of Y, float32."""
    return math.prod(dataset["patches"]["shape"]) * 2 * 4


def _restorations(study: dict, name: str, sizes: Sizes) -> float | None:
    """All of them where they are kept; else those of the model with the most runs, with what is made beside them; and
    the slabs of one run's, where several jobs share it."""
    models = [model for model, tests in study["tests"].items() if name in tests]
    if sizes.tested_voxels is None or not models:
        return 0.0 if not models else None
    each = sizes.tested_voxels * STORED_BYTES[study["restoration"]["dtype"]]
    of_models, slabs = [], 0
    for model in models:
        runs = len(study["models"][model]["seeds"])
        scales = 2 if study["models"][model]["loss"] == "laplace" else 1
        of_models.append(each * (runs * scales + (runs > 1)))
        if study["restoration"]["jobs"] > 1:
            slabs = max(slabs, 4 * sizes.tested_voxels * scales)
    baselines = 4 * sizes.tested_voxels * len(study.get("baselines", ["nlm"]))
    return baselines + slabs + (sum(of_models) if study["restoration"]["keep"] else 2 * max(of_models))
