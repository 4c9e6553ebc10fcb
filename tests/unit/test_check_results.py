"""The check that ends `make demo` fails where results are missing or wrong."""

import itertools
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import check_results

STUDY = {
    "datasets": {"worms": {"conditions": [{"name": "1"}, {"name": "2"}], "simulate": {"test_volumes": 2}}},
    "models": {"worms-care": {"trained_on": "worms"}},
    "studies": {"replication": {"models": ["worms-care"]}},
    "evaluation": {"protocols": ["paper", "study2019"]},
}
NRMSE = {"input": 0.3, "nlm": 0.2, "network": 0.1}


@pytest.fixture
def scores():
    rows = []
    for output, condition, volume in itertools.product(NRMSE, "12", "ab"):
        for protocol, metrics in check_results.METRICS.items():
            for metric in metrics:
                value = 1 - NRMSE[output] if metric == "ssim" else NRMSE[output]
                model = "worms-care" if output == "network" else ""
                rows.append((model, "worms", condition, volume, output, protocol, metric, value))
    return pd.DataFrame(rows, columns=[*check_results.KEYS, "value"])


def said(scores):
    return " ".join(check_results.incomplete(scores, STUDY) + check_results.not_ahead(scores, STUDY))


def test_good_results_pass(scores):
    assert said(scores) == ""


@pytest.mark.parametrize("metric", ["nrmse", "ssim"])
@pytest.mark.parametrize("other", ["input", "nlm"])
@pytest.mark.parametrize("condition", ["1", "2"])
def test_a_network_that_does_not_lead_is_named(scores, metric, other, condition):
    paper = scores.query("protocol == 'paper' and metric == @metric and condition == @condition")
    tied = paper.query("output == @other")["value"].iloc[0]
    scores.loc[paper.query("output == 'network'").index, "value"] = tied
    assert f"worms-care, condition {condition}: {metric}" in said(scores)
    assert f"not ahead of {other}" in said(scores)


def test_missing_double_and_infinite_values_are_named(scores):
    assert "expected 20" in said(scores.drop(scores.query("output == 'network'").index[0]))
    assert "stand twice" in said(pd.concat([scores, scores.iloc[:1]]))
    assert "not finite" in said(scores.assign(value=float("nan")))
    assert "model worms-care is missing" in said(scores.query("output != 'network'"))
    assert "1 test volumes, expected 2" in said(scores.query("volume == 'a'"))
    assert "expected 20" in said(scores.query("condition != '2'"))


def test_an_unfinished_run_is_named(tmp_path):
    assert "config.yaml is missing" in check_results.problems(tmp_path)[0]
