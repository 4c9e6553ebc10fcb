"""The disk space a study takes is told from its config and from published sizes, and what is unknown is said."""

from pathlib import Path

import pytest
import yaml

from denoising.disk import disk_use, said
from denoising.study import resolve

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "resources/published_volumes.csv"


def study(name="paper", **restoration):
    config = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    config["restoration"] = config.get("restoration", {}) | restoration
    return resolve(config, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()))


def test_the_published_study():
    use = disk_use(study(), PUBLISHED, cores=4)
    assert use["archives"] == {"planaria": None, "tribolium": 4.8128e9}
    patches = 17_005 * 16 * 64 * 64 * 8
    stack = 20 * 95 * 1024 * 1024
    assert use["patches"]["planaria"] == patches
    assert use["volumes"]["planaria"] == patches + 4 * stack * 2
    # Three conditions by five baselines; means and scales of a model, and of another that is made beside it
    assert use["restorations"]["planaria"] == 3 * stack * 4 * (5 + 2 * 2)
    other = 6 * 50 * 700 * 700
    # And the clean stacks, which the 2019 study took for its input
    assert use["restorations"]["tribolium"] == 3 * other * 4 * (5 + 2 * 2) + other * 4 * 2
    # An image for each core
    assert use["scratch"] == {"planaria": 4 * 4 * stack / 20, "tribolium": 4 * 4 * other / 6}
    line = said(use, 61e9)
    assert "unknown: archives of planaria. 61 GB are free here." in line
    assert line.count("\n") == 0


def test_kept_restorations_are_counted_for_every_model():
    kept = disk_use(study(keep=True), PUBLISHED, cores=4)["restorations"]
    stack = 20 * 95 * 1024 * 1024
    # nine models and the five of the second arms, of which all but tribolium's 200 epochs see planaria's test set
    models = len([model for model, tests in study()["tests"].items() if "planaria" in tests])
    assert kept["planaria"] == 3 * stack * 4 * (5 + 2 * models)
    halves = disk_use(study(keep=True, dtype="float16"), PUBLISHED, cores=4)["restorations"]
    assert halves == {name: size / 2 for name, size in kept.items()}


def test_runs_that_are_averaged_are_there_together():
    several = study()
    several["models"]["planaria-100"]["seeds"] = [1, 2, 3, 4, 5]
    use = disk_use(several, PUBLISHED, cores=2)
    stack = 95 * 1024 * 1024
    assert use["scratch"]["planaria"] == 6 * stack * 4  # five runs, and their mean
    assert use["restorations"]["planaria"] == 60 * stack * 4 * (5 + 2 * (2 * 5 + 1))


def test_the_default_study_is_known_in_full():
    use = disk_use(study("config"), PUBLISHED, cores=4)
    assert all(size for sizes in use.values() for size in sizes.values())
    assert use["scratch"] == dict.fromkeys(("planaria", "tribolium"), 4 * 4 * 16 * 96 * 96)
    assert "unknown" not in said(use, 1e9)


def test_pairs_are_as_large_as_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a_low.tif", "b_low.tif", "a_high.tif", "b_high.tif"):
        Path(name).write_bytes(bytes(1000))
    config = {
        "title": "mine",
        "datasets": {"mine": {"pairs": {"low": "*_low.tif", "high": "*_high.tif"}, "patches": {"shape": [8, 16, 16]}}},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
    }
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    use = disk_use(resolve(config, schema), PUBLISHED, cores=4)
    assert (use["archives"]["mine"], use["volumes"]["mine"]) == (0, 4000)
    assert use["patches"]["mine"] == 2 * 64 * 8 * 16 * 16 * 8
    assert use["restorations"]["mine"] == pytest.approx(1000 * 0.2 * (5 * 4 + 2 * 8))  # five baselines
    assert use["scratch"]["mine"] == pytest.approx(4 * 1000 * 0.2 * 4)  # of one image


def test_an_archive_of_nobody_knows_what_is_said_to_be_unknown():
    paper = study()
    paper["datasets"]["planaria"]["published"] = None
    use = disk_use(paper, PUBLISHED, cores=4)
    assert [use[part]["planaria"] for part in use] == [None] * 5
    assert "restorations of planaria" in said(use, 1e9)
