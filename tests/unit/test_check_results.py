"""The check that ends `make demo` fails where results are missing or wrong."""

import copy
import itertools
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
import check_results  # noqa: E402

from denoising.evaluation.leads import replication_leads  # noqa: E402
from denoising.study.config import resolve  # noqa: E402

CONFIG = {
    "title": "Worms",
    "datasets": {
        name: {
            "simulate": {"species": "planaria", "test_volumes": 2},
            "published": "planaria",
            "conditions": [{"name": "1", "source": "a"}, {"name": "2", "source": "b"}],
            "patches": {"shape": [16, 16, 16]},
        }
        for name in ("worms", "flies")
    },
    "baselines": ["gaussian", "nlm"],
    "studies": {
        "replication": {"models": {"worms-care": {"trained_on": "worms", "seeds": [3, 5]}}},
        "small": {"models": {"worms-small": {"trained_on": "worms"}}},
    },
}
SCHEMA = yaml.safe_load((check_results.ROOT / "workflow/schemas/config.schema.yaml").read_text())
STUDY = resolve(CONFIG, SCHEMA)
# NRMSE by output, model and seed: one run is no better than the filters, the mean over runs is
NRMSE = {
    ("input", "", ""): 0.3,
    ("nlm", "", ""): 0.2,
    ("gaussian", "", ""): 0.18,
    ("network", "worms-care", "3"): 0.06,
    ("network", "worms-care", "5"): 0.24,
    ("network", "worms-care-ensemble", ""): 0.05,
    ("network", "worms-small", "0"): 0.5,
}


@pytest.fixture
def scores():
    rows = []
    for (key, nrmse), condition, volume in itertools.product(NRMSE.items(), "12", "ab"):
        output, model, seed = key
        for protocol, metrics in check_results.METRICS.items():
            for metric in metrics:
                value = 1 - nrmse if metric == "ssim" else nrmse
                rows.append(
                    (model, seed, "worms", condition, volume, output, protocol, metric, value)
                )
    table = pd.DataFrame(rows, columns=[*check_results.KEYS, "value"])
    return table.assign(trained_on="", stratum="")


def said(scores):
    return " ".join(check_results.incomplete(scores, STUDY)) or behind(scores)


def behind(scores):
    return " ".join(check_results.not_ahead(replication_leads(scores, STUDY)))


def test_good_results_pass(scores):
    assert said(scores) == ""


@pytest.mark.parametrize("metric", ["nrmse", "ssim"])
@pytest.mark.parametrize("other", ["input", "gaussian", "nlm"])
@pytest.mark.parametrize("condition", ["1", "2"])
def test_a_network_that_does_not_lead_is_named(scores, metric, other, condition):
    paper = scores.query("protocol == 'paper' and metric == @metric and condition == @condition")
    tied = paper.query("output == @other")["value"].iloc[0]
    scores.loc[paper.query("model == 'worms-care'").index, "value"] = tied
    place = f"worms-care on worms, condition {condition}: {metric.upper()}"
    label = {"input": "the input", "gaussian": "Gaussian", "nlm": "non-local means"}[other]
    assert f"{place} {tied:.4f}, not ahead of {label} with {tied:.4f}." in behind(scores)
    assert said(scores)


def test_missing_double_and_infinite_values_are_named(scores):
    assert "worms-care, seed 5, on worms has 19 values, expected 20" in said(
        scores.drop(scores.query("seed == '5'").index[0])
    )
    assert "nlm on worms has 19 values, expected 20" in said(
        scores.drop(scores.query("output == 'nlm'").index[0])
    )
    assert "stand twice" in said(pd.concat([scores, scores.iloc[:1]]))
    assert "not finite" in said(scores.assign(value=float("nan")))
    assert "1 test volumes, expected 2" in said(scores.query("volume == 'a'"))
    assert "expected 20" in said(scores.query("condition != '2'"))


def test_the_lead_over_the_best_baseline_is_printed_for_every_mean(scores):
    lines = check_results.lead_lines(replication_leads(scores, STUDY))
    assert len(lines) == 1 + 4  # two metrics, two conditions
    expected = "NRMSE 0.1500, Gaussian 0.1800, lead +0.0300."  # two volumes: no interval
    assert sum(expected in line for line in lines) == 2


def test_missing_runs_and_ensembles_are_named(scores):
    assert "worms-care, seed 5, on worms is missing" in said(scores.query("seed != '5'"))
    assert "worms-care-ensemble on worms is missing" in said(
        scores.query("model != 'worms-care-ensemble'")
    )
    assert "gaussian on worms is missing" in said(scores.query("output != 'gaussian'"))
    config = copy.deepcopy(CONFIG)
    config["studies"]["small"]["tested_on"] = ["worms", "flies"]
    other = resolve(config, SCHEMA)
    assert check_results.incomplete(scores, other) == [
        f"scores.csv: {name} on flies is missing."
        for name in ("worms-small, seed 0,", "input", "gaussian", "nlm")
    ]


def test_scores_of_nuclei_are_expected_where_nuclei_are_scored(scores):
    config = copy.deepcopy(CONFIG)
    config["datasets"]["worms"] |= {"voxel_size": [2, 1, 1], "nuclei": {"diameter": 5}}
    counted = resolve(config, SCHEMA)
    assert "input on worms has 20 values, expected 48" in str(
        check_results.incomplete(scores, counted)
    )


def test_matched_models_and_every_file_of_a_run_are_expected(tmp_path):
    """By the config that stands beside the results, which holds neither runs nor matched models."""
    miniature = Path(__file__).parents[1] / "workflow/miniature.yaml"
    (tmp_path / "config.yaml").write_text(miniature.read_text())
    missing = [sentence.split()[0] for sentence in check_results.problems(tmp_path)]
    models = {
        path.relative_to(tmp_path / "models")
        for path in map(Path, missing)
        if "models" in path.parts
    }
    runs = [
        "planaria-100",
        "tribolium-100-seed1",
        "tribolium-100-seed2",
        "planaria-batch8",
        "planaria-batch8-matched",
    ]
    files = ["config.json", "weights_best.h5", "history.csv", "training.json"]
    assert models == {Path(run, name) for run in runs for name in files}
    tuned = {
        path.relative_to(tmp_path)
        for path in map(Path, missing)
        if path.suffix == ".json" and "baselines" in path.parts
    }
    baselines = ("gaussian", "wavelet", "nlm")
    assert tuned == {
        Path("baselines", each, f"{on}.json")
        for each in baselines
        for on in ("planaria", "tribolium")
    }


def test_an_unfinished_run_is_named(tmp_path):
    assert "config.yaml is missing" in check_results.problems(tmp_path)[0]


def test_resolution_that_was_not_measured_is_named(scores):
    """Four numbers of input, two baselines, three runs and an ensemble, in 2 x 2 images."""
    names = ["resolution_xy", "resolution_z", "detail_xy", "detail_z"]
    once = scores.query("protocol == 'paper' and metric == 'nrmse'")
    measured = pd.concat([once.assign(protocol="resolution", metric=name) for name in names])
    whole = pd.concat([scores, measured], ignore_index=True)
    assert check_results.without_resolution(whole, STUDY) == []
    assert said(whole) == ""
    assert check_results.without_resolution(whole.iloc[:-1], STUDY) == [
        "scores.csv: worms has 111 values of resolution, expected 112."
    ]
    assert len(check_results.without_resolution(scores, STUDY)) == 1
