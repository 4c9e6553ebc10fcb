"""Which methods are compared with which."""

import pandas as pd
from made_up import ROOT, scores_of, study_of

from denoising.evaluation.comparisons import (
    compared_means,
    comparison_pairs,
    relative_difference,
    scored_models,
    sweep_means,
    training_questions,
)
from denoising.evaluation.scores import OURS, read_tidy, references


def test_what_is_compared():
    trained_on = {"trained_on": "planaria"}
    study = study_of(
        {
            "a": {
                "models": {
                    "base": trained_on | {"seeds": [1, 2]},
                    "other": {"trained_on": "tribolium"},
                }
            },
            "b": {
                "base": "base",
                "varies": "batch_size",
                "sample_matched": True,
                "models": {"swept": {"batch_size": 2, "seeds": [1]}},
            },
        },
        baselines=["median", "nlm"],
    )
    assert references(study) == {"input": "input", "median": "median", "nlm": "non-local means"}
    pairs = comparison_pairs(study)
    assert pairs[:3] == [("base", "input"), ("base", "median"), ("base", "nlm")]
    own = [
        ("swept", "base"),
        ("swept-matched", "base"),
        ("other", "base"),
        ("base-ensemble", "base"),
    ]
    assert [pair for pair in pairs if pair[1] == "base"] == own
    assert len(pairs) == 12 + len(own)


SWEPT = {
    "a": {"models": {"base": {"trained_on": "planaria"}, "other": {"trained_on": "tribolium"}}},
    "b": {
        "base": "base",
        "varies": "batch_size",
        "sample_matched": True,
        "figure": "figure_b",
        "models": {"swept": {"batch_size": 2}},
    },
}


def test_trainings_stand_beside_those_of_their_dataset_and_of_their_sweep():
    assert training_questions(study_of(SWEPT)) == {
        "trained on planaria": {"base": "epochs 20"},
        "trained on tribolium": {"other": "epochs 20"},
        "sweep of batch size (figure_b)": {
            "swept": "batch size 2",
            "base": "batch size 4",
            "swept-matched": "batch size 2, same patches",
        },
    }


def test_means_of_a_sweep_have_the_value_of_its_setting():
    study = study_of(SWEPT)
    names = ("swept", "base", "swept-matched")
    scores = [scores_of([0.1, 0.2], "0", name, metric="nrmse") for name in names]
    nothing = {"trained_on": "", "output": "input", "metric": "nrmse"}
    scores.append(scores_of([0.3, 0.4], "", "", **nothing))
    published = read_tidy(ROOT / "resources/published_scores.csv")
    (sweep,) = study.sweeps.values()
    means = sweep_means(pd.concat(scores), published, sweep, study)
    ours = means[means["source"] == OURS].set_index("method")["value"]
    assert ours.drop("input").to_dict() == {"swept": 2, "base": 4, "swept-matched": 2}
    assert ours[["input"]].isna().all()
    assert ours.index[-1] == "input"
    without = published.drop(columns="batch_size")
    assert set(sweep_means(pd.concat(scores), without, sweep, study)["source"]) == {OURS}


def test_relative_difference_is_in_percent():
    assert relative_difference(1.5, 1.0) == 50
    assert relative_difference(0.5, 1.0) == -50


def test_compared_models_are_those_of_comparisons_or_cross_tested():
    def study(**tests):
        models = {"base": {}, "unscored": {}}
        sweep = {"base": "base", "varies": "epochs", "models": {"swept": {"epochs": 3}}}
        studies = {
            "a": {"models": {name: {"trained_on": "planaria"} for name in models}},
            "b": sweep | tests,
        }
        return study_of(studies)

    table = pd.concat([scores_of([1.0], model=model) for model in ("base", "swept")])
    assert scored_models(table, study()) == ["base"]
    crossed = study(tested_on=["planaria", "tribolium"])
    assert scored_models(table, crossed) == ["base", "swept"]


def test_the_best_filter_alone_stands_beside_input_and_networks_and_published_networks():
    models = {"planaria-100": {"trained_on": "planaria"}}
    study = study_of({"a": {"tested_on": ["planaria"], "models": models}})
    unnamed = {"seed": "", "model": "", "trained_on": ""}
    tables = [
        scores_of([value, value], output=name, **unnamed)
        for name, value in {"input": 0.3, "gaussian": 0.1, "median": 0.2}.items()
    ]
    scores = pd.concat([*tables, scores_of([0.05, 0.06], model="planaria-100")])
    published = read_tidy(ROOT / "resources/published_scores.csv")
    means = compared_means(scores, published, study)
    ours = means[means["source"] == OURS]
    assert set(ours["method"]) == {"input", "gaussian", "planaria-100"}
    others = means[means["source"] != OURS]
    assert set(others["output"]) == {"network"}
    assert set(others["tested_on"]) == {"planaria"}
