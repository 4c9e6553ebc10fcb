"""Splits of any patches: each patch is on one side, and no volume on both if volumes are split."""

import drawn_examples  # noqa: F401  # how hypothesis draws
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoising.training.splits import split_patches, with_training_volumes

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0.01, 0.99)


@st.composite
def labels(draw):
    """Patches of two conditions of some volumes, in any order."""
    names = st.sampled_from(["a", "b 2", "007", "NA", "ü", "worm-live"])
    rows = draw(st.lists(st.tuples(st.sampled_from("12"), names), min_size=2, max_size=40))
    return pd.DataFrame(rows, columns=["condition", "volume"]).reset_index(names="patch")


def split_of(table, kind, fraction, seed):
    """The split, or None where a side would have no patch."""
    try:
        return split_patches(table, kind, fraction, seed)
    except ValueError as error:
        assert "expected some of each" in str(error)
        return None


def on_side(split, table, side):
    return set(table.loc[split.loc[split["part"] == side, "patch"], "volume"])


@given(labels(), st.sampled_from(["tail", "random", "by-volume"]), FRACTIONS, SEEDS)
def test_each_patch_is_on_one_side_and_the_seed_says_on_which(table, kind, fraction, seed):
    split = split_of(table, kind, fraction, seed)
    if split is not None:
        assert list(split["patch"]) == list(table["patch"])
        assert set(split["part"]) == {"train", "validation"}
        assert split.equals(split_patches(table, kind, fraction, seed))


@given(labels(), st.sampled_from(["tail", "random"]), FRACTIONS, SEEDS)
def test_as_many_patches_validate_as_asked_for(table, kind, fraction, seed):
    split = split_of(table, kind, fraction, seed)
    count = round(len(table) * fraction)
    assert (split is None) == (count in (0, len(table)))
    if split is not None:
        assert (split["part"] == "validation").sum() == count
    if split is not None and kind == "tail":
        assert set(split["part"][-count:]) == {"validation"}


@given(labels(), FRACTIONS, SEEDS)
def test_a_split_by_volume_never_shares_a_volume_and_takes_no_more_than_it_needs(
    table, fraction, seed
):
    split = split_of(table, "by-volume", fraction, seed)
    if split is None:
        return
    validate = on_side(split, table, "validation")
    assert not validate & on_side(split, table, "train")
    shares = table["volume"].value_counts(normalize=True)[list(validate)]
    assert shares.sum() >= fraction - 1e-6
    assert shares.sum() - shares.max() < fraction  # without the last one drawn, whichever it was


def test_another_seed_draws_other_volumes():
    table = pd.DataFrame({"patch": range(20), "condition": "1", "volume": [*"abcdefghij"] * 2})
    drawn = {
        frozenset(on_side(split_patches(table, "by-volume", 0.2, seed), table, "validation"))
        for seed in range(10)
    }
    assert len(drawn) > 3


@given(labels(), st.sampled_from(["tail", "random", "by-volume"]), FRACTIONS, SEEDS)
def test_fewer_training_volumes_are_part_of_more_and_the_same_patches_validate(
    table, kind, fraction, seed
):
    whole = split_of(table, kind, fraction, seed)
    if whole is None:
        return
    volumes = on_side(whole, table, "train")
    validating = whole[whole["part"] == "validation"].reset_index(drop=True)
    smaller: set[str] = set()
    for count in range(1, len(volumes) + 1):
        part = with_training_volumes(whole, table, count, seed)
        trained = on_side(part, table, "train")
        assert len(trained) == count
        assert smaller < trained
        smaller = trained
        stays = table["volume"].isin(trained) | (whole["part"] == "validation")
        assert part.equals(whole[stays.to_numpy()].reset_index(drop=True))
        assert validating.equals(part[part["part"] == "validation"].reset_index(drop=True))
    with pytest.raises(ValueError, match=f"training_volumes is {len(volumes) + 1}, but"):
        with_training_volumes(whole, table, len(volumes) + 1, seed)
