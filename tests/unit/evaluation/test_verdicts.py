"""What the scores say of each network, in one sentence each."""

import pandas as pd
import pytest
from made_up import scores_of, study_of

from denoising.evaluation.verdicts import COLUMNS, held_out, sentences, verdicts

STUDY = study_of(
    {
        "main": {
            "tested_on": ["planaria", "tribolium"],
            "models": {"care": {"trained_on": "planaria"}},
        }
    },
    baselines=["gaussian", "median"],
)
HELP = "longer training or more images may help."
FACTORS = (0.9, 1.0, 1.1)  # of the three test volumes
# NRMSE in conditions 1 and 2; SSIM is one less NRMSE
REFERENCES = {"input": (0.10, 0.20), "gaussian": (0.05, 0.09), "median": (0.06, 0.07)}


def method_scores(name, nrmse, tested_on="planaria", factors=FACTORS):
    own = {} if name == "care" else {"seed": "", "model": "", "trained_on": "", "output": name}
    parts = []
    for condition, value in zip("12", nrmse, strict=True):
        errors = [value * factor for factor in factors]
        place = {"model": "care", "tested_on": tested_on, "condition": condition} | own
        parts.append(scores_of(errors, **place))
        parts.append(scores_of([1 - error for error in errors], metric="ssim", **place))
    return parts


def verdict(nrmse, references=REFERENCES):
    parts = [part for name in references for part in method_scores(name, references[name])]
    table = verdicts(pd.concat([*parts, *method_scores("care", nrmse)]), STUDY)
    (row,) = table.to_dict("records")
    return row


def test_a_network_that_leads_everywhere_is_said_to_with_its_interval():
    row = verdict((0.04, 0.06))
    assert list(row) == list(COLUMNS)
    assert (row["verdict"], row["ahead_of_input"], row["ahead_of_filters"]) == ("ahead", 4, 4)
    assert row["best_filter"] == "median"  # in the mean over conditions
    assert row["lead"] == pytest.approx(0.015)
    assert row["low"] < 0.015 < row["high"]
    assert row["finding"] == "the network is ahead of the input and every filter in all 4 means"
    assert row["sentence"] == (
        "care on planaria: NRMSE 0.0500, input 0.1500, best filter (median) 0.0650: the network is "
        "ahead of the input and every filter in all 4 means, in NRMSE by 0.0150 (95 % interval "
        f"{row['low']:.4f} to {row['high']:.4f})."
    )


def test_a_lead_whose_interval_holds_0_is_within_chance():
    """Where volumes disagree on which of the two is ahead."""
    others = [part for name in REFERENCES for part in method_scores(name, REFERENCES[name])]
    own = method_scores("care", (0.0495, 0.06), factors=(1.1, 1.0, 0.9))
    row = verdicts(pd.concat([*others, *own]), STUDY).iloc[0]
    assert row["undecided"] == 4
    assert row["finding"].endswith("in all 4 means, in 4 of them within chance")


def test_a_network_that_a_filter_leads_somewhere_is_said_to_be_behind():
    row = verdict((0.04, 0.08))  # ahead of the Gaussian, behind the median in condition 2
    assert (row["verdict"], row["ahead_of_filters"]) == ("behind a filter", 2)
    expected = (
        "the network is behind a filter in 2 of 4 means; longer training or more images may help."
    )
    assert row["sentence"].endswith(expected)


def test_a_network_no_better_than_its_input_is_said_to_be():
    row = verdict((0.12, 0.16))
    assert row["verdict"] == "no better than the input"
    expected = "no better than its input in 2 and behind a filter in 4 of 4 means; " + HELP
    assert row["sentence"].endswith(expected)


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (1.0, "the input"),
        (0.9995, "the input"),
        (0.99, "nearly the input"),
        (1.01, "nearly the input"),
        (0.9, "behind a filter"),
    ],
)
def test_a_collapsed_network_is_said_to_return_its_input(factor, kind):
    row = verdict((0.10 * factor, 0.20 * factor))
    assert row["verdict"] == kind
    assert ("the restorations are" in row["sentence"]) == ("input" in kind)


def test_two_volumes_have_no_interval():
    names = [*REFERENCES.items(), ("care", (0.04, 0.06))]
    parts = [part for name, nrmse in names for part in method_scores(name, nrmse, factors=(1, 2))]
    (sentence,) = verdicts(pd.concat(parts), STUDY)["sentence"]
    assert sentence.endswith("in NRMSE by 0.0225.")


def test_without_filters_the_input_is_all_there_is_to_lead():
    row = verdict((0.04, 0.06), {"input": REFERENCES["input"]})
    assert (row["verdict"], row["best_filter"]) == ("ahead", "")
    assert "ahead of the input in all 4 means" in row["sentence"]
    assert row["lead"] == pytest.approx(0.1)


def test_each_test_set_has_its_own_and_another_organism_is_named():
    parts = [
        part
        for tested_on in STUDY.tested_datasets
        for name, nrmse in [*REFERENCES.items(), ("care", (0.08, 0.10))]
        for part in method_scores(name, nrmse, tested_on)
    ]
    table = verdicts(pd.concat(parts), STUDY)
    assert table["tested_on"].tolist() == ["planaria", "tribolium"]
    (sentence,) = sentences(table, ["tribolium"])
    assert sentence.startswith("care on tribolium: ")
    assert sentence.endswith("; it was trained on planaria.")


def test_only_the_first_protocol_counts():
    other = [part.assign(protocol="study2019") for part in method_scores("care", (9, 9))]
    parts = [part for name in REFERENCES for part in method_scores(name, REFERENCES[name])]
    scores = pd.concat([*parts, *method_scores("care", (0.04, 0.06)), *other])
    assert verdicts(scores, STUDY)["verdict"].tolist() == ["ahead"]


def test_what_was_held_out_is_said_by_the_names_of_ones_own_files():
    scores = pd.concat([*method_scores("input", (1, 1)), *method_scores("care", (1, 1))])
    assert held_out(scores, STUDY, ["planaria"], {}) == [
        "Held out for testing on planaria: 3 volumes."
    ]
    (one,) = held_out(
        scores[scores["volume"] == "v0"], STUDY, ["planaria"], {"planaria": ["a.tif"]}
    )
    assert one == "Held out for testing on planaria: 1 image pair (a.tif)."
    (many,) = held_out(scores, STUDY, ["planaria"], {"planaria": list("abcdefg")})
    assert many.endswith("pairs (a, b, c, d, e, and 2 more).")
