"""Patches, their labels and their split, held against each other before they are used."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.running.names import remedy_of_damage

PARTS = {"train", "validation"}


def read_split(path: Path, patches: Path) -> pd.DataFrame:
    """Read a split, if it is one of the patches in the folder `patches`.

    Raises
    ------
    ValueError
        Naming the file: it has patches that are not there, a patch twice, or another part.
    """
    split = pd.read_csv(path)
    if wrong := _wrong_in(split, _count(patches)):
        raise ValueError(f"{path}: {wrong}; {_of_two_runs(path)}")
    return split


def _wrong_in(split: pd.DataFrame, count: int) -> str:
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
            f" {_of_two_runs(path)}"
        )


def check_arrays(folder: Path, X: np.ndarray, Y: np.ndarray, count: int) -> None:
    """Refuse patches, of the folder that holds them, that are not so many, or differ in shape or
    type from their ground truth.

    On a GPU under XLA, a ground truth of another shape would be stretched without a word.
    """
    wrong = ""
    if X.shape != Y.shape:
        wrong = f"X.npy has shape {X.shape}, but Y.npy {Y.shape}"
    if not (X.dtype == Y.dtype == np.float32):
        wrong = f"X.npy holds {X.dtype} and Y.npy {Y.dtype}, expected float32"
    if len(X) != count:
        wrong = f"X.npy holds {len(X)} patches, but patches.json says {count}"
    if wrong:
        raise ValueError(f"{folder}: {wrong}; {_of_two_runs(folder)}")


def _of_two_runs(path: Path) -> str:
    return f"the two are not of one run: {remedy_of_damage(path)}."


def _count(patches: Path) -> int:
    return json.loads((patches / "patches.json").read_text(encoding="utf-8"))["count"]
