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
    if wrong := wrong_in(split, _count(patches)):
        raise ValueError(f"{path}: {wrong}; {REMEDY.format(path=path)}")
    return split


def wrong_in(split: pd.DataFrame, count: int) -> str:
    """What is wrong with a split of so many patches, in words; empty if nothing is.

    On a GPU under XLA, patches that are not there would be taken for others without a word.
    """
    if unknown := set(split["part"]) - PARTS:
        return f"the split has the parts {sorted(unknown)}, expected {sorted(PARTS)}"
    if split["patch"].duplicated().any():
        return "the split has a patch twice, expected each once"
    if not split["patch"].between(0, count - 1).all():
        first, last = split["patch"].min(), split["patch"].max()
        return f"the split has patches from {first} to {last}, but there are {count}, from 0"
    return ""


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
