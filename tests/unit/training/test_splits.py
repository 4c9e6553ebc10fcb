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
    labels(["001", "002"]).to_csv(tmp_path / "patches.csv", index=False)
    assert list(read_labels(tmp_path / "patches.csv")["volume"].unique()) == ["001", "002"]


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


# The same draws as ever: another one changes the results of every study


def test_each_split_draws_the_patches_that_it_always_drew():
    table = labels("abcd", 2)
    assert validating(split_patches(table, "tail", 0.3, 7)) == {11, 12, 13, 14, 15}
    assert validating(split_patches(table, "random", 0.3, 7)) == {7, 9, 11, 12, 15}
    assert validating(split_patches(table, "by-volume", 0.3, 7)) == set(range(8, 16))


def test_each_number_of_training_volumes_draws_those_that_it_always_drew():
    table = labels("abcd", 2)
    whole = split_patches(table, "tail", 0.3, 7)
    one, two = (with_training_volumes(whole, table, count, 7) for count in (1, 2))
    assert list(one["patch"]) == list(range(8, 16))
    assert list(two["patch"]) == [0, 1, 2, 3, *range(8, 16)]
    assert list(two["part"]) == ["train"] * 7 + ["validation"] * 5
    assert list(two.index) == list(range(12))


def test_a_share_is_rounded_to_whole_patches():
    table = labels("a", 5)
    sizes = {
        share: len(validating(split_patches(table, "tail", share, 0))) for share in (0.14, 0.16)
    }
    assert sizes == {0.14: 1, 0.16: 2}
    assert split_patches(table, "tail", 0.1, 0)["part"].tolist() == ["train"] * 9 + ["validation"]


def test_a_part_of_one_patch_is_enough():
    table = labels("a", 1)
    for how in ("tail", "random"):
        assert len(validating(split_patches(table, how, 0.5, 0))) == 1


def test_a_share_that_volumes_meet_exactly_takes_no_volume_more():
    """Whatever the rounding of the shares that add up."""
    table = labels("abcdefghij", 1)
    for tenths in range(1, 10):
        split = split_patches(table, "by-volume", tenths / 10, 1)
        assert len(validating(split)) == 2 * tenths


# Messages in full


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: split_patches(labels("a", 1), "tail", 0.2, 0),
            "split tail of 2 patches with validation_fraction 0.2 leaves 2 to train and 0 to"
            " validate on, expected some of each; cut more patches or volumes.",
        ),
        (
            lambda: split_patches(labels("ab", 1), "by-volume", 0.6, 0),
            "split by-volume of 4 patches with validation_fraction 0.6 leaves 0 to train and 4 to"
            " validate on, expected some of each; cut more patches or volumes.",
        ),
        (
            lambda: split_patches(labels([""]), "by-volume", 0.2, 0),
            "split: by-volume needs the volume of every patch, which published npz patches do not"
            " tell; use tail or random.",
        ),
        (
            lambda: with_training_volumes(
                split_patches(labels([""]), "tail", 0.2, 0), labels([""]), 3, 0
            ),
            "split: training_volumes 3 needs the volume of every patch, which published npz patches"
            " do not tell; leave training_volumes null.",
        ),
        (
            lambda: with_training_volumes(
                split_patches(labels("ab"), "tail", 0.2, 0), labels("ab"), 3, 0
            ),
            "split: training_volumes is 3, but 2 volumes have patches to train on; set it to that"
            " number at most, or to null for all of them.",
        ),
    ],
    ids=["no validation", "no training", "by volume", "unknown volumes", "too many volumes"],
)
def test_a_refusal_says_what_was_found_and_what_to_do(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message
