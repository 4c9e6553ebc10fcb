"""The split of the patches into training and validation.

It is a table with the columns patch and part, where part is `train` or `validation`. A patch of a
volume that does not train is in neither part and has no row.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from denoising.running.random_streams import random_stream


def read_labels(path: Path) -> pd.DataFrame:
    """Read patches.csv; condition and volume are text."""
    return pd.read_csv(path, dtype={"condition": str, "volume": str}, keep_default_na=False)


def split_patches(labels: pd.DataFrame, kind: str, fraction: float, seed: int) -> pd.DataFrame:
    """Split the patches into training and validation.

    Parameters
    ----------
    labels : DataFrame
        Columns patch, condition, volume (patches.csv).
    kind : {"tail", "random", "by-volume"}
        `tail`: the last patches validate (csbdeep's `load_training_data`); `random`: drawn with
        `seed`; `by-volume`: whole volumes, drawn with `seed`, so that no volume is on both sides.
    fraction : float
        Share of patches to validate on, rounded to whole patches; at least this share for
        `by-volume`.
    seed : int

    Returns
    -------
    DataFrame
        Columns patch, part ("train" or "validation"), in the order of `labels`.

    Raises
    ------
    ValueError
        If a part would be empty, or `by-volume` is asked of patches whose volumes are not known.
    """
    count = len(labels)
    rng = random_stream(seed, "split")
    if kind == "by-volume":
        validates = _volumes_to_validate(labels, fraction, rng)
    else:
        order = rng.permutation(count) if kind == "random" else np.arange(count)
        validates = np.zeros(count, bool)
        validates[order[count - round(count * fraction) :]] = True
    validation_count = int(validates.sum())
    if not 0 < validation_count < count:
        raise ValueError(
            f"split {kind} of {count} patches with validation_fraction {fraction} leaves"
            f" {count - validation_count} to train and {validation_count} to validate on, expected"
            " some of each; cut more patches or volumes."
        )
    return pd.DataFrame(
        {"patch": labels["patch"], "part": np.where(validates, "validation", "train")}
    )


def with_training_volumes(
    split: pd.DataFrame, labels: pd.DataFrame, count: int, seed: int
) -> pd.DataFrame:
    """A split of which only the patches of `count` volumes train; the validation patches stay.

    Volumes are taken from one random order, so that a smaller set is part of every larger one.

    Parameters
    ----------
    split : DataFrame
        As `split_patches` gives it.
    labels : DataFrame
        Columns patch, condition, volume (patches.csv).
    count : int
        At least 1.
    seed : int

    Returns
    -------
    DataFrame
        The rows of `split` that stay, in their order.

    Raises
    ------
    ValueError
        If the volumes of patches are not known, or fewer than `count` of them train.
    """
    _refuse_unknown_volumes(labels, f"training_volumes {count}", "leave training_volumes null")
    trains = (split["part"] == "train").to_numpy()
    volumes = np.unique(labels.loc[trains, "volume"])
    if count > len(volumes):
        raise ValueError(
            f"split: training_volumes is {count}, but {len(volumes)} volumes have patches to train"
            " on; set it to that number at most, or to null for all of them."
        )
    chosen = random_stream(seed, "training volumes").permutation(volumes)[:count]
    stays = ~trains | labels["volume"].isin(chosen).to_numpy()
    return split[stays].reset_index(drop=True)


def _volumes_to_validate(
    labels: pd.DataFrame, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Whether each patch is of a volume that validates: the first of the shuffled volumes."""
    _refuse_unknown_volumes(labels, "by-volume", "use tail or random")
    volumes = rng.permutation(np.unique(labels["volume"]))
    share = labels["volume"].value_counts(normalize=True)[volumes].cumsum()
    needed = int((share < fraction - 1e-9).sum()) + 1
    return labels["volume"].isin(volumes[:needed]).to_numpy()


def _refuse_unknown_volumes(labels: pd.DataFrame, setting: str, remedy: str) -> None:
    if (labels["volume"] == "").any():
        raise ValueError(
            f"split: {setting} needs the volume of every patch, which published npz patches do not"
            f" tell; {remedy}."
        )
