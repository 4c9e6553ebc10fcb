"""The headline: networks against input, filters and published numbers, and what stays open."""

import pandas as pd
import pytest
import yaml
from made_up import CONFIG, ROOT, scores_of, study_of

from denoising.evaluation.headline import headline
from denoising.evaluation.scores import read_tidy
from denoising.evaluation.verdicts import verdicts

PUBLISHED = read_tidy(ROOT / "resources/published_scores.csv")
FACTORS = (0.9, 1.0, 1.1)  # of the three test volumes


def said(nrmse, filtered=0.06, seeds=(1,), factors=FACTORS, **models):
    """The headline of a study whose network, input and filter have this NRMSE everywhere."""
    models = {"care": {"trained_on": "planaria", "seeds": list(seeds)}} | models
    main = {"tested_on": ["planaria"], "models": models}
    study = study_of({"main": main}, baselines=["gaussian"])
    parts = []
    values = {"input": 0.1, "gaussian": filtered} | dict.fromkeys(models, nrmse)
    for name, value in values.items():
        own = {"model": "", "trained_on": "", "output": name} if name not in models else {}
        for seed in seeds if name in models else ("",):
            for metric in ("nrmse", "ssim"):
                errors = [value * factor for factor in (factors if name in models else FACTORS)]
                scores = [1 - error for error in errors] if metric == "ssim" else errors
                place = {"model": name, "seed": str(seed), "condition": "1", "metric": metric} | own
                parts.append(scores_of(scores, tested_on="planaria", **place))
    scores = pd.concat(parts)
    return headline(verdicts(scores, study), scores, PUBLISHED, study)


def test_a_network_is_held_against_its_input_and_the_best_filter():
    first = said(0.05)[0]
    assert first.startswith(
        "On planaria, the network care leaves 50 % of its input's error (NRMSE 0.0500, input"
        " 0.1000) and is ahead of the best filter (Gaussian, 0.0600) by 0.0100 (95 % interval 0.00"
    )
    assert first.endswith(", 3 test volumes).")


def test_a_network_behind_the_filter_is_said_to_be():
    assert "is behind the best filter (Gaussian, 0.0600) by 0.0200" in said(0.08)[0]


def test_a_lead_whose_interval_holds_0_is_within_chance():
    first = said(0.059, factors=(1.1, 1.0, 0.9))[0]
    assert "ahead of the best filter (Gaussian, 0.0600) by 0.0010, which is within chance" in first


def test_real_specimens_stand_beside_published_numbers():
    (sentence,) = [line for line in said(0.05) if "CARE paper" in line]
    assert sentence == "NRMSE on planaria: 0.0500 where the CARE paper has 0.0377 (cleanest (C1))."


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_what_may_not_be_concluded_depends_on_the_study(seeds):
    last = said(0.05, seeds=seeds)[-1]
    assert last.startswith("Limits: ")
    assert "With 3 test volumes" in last
    assert ("two trainings" in last) == (len(seeds) == 1)
    assert "simulated" not in last


def test_other_networks_are_counted():
    assert not any("pairs of a network" in line for line in said(0.05))
    two = said(0.05, other={"trained_on": "planaria"})
    assert any(line.startswith("2 of 2 pairs of a network and a test set are") for line in two)


def test_the_nuclei_that_a_network_shows_are_told_beside_its_inputs():
    study = study_of(
        {"main": {"tested_on": ["planaria"], "models": {"care": {"trained_on": "planaria"}}}},
        datasets=with_nuclei(),
    )
    parts = []
    for condition in "13":
        for name, values in {"care": (0.83, 0.98), "input": (0.9, 0.89)}.items():
            own = {} if name == "care" else {"model": "", "trained_on": "", "output": name}
            place = {"model": "care", "condition": condition, "tested_on": "planaria"} | own
            for metric, value in zip(("recall", "precision"), values, strict=True):
                parts.append(scores_of([value] * 3, metric=metric, protocol="nuclei", **place))
            parts.append(scores_of([0.1] * 3, **place))
            parts.append(scores_of([0.9] * 3, metric="ssim", **place))
    scores = pd.concat(parts)
    said = headline(verdicts(scores, study), scores, PUBLISHED, study)
    (sentence,) = [line for line in said if line.startswith("Nuclei of planaria: ")]
    assert (
        "cleanest (C1), the network shows 83 % of the true ones (input 90 %), and 98 %" in sentence
    )
    assert sentence.endswith("of those that it shows are true (input 89 %).")


def with_nuclei():
    """The datasets of made-up studies, planaria with nuclei."""
    datasets = yaml.safe_load(CONFIG)["datasets"]
    datasets["planaria"] |= {"nuclei": {"diameter": 5}, "voxel_size": [2, 1, 1]}
    return datasets


def test_simulated_specimens_stand_beside_no_published_number():
    beads = {
        "published": "planaria",
        "simulate": {"species": "planaria"},
        "conditions": [{"name": "1", "source": "condition_1"}],
        "patches": {"shape": [8, 16, 16]},
    }
    study = study_of(
        {"main": {"models": {"care": {"trained_on": "beads"}}}},
        datasets={"beads": beads},
        baselines=[],
    )
    parts = [
        scores_of(values, model=model, trained_on=model and "beads", tested_on="beads",
                  output="network" if model else "input", metric=metric)
        for metric in ("nrmse", "ssim")
        for model, values in (("care", (0.4, 0.5)), ("", (0.6, 0.7)))
    ]  # fmt: skip
    scores = pd.concat(parts)
    lines = headline(verdicts(scores, study), scores, PUBLISHED, study)
    assert any(
        line == "No number on beads may be compared with a published one: these specimens are"
        " simulated."
        for line in lines
    )
    assert not any("CARE paper" in line for line in lines)
    assert "Numbers on beads show trends and say nothing of real specimens." in lines[-1]
    assert "With fewer than three test volumes, nothing can be said of others." in lines[-1]
