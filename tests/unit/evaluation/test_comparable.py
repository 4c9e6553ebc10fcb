"""Which published numbers may stand beside which."""

import pytest
from made_up import ROOT, study_of

from denoising.evaluation.comparable import comparable, with_ours
from denoising.evaluation.scores import read_tidy

PROTOCOLS = read_tidy(ROOT / "resources/published_protocols.csv")
MODELS = {"s": {"tested_on": ["planaria"], "models": {"planaria": {"trained_on": "planaria"}}}}


@pytest.fixture
def table():
    return comparable(with_ours(PROTOCOLS, study_of(MODELS))).set_index("source")


def test_only_the_papers_protocol_is_shared_by_several(table):
    assert table.loc["CARE paper", "beside"] == "Noise2Same; GVTNets; this study, paper"
    assert table.loc["2019 study, planaria", "beside"] == "this study, study2019"
    alone = ["2019 study, tribolium", "ZeroCostDL4Mic CARE 3D", "ZeroCostDL4Mic CARE 2D", "UniFMIR"]
    assert set(table.loc[alone, "beside"]) == {"none"}


def test_the_table_says_what_differs_from_the_paper(table):
    assert not table.loc[["CARE paper", "Noise2Same", "GVTNets"], "why_not"].any()
    assert table.loc["2019 study, planaria", "why_not"] == "other scaling, SSIM; no PSNR (dB)"
    reason = table.loc["ZeroCostDL4Mic CARE 3D", "why_not"]
    assert reason == "other images, NRMSE, SSIM; other test set"


def test_simulated_specimens_stand_beside_nothing():
    specimens = {"species": "planaria", "shape": [16, 32, 32], "train_volumes": 2, "patches": 4}
    planaria = {
        "published": "planaria",
        "simulate": specimens | {"test_volumes": 2},
        "conditions": [{"name": "1", "source": "condition_1"}],
        "patches": {"shape": [8, 16, 16]},
    }
    study = study_of(MODELS, datasets={"planaria": planaria})
    table = comparable(with_ours(PROTOCOLS, study)).set_index("source")
    assert table.loc[["this study, paper", "this study, study2019"], "beside"].tolist() == [
        "none",
        "none",
    ]
    assert "this study" not in table.loc["CARE paper", "beside"]
