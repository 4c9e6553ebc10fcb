"""Means of scores over test volumes, and differences between methods."""

import numpy as np
import pandas as pd
import pytest
from made_up import scores_of, students

from denoising.evaluation.scores import paired_differences, read_tidy, summarise


def test_mean_and_sample_deviation_over_volumes():
    (row,) = summarise(scores_of([1.0, 2.0, 3.0, 6.0])).to_dict("records")
    assert row["mean"] == 3.0
    assert row["sd"] == pytest.approx(np.sqrt(14 / 3))  # n - 1, not n
    assert (row["n"], row["seeds"]) == (4, 1)
    assert np.isnan(row["sd_seeds"])


@pytest.mark.parametrize(
    ("metric", "values", "low", "high"),
    [
        ("ssim", [0.8, 0.99, 0.99], None, 1),
        ("ssim", [-0.9, 0.1, -0.99], -1, None),
        ("nrmse", [0.01, 0.2, 0.01], 0, None),
        ("psnr", [-1.0, 20.0, 90.0], None, None),
    ],
)
def test_an_interval_ends_where_the_metric_does(metric, values, low, high):
    (row,) = summarise(scores_of(values, metric=metric)).to_dict("records")
    reach = students(values)
    assert row["low"] == pytest.approx(np.mean(values) - reach if low is None else low)
    assert row["high"] == pytest.approx(np.mean(values) + reach if high is None else high)


def test_protocols_conditions_and_references_stay_apart():
    parts = [
        scores_of([1.0, 3.0]),
        scores_of([5.0, 7.0], protocol="study2019"),
        scores_of([2.0, 2.0], condition="2"),
        scores_of([9.0, 9.0], seed=np.nan, model=np.nan, trained_on=np.nan, output="input"),
    ]
    table = summarise(pd.concat(parts))
    assert table["mean"].tolist() == [2.0, 6.0, 2.0, 9.0]
    assert table["model"].tolist() == ["planaria", "planaria", "planaria", ""]


def test_a_volume_counts_once_however_many_seeds():
    both = pd.concat([scores_of([1.0, 3.0], seed="0"), scores_of([3.0, 5.0], seed="1")])
    (row,) = summarise(both).to_dict("records")
    assert (row["mean"], row["n"], row["seeds"]) == (3.0, 2, 2)
    assert row["sd"] == pytest.approx(np.sqrt(2))  # of the volumes' means 2 and 4
    assert row["sd_seeds"] == pytest.approx(np.sqrt(2))  # of the runs' means 2 and 4


def test_an_ensemble_is_a_method_of_its_own_without_runs():
    runs = [scores_of([1.0, 3.0], seed="1"), scores_of([3.0, 5.0], seed="2")]
    table = summarise(pd.concat([*runs, scores_of([1.0, 2.0], seed="", model="planaria-ensemble")]))
    assert table["model"].tolist() == ["planaria", "planaria-ensemble"]
    assert table["mean"].tolist() == [3.0, 1.5]
    assert table["sd_seeds"].isna().tolist() == [False, True]


def test_one_volume_has_no_deviation():
    (row,) = summarise(scores_of([0.5])).to_dict("records")
    assert (row["mean"], row["n"]) == (0.5, 1)
    assert np.isnan(row["sd"])


def test_strata_on_request():
    mixed = pd.concat(
        [scores_of([1.0], stratum="live"), scores_of([3.0], stratum="fixed").replace("v0", "v1")]
    )
    keys = ("model", "stratum", "metric")
    assert summarise(mixed, keys)["mean"].tolist() == [1.0, 3.0]
    assert summarise(mixed)["mean"].tolist() == [2.0]


def test_repeated_rows_count_once_but_contradictions_are_refused():
    once = scores_of([1.0, 2.0])
    assert summarise(pd.concat([once, once]))["n"].tolist() == [2]
    with pytest.raises(ValueError, match="2 volumes and 1 seeds, found 4"):
        summarise(pd.concat([once, scores_of([1.5, 2.5])]))


def test_runs_must_share_their_volumes():
    with pytest.raises(ValueError, match="same volumes"):
        summarise(pd.concat([scores_of([1.0, 2.0], seed="0"), scores_of([1.0], seed="1")]))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (scores_of([1.0]).drop(columns="protocol"), "lacks the columns protocol, found"),
        (scores_of([1.0, np.nan]), "1 scores are not numbers"),
    ],
)
def test_incomplete_scores_are_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        summarise(broken)


def test_infinite_scores_have_a_mean_but_no_spread():
    (row,) = summarise(scores_of([np.inf, 30.0], metric="psnr")).to_dict("records")
    assert (row["mean"], row["n"]) == (np.inf, 2)
    assert np.isnan([row["sd"], row["low"]]).all()


@pytest.fixture
def compared():
    """Two models and their references on two test sets."""
    parts = [
        scores_of([0.1, 0.3, 0.2], model="", seed="", trained_on="", output=name)
        for name in ("input", "nlm")
    ]
    parts += [scores_of([0.05, 0.15, 0.1], model="one"), scores_of([0.04, 0.14, 0.09], model="two")]
    parts += [scores_of([0.06, 0.16, 0.11], model="one", tested_on="tribolium")]
    return pd.concat(parts)


def test_differences_are_of_method_less_reference(compared):
    pairs = [("two", "one"), ("one", "input"), ("two", "gaussian"), ("three", "one")]
    table = paired_differences(compared, pairs)
    assert table[["method", "reference", "tested_on", "n"]].to_numpy().tolist() == [
        ["two", "one", "planaria", 3],
        ["one", "input", "planaria", 3],
    ]  # not where one of the two was not scored
    assert table["difference"].tolist() == pytest.approx([-0.01, -0.1])
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([-0.01, -0.01])
    assert table.loc[1, "low"] < -0.1 < table.loc[1, "high"]
    assert table.loc[1, "high"] - table.loc[1, "low"] == pytest.approx(
        2 * students([-0.05, -0.15, -0.1])
    )


def test_differences_need_the_same_volumes(compared):
    odd = compared[(compared["model"] != "two") | (compared["volume"] != "v2")]
    with pytest.raises(
        ValueError, match="'method': 'two'.*only one of the two has .'v2'.*same volumes"
    ):
        paired_differences(odd, [("two", "one")])


def test_tidy_files_keep_names_as_text(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("model,condition,value\n,01,0.5\nNA,2,\n")
    table = read_tidy(path)
    assert table["condition"].tolist() == ["01", "2"]
    assert table["model"].tolist() == ["", "NA"]
    assert table["value"].dtype == float
    path.write_text("value\nhigh\n")
    with pytest.raises(ValueError, match="table.csv.*value"):
        read_tidy(path)
