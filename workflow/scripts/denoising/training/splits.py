"""The split of the patches into training and validation.

It is a table with the columns patch and part, where part is `train` or `validation`.
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


def _volumes_to_validate(
    labels: pd.DataFrame, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Whether each patch is of a volume that validates: the first of the shuffled volumes."""
    if (labels["volume"] == "").any():
        raise ValueError(
            "split: by-volume needs the volume of every patch, which published npz patches do not"
            " tell; use tail or random."
        )
    volumes = rng.permutation(np.unique(labels["volume"]))
    share = labels["volume"].value_counts(normalize=True)[volumes].cumsum()
    needed = int((share < fraction - 1e-9).sum()) + 1
    return labels["volume"].isin(volumes[:needed]).to_numpy()
