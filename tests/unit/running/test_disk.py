"""The disk space a study takes is told from its config and from published sizes, and what is unknown is said."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from denoising.images.files import Storage, write
from denoising.running.disk import disk_use, said
from denoising.study.config import resolve

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "resources/published_volumes.csv"


def study(name="paper", **restoration):
    config = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    config["restoration"] = config.get("restoration", {}) | restoration
    return resolve(
        config, yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    )


def test_the_published_study():
    use = disk_use(study(), PUBLISHED, cores=4)
    assert use["archives"] == {"planaria": None, "tribolium": 4.8128e9}
    patches = 17_005 * 16 * 64 * 64 * 8
    stack = 20 * 95 * 1024 * 1024
    assert use["patches"]["planaria"] == patches
    assert use["volumes"]["planaria"] == patches + 4 * stack * 2
    # Three conditions by five baselines; means and scales of a model, and of another that is made beside it
    assert use["restorations"]["planaria"] == 3 * stack * 4 * (5 + 2 * 3)
    other = 6 * 50 * 700 * 700
    # And the clean stacks, which the 2019 study took for its input
    assert use["restorations"]["tribolium"] == 3 * other * 4 * (5 + 2 * 3) + other * 4
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


def test_a_cluster_may_restore_all_at_once():
    anywhere, kept = (
        disk_use(study(keep=keep), PUBLISHED, cores=4, devices=devices)["restorations"]
        for keep, devices in ((False, float("inf")), (True, 1))
    )
    assert anywhere == kept


def test_runs_that_are_averaged_are_there_together():
    several = study()
    several["models"]["planaria-100"]["seeds"] = [1, 2, 3, 4, 5]
    use = disk_use(several, PUBLISHED, cores=2)
    stack = 95 * 1024 * 1024
    assert use["scratch"]["planaria"] == 6 * stack * 4  # five runs, and their mean
    assert use["restorations"]["planaria"] == 60 * stack * 4 * (5 + 3 * (2 * 5 + 1))


def test_slabs_of_a_restoration_that_jobs_share_lie_beside_it():
    """Float32, whatever restorations are stored as; both mean and scale."""
    alone, shared = (
        disk_use(study(dtype="float16", jobs=jobs), PUBLISHED, cores=4)["restorations"]["planaria"]
        for jobs in (1, 2)
    )
    assert shared - alone == 2 * 4 * 3 * 20 * 95 * 1024 * 1024


def test_the_default_study_is_known_in_full():
    use = disk_use(study("config"), PUBLISHED, cores=4)
    assert all(size for sizes in use.values() for size in sizes.values())
    assert use["scratch"] == dict.fromkeys(("planaria", "tribolium"), 4 * 4 * 16 * 96 * 96)
    assert "unknown" not in said(use, 1e9)


@pytest.fixture
def own_pairs(tmp_path, monkeypatch):
    """The disk use of two pairs, the low-SNR images 16 bits, the others 32, as they are stored."""
    monkeypatch.chdir(tmp_path)

    def use(storage, suffix=".tif"):
        for name in ("a", "b"):
            for side, dtype in (("low", np.uint16), ("high", np.float32)):
                write(
                    Path(f"{name}_{side}.tif"), np.ones((8, 10, 20), dtype), "ZYX", storage=storage
                )
        pairs = {"low": f"*_low{suffix}", "high": f"*_high{suffix}"}
        config = {
            "title": "mine",
            "datasets": {"mine": {"pairs": pairs, "patches": {"shape": [8, 16, 16]}}},
            "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
        }
        schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
        return {
            part: sizes["mine"]
            for part, sizes in disk_use(resolve(config, schema), PUBLISHED, cores=4).items()
        }

    return use


@pytest.mark.parametrize(
    ("storage", "suffix"),
    [
        (Storage(), ".tif"),
        (Storage(compression=True), ".tif"),
        (Storage("ome-zarr", compression=True), ".ome.zarr"),
    ],
)
def test_pairs_are_as_large_as_their_pixels_however_they_are_stored(storage, suffix, own_pairs):
    use, voxels = own_pairs(storage, suffix), 8 * 10 * 20
    assert (use["archives"], use["volumes"]) == (0, 2 * voxels * (2 + 4))
    assert use["patches"] == 2 * 64 * 8 * 16 * 16 * 8
    assert use["restorations"] == voxels * (
        5 * 4 + 8
    )  # of one test volume; five baselines, the one model
    assert use["scratch"] == 4 * voxels * 4  # a test volume for each core


def test_pairs_that_cannot_be_read_are_unknown(own_pairs):
    own_pairs(Storage())
    Path("c_low.tif").touch()
    assert own_pairs(Storage())["volumes"] is None
    Path("c_high.tif").touch()
    assert own_pairs(Storage())["volumes"] is None


def test_an_archive_of_nobody_knows_what_is_said_to_be_unknown():
    paper = study()
    paper["datasets"]["planaria"]["published"] = None
    use = disk_use(paper, PUBLISHED, cores=4)
    assert [use[part]["planaria"] for part in use] == [None] * 5
    assert "restorations of planaria" in said(use, 1e9)
