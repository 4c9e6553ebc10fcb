"""The split of the patches: csbdeep's by default, drawn with a seed, or by whole volumes."""

import csbdeep.io
import csbdeep.utils.utils
import numpy as np
import pandas as pd
import pytest

from denoising.training.splits import read_labels, split_patches, with_training_volumes


def labels(volumes, per_volume=4):
    """Labels of `per_volume` patches in each of two conditions of every volume."""
    rows = [
        (condition, volume) for volume in volumes for condition in "12" for _ in range(per_volume)
    ]
    return pd.DataFrame(rows, columns=["condition", "volume"]).reset_index(names="patch")


def validating(split):
    return set(split.loc[split["part"] == "validation", "patch"])


def test_tail_is_csbdeeps(tmp_path, monkeypatch):
    """Of the 17,005 published patches the last 3,401 validate."""
    monkeypatch.setitem(
        csbdeep.io.load_training_data.__globals__, "backend_channels_last", lambda: True
    )
    monkeypatch.setattr(
        csbdeep.utils.utils, "backend_channels_last", lambda: True
    )  # imports TensorFlow to tell
    numbers = np.arange(17005).reshape(-1, 1, 1, 1)
    np.savez(tmp_path / "all.npz", X=numbers, Y=numbers)
    (train, _), (validation, _), _ = csbdeep.io.load_training_data(
        tmp_path / "all.npz", 0.2, axes="SCYX"
    )
    split = split_patches(pd.DataFrame({"patch": range(17005), "volume": ""}), "tail", 0.2, 0)
    assert len(validation) == 3401
    assert validating(split) == set(validation.ravel())
    assert list(split["patch"]) == [*train.ravel(), *validation.ravel()]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.35, 0.5])
def test_random_split_is_drawn_with_the_seed(fraction):
    table = labels("abcde", 5)
    first, again, other = (split_patches(table, "random", fraction, seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert len(validating(first)) == round(50 * fraction)
    assert validating(first) != validating(other)
    assert validating(first) != validating(split_patches(table, "tail", fraction, 1))


@pytest.mark.parametrize(
    ("how", "table", "fraction"),
    [
        ("tail", labels("a", 1), 0.2),
        ("random", labels("a", 1), 0.8),
        ("by-volume", labels("a"), 0.2),
        ("by-volume", labels("ab"), 0.6),
    ],
)
def test_empty_part_is_refused(how, table, fraction):
    with pytest.raises(
        ValueError, match=f"split {how} of {len(table)} patches with validation_fraction {fraction}"
    ):
        split_patches(table, how, fraction, 0)


def test_split_by_volume_needs_volumes():
    with pytest.raises(ValueError, match="by-volume needs the volume of every patch"):
        split_patches(labels(["a", ""]), "by-volume", 0.2, 0)


def test_labels_stay_text(tmp_path):
    labels(["001", "NA", ""]).to_csv(tmp_path / "patches.csv", index=False)
    table = read_labels(tmp_path / "patches.csv")
    assert list(table["volume"].unique()) == ["001", "NA", ""]
    assert set(table["condition"]) == {"1", "2"}


def test_all_training_volumes_are_the_whole_split():
    table = labels("abcd")
    whole = split_patches(table, "tail", 0.1, 3)
    assert with_training_volumes(whole, table, 4, 3).equals(whole)


def test_more_training_volumes_than_there_are_are_refused():
    table = labels("abcde")
    whole = split_patches(table, "by-volume", 0.2, 3)
    with pytest.raises(ValueError, match="training_volumes is 5, but 4 volumes have patches"):
        with_training_volumes(whole, table, 5, 3)


def test_training_volumes_need_volumes():
    table = labels(["a", ""])
    with pytest.raises(ValueError, match="training_volumes 1 needs the volume of every patch"):
        with_training_volumes(split_patches(table, "tail", 0.2, 0), table, 1, 0)
