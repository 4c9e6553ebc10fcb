"""Patches, their labels and their split, held against each other before they are used."""

import json
from pathlib import Path

import pandas as pd

PARTS = {"train", "validation"}
REMEDY = "the two are not of one run: delete {path} and run the same command, which makes it again."


def read_split(path: Path, patches: Path) -> pd.DataFrame:
    """Read a split, if it is one of the patches in the folder `patches`.

    Raises
    ------
    ValueError
        Naming the file: it has patches that are not there, a patch twice, or another part.
    """
    split = pd.read_csv(path)
    count = _count(patches)
    remedy = REMEDY.format(path=path)
    if unknown := set(split["part"]) - PARTS:
        raise ValueError(
            f"{path}: has the parts {sorted(unknown)}, expected {sorted(PARTS)}; {remedy}"
        )
    if split["patch"].duplicated().any():
        raise ValueError(f"{path}: has a patch twice, expected each once; {remedy}")
    if not split["patch"].between(0, count - 1).all():
        raise ValueError(
            f"{path}: has patches from {split['patch'].min()} to {split['patch'].max()}, but"
            f" {patches} holds {count}; {remedy}"
        )
    return split


def check_labels(path: Path, labels: pd.DataFrame) -> None:
    """Refuse labels, read from `path`, that are not those of the patches beside them."""
    count = _count(path.parent)
    if labels["patch"].tolist() != list(range(count)):
        raise ValueError(
            f"{path}: has labels of {len(labels)} patches, but {path.parent} holds {count};"
            f" {REMEDY.format(path=path)}"
        )


def _count(patches: Path) -> int:
    return json.loads((patches / "patches.json").read_text(encoding="utf-8"))["count"]
