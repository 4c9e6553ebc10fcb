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
    use = disk_use(study(), PUBLISHED)
    assert use["archives"] == {"planaria": None, "tribolium": 4.8128e9}
    patches = 17_005 * 16 * 64 * 64 * 8
    stack = 20 * 95 * 1024 * 1024
    assert use["patches"]["planaria"] == patches
    assert use["volumes"]["planaria"] == patches + 4 * stack * 2
    # A model's means and scales while another's are made, beside non-local means
    assert use["restorations"]["planaria"] >= 5 * 3 * stack * 4
    line = said(use, 61e9)
    assert "unknown: archives of planaria. 61 GB are free here." in line
    assert line.count("\n") == 0


def test_kept_restorations_are_counted_for_every_model():
    small, kept = (disk_use(study(keep=keep), PUBLISHED)["restorations"]["planaria"] for keep in (False, True))
    assert kept > 5 * small / 2
    half = disk_use(study(keep=True, dtype="float16"), PUBLISHED)["restorations"]["planaria"]
    assert half < 0.6 * kept


def test_slabs_of_a_restoration_that_jobs_share_lie_beside_it():
    """Float32, whatever restorations are stored as; both mean and scale."""
    alone, shared = (
        disk_use(study(dtype="float16", jobs=jobs), PUBLISHED)["restorations"]["planaria"] for jobs in (1, 2)
    )
    assert shared - alone == 2 * 4 * 3 * 20 * 95 * 1024 * 1024


def test_the_default_study_is_known_in_full():
    use = disk_use(study("config"), PUBLISHED)
    assert all(size for sizes in use.values() for size in sizes.values())
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
    use = disk_use(resolve(config, schema), PUBLISHED)
    assert (use["archives"]["mine"], use["volumes"]["mine"]) == (0, 4000)
    assert use["patches"]["mine"] == 2 * 64 * 8 * 16 * 16 * 8
    assert use["restorations"]["mine"] == pytest.approx(1000 * 0.2 * (5 * 4 + 2 * 8))  # five baselines


def test_an_archive_of_nobody_knows_what_is_said_to_be_unknown():
    paper = study()
    paper["datasets"]["planaria"]["published"] = None
    use = disk_use(paper, PUBLISHED)
    assert [use[part]["planaria"] for part in use] == [None] * 4
    assert "restorations of planaria" in said(use, 1e9)
