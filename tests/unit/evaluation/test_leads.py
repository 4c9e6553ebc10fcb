"""How far networks lead the input and the filters."""

import numpy as np
import pandas as pd
import pytest
from made_up import scores_of, students, study_of

from denoising.evaluation.leads import (
    leads,
    over_filters,
    replication_leads,
    smallest_leads,
)

TRAINED = {"trained_on": "planaria"}
STUDY = study_of(
    {
        "replication": {
            "tested_on": ["planaria", "tribolium"],
            "models": {"care": TRAINED},
        },
        "other": {"models": {"small": TRAINED}},
    },
    baselines=["gaussian", "median"],
)


def reference(values, output, **changes):
    return scores_of(values, seed="", model="", trained_on="", output=output, **changes)


@pytest.fixture
def scores():
    """A network that is ahead in NRMSE of everything, and in SSIM behind the median alone."""
    ssim = {"metric": "ssim"}
    return pd.concat(
        [
            scores_of([0.04, 0.05, 0.03], model="care"),
            reference([0.08, 0.10, 0.09], "input"),
            reference([0.05, 0.07, 0.06], "gaussian"),
            reference([0.06, 0.09, 0.09], "median"),
            scores_of([0.8, 0.9, 0.7], model="care", **ssim),
            reference([0.1, 0.2, 0.3], "input", **ssim),
            reference([0.7, 0.8, 0.6], "gaussian", **ssim),
            reference([0.9, 0.95, 0.7], "median", **ssim),
            scores_of([0.04, 0.05, 0.03], model="care", protocol="study2019"),
            scores_of([0.06, 0.07, 0.08], model="care", tested_on="tribolium"),
            reference([0.01, 0.02, 0.03], "gaussian", tested_on="tribolium"),
        ]
    )


def test_a_lead_is_positive_where_the_network_is_better_whichever_way_that_is(scores):
    table = leads(scores, STUDY, ["care"]).query("tested_on == 'planaria'")
    found = table.set_index(["metric", "reference"])
    assert found["lead"].round(6).to_dict() == {
        ("nrmse", "input"): 0.05,
        ("nrmse", "gaussian"): 0.02,
        ("nrmse", "median"): 0.04,
        ("ssim", "input"): 0.6,
        ("ssim", "gaussian"): 0.1,
        ("ssim", "median"): -0.05,
    }
    assert found["value"].round(6)["nrmse", "median"] == 0.04
    assert found["reference_value"].round(6)["nrmse", "median"] == 0.08


def test_its_interval_is_that_of_the_paired_difference(scores):
    row = leads(scores, STUDY, ["care"]).query("metric == 'nrmse' and reference == 'median'")
    reach = students(np.array([0.02, 0.04, 0.06]))
    assert row[["low", "high"]].to_numpy()[0] == pytest.approx([0.04 - reach, 0.04 + reach])


def test_only_the_first_protocol_counts(scores):
    assert set(leads(scores, STUDY, ["care"])["protocol"]) == {"paper"}


def test_the_smallest_lead_is_that_over_the_strongest_reference(scores):
    table = smallest_leads(leads(scores, STUDY, ["care"]).query("tested_on == 'planaria'"))
    strongest = table.set_index("metric")["reference"]
    assert strongest.to_dict() == {"nrmse": "gaussian", "ssim": "median"}


def test_filters_go_without_the_input(scores):
    assert set(over_filters(leads(scores, STUDY, ["care"]))["reference"]) == {"gaussian", "median"}


def test_the_replication_counts_on_its_own_organism(scores):
    table = replication_leads(scores, STUDY)
    assert set(table["method"]) == {"care"}
    assert set(table["tested_on"]) == {"planaria"}
