"""Calibrations of all runs, in curves and in three numbers."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import study_of

from denoising.evaluation import columns
from denoising.evaluation.calibration_summary import (
    calibration_means,
    calibration_scores,
    own_calibration_means,
    read_calibration,
)
from denoising.evaluation.scores import KEYS, summarise

MODELS = {
    "one": {"trained_on": "planaria", "seeds": [5]},
    "two": {"trained_on": "planaria", "seeds": [1, 2]},
}
STUDY = study_of({"a": {"models": MODELS}})


@pytest.fixture
def calibrated(tmp_path):
    """Calibrations of three runs and an ensemble: perfect for `one`; runs of `two` err twice as
    much as predicted, and as rescaled their ensemble is perfect.
    """
    paths = {}
    cases = [("one", 1.0, 1.0), ("two-seed1", 2.0, 2.0), ("two-seed2", 2.0, 2.0)]
    for run, *factors in [*cases, ("two-ensemble", 2.0, 1.0)]:
        rows = []
        for intervals, factor in zip(("predicted", "rescaled"), factors, strict=True):
            for volume, level in itertools.product(("v0", "v1"), (0.05, 0.5, 0.95)):
                inside = 1 - (1 - level) ** (1 / factor)
                rows.append((intervals, "coverage", "1", volume, level, level, inside, 9))
            for volume, (level, count) in itertools.product(("v0", "v1"), ((0, 4), (1, 5))):
                scale = 0.01 * (level + 1)
                row = (intervals, "scale", "1", volume, level, scale, factor * scale, count)
                rows.append(row)
        paths[run, "planaria"] = tmp_path / f"{run}.csv"
        pd.DataFrame(rows, columns=columns.CALIBRATION).to_csv(paths[run, "planaria"], index=False)
    return paths


def test_calibration_in_three_numbers(calibrated):
    scores = calibration_scores(read_calibration(calibrated, STUDY))
    table = summarise(scores, [*KEYS, "intervals"])
    table = table[(table["intervals"] == "predicted") & (table["model"] != "two-ensemble")]
    found = table.set_index(["model", "metric"])[["mean", "n", "seeds"]]
    assert found.loc[("one", "ece")].tolist() == pytest.approx([0.0, 2, 1])
    assert found.loc[("one", "inside"), "mean"] == pytest.approx(0.95)
    assert found.loc[("one", "ratio"), "mean"] == pytest.approx(1.0)
    gaps = [level - 1 + np.sqrt(1 - level) for level in (0.05, 0.5, 0.95)]
    assert found.loc[("two", "ece")].tolist() == pytest.approx([np.mean(gaps), 2, 2])
    assert found.loc[("two", "inside"), "mean"] == pytest.approx(1 - np.sqrt(0.05))
    assert found.loc[("two", "ratio"), "mean"] == pytest.approx(2.0)


def test_predicted_and_rescaled_intervals_and_ensembles_are_told_apart(calibrated):
    scores = calibration_scores(read_calibration(calibrated, STUDY))
    table = summarise(scores, [*KEYS, "intervals"])
    ensemble = table[(table["model"] == "two-ensemble") & (table["metric"] == "ratio")]
    assert dict(zip(ensemble["intervals"], ensemble["mean"], strict=True)) == {
        "predicted": pytest.approx(2.0),
        "rescaled": pytest.approx(1.0),
    }
    assert set(ensemble["trained_on"]) == {"planaria"}
    assert set(scores.loc[scores["model"] == "two-ensemble", "seed"]) == {""}


def test_calibration_curves_survive_an_empty_bin(calibrated):
    path = calibrated["two-seed2", "planaria"]
    table = pd.read_csv(path)
    table[(table["kind"] != "scale") | (table["level"] < 1)].to_csv(path, index=False)
    means = calibration_means(read_calibration(calibrated, STUDY))
    means = means[means["intervals"] == "predicted"]
    two = means[(means["model"] == "two") & (means["kind"] == "scale")]
    assert two["expected"].tolist() == pytest.approx([0.01, 0.02])
    assert two["mean"].tolist() == pytest.approx([0.02, 0.04])
    assert two["n"].tolist() == [2, 2]


OWN, OTHER, SWEPT = ("one", "planaria"), ("one", "tribolium"), ("swept", "planaria")


@pytest.mark.parametrize(
    ("measured", "shown"),
    [([OWN, OTHER, SWEPT], OWN), ([OTHER, SWEPT], OTHER), ([SWEPT], SWEPT)],
)
def test_calibration_of_compared_models_on_their_own_organism_comes_first(measured, shown):
    study = study_of(
        {
            "a": {
                "tested_on": ["planaria", "tribolium"],
                "models": {"one": {"trained_on": "planaria"}},
            },
            "b": {"base": "one", "varies": "epochs", "models": {"swept": {"epochs": 3}}},
        }
    )
    row = {"intervals": "predicted", "kind": "scale", "condition": "1", "volume": "v0"}
    row |= {"level": 0, "expected": 0.1, "observed": 0.1, "count": 1}
    rows = [row | {"model": model, "tested_on": dataset} for model, dataset in measured]
    means = own_calibration_means(pd.DataFrame(rows), study)
    assert list(zip(means["model"], means["tested_on"], strict=True)) == [shown]


def test_calibrations_of_another_form_are_refused(calibrated):
    path = calibrated["one", "planaria"]
    pd.read_csv(path).drop(columns="observed").to_csv(path, index=False)
    with pytest.raises(ValueError, match="one.csv: found no columns .'observed'.*calibrate anew"):
        read_calibration(calibrated, STUDY)
