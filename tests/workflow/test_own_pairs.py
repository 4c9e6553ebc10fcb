"""A microscopist's own image pairs, through the whole workflow."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, copy_workflow

PAIRS = ROOT.parent / "shared" / "data" / "pairs2d"


@pytest.mark.skipif(not PAIRS.is_dir(), reason="the real pairs are not here")
def test_real_pairs_are_trained_on_restored_and_scored(tmp_path: Path):
    flow = copy_workflow(tmp_path)
    config = flow.write_config(
        {
            "title": "Real confocal pairs",
            "device": "cpu",
            "datasets": {
                "confocal": {
                    "pairs": {"low": f"{PAIRS}/fmd_*_noisy.tif", "high": f"{PAIRS}/fmd_*_gt.tif", "axes": "YX"},
                    "patches": {"shape": [32, 32], "per_volume": 128},
                }
            },
            "training": {"width": 8, "epochs": 4, "steps_per_epoch": 50, "learning_rate": 0.001, "split": "random"},
            "studies": {"mine": {"models": {"confocal-care": {"trained_on": "confocal"}}}},
        }
    )
    flow.run("--cores", "2", "--resources", "gpu=1", "--configfile", config)
    scores = pd.read_csv(tmp_path / "results/scores.csv", keep_default_na=False)
    assert scores["volume"].nunique() == 1
    assert set(scores["condition"]) == {"low"}
    paper = scores[scores["protocol"] == "paper"].pivot_table("value", "output", "metric")
    assert paper.loc["network", "nrmse"] < paper.loc["input", "nrmse"]
    runtimes = (tmp_path / "results/tables/runtimes.md").read_text()
    assert "confocal-care" in runtimes
    assert "2019 study" not in runtimes
