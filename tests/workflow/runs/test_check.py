"""`snakemake check`, and the check that every run makes first."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from conftest import copy_workflow

VOLUMES = "results/volumes/mine"


@pytest.fixture
def flow(tmp_path):
    """The workflow with four pairs of images of 1.2 MB, too large for Snakemake's checksums."""
    flow = copy_workflow(tmp_path)
    (tmp_path / "raw").mkdir()
    for number, name in enumerate("abcd"):
        rng = np.random.default_rng(number)
        truth = np.kron(rng.integers(500, 9000, (12, 96, 96)), np.ones((1, 8, 8)))[0]
        for side, noise in (("low", 900), ("high", 100)):
            image = (truth + rng.normal(0, noise, truth.shape)).clip(0).astype(np.uint16)
            tifffile.imwrite(tmp_path / f"raw/{name}_{side}.tif", image, metadata={"axes": "YX"})
    flow.study = {
        "title": "Mine",
        "device": "cpu",
        "datasets": {
            "mine": {
                "pairs": {"low": "raw/*_low.tif", "high": "raw/*_high.tif", "axes": "YX"},
                "patches": {"shape": [16, 16], "per_volume": 8},
            }
        },
        "training": {"width": 4, "epochs": 1, "steps_per_epoch": 2, "batch_size": 4},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
    }
    flow.arguments = ["--cores", "1", "--configfile", flow.write_config(flow.study)]
    return flow


def raw(flow):
    return sorted((flow.root / "raw").iterdir())


def test_images_that_are_touched_or_copied_are_looked_at_and_not_imported_again(flow):
    target = "results/patches/mine/X.npy"
    flow.run(target, *flow.arguments)
    assert not flow.jobs(target, *flow.arguments)
    for path in raw(flow):
        assert path.stat().st_size > 1_000_000
        os.utime(path)
    assert flow.jobs(target, *flow.arguments) == {"check_pairs": 1}
    assert flow.run(target, *flow.arguments).ran == {"check_pairs"}
    assert not flow.jobs(target, *flow.arguments)
    for path in raw(flow):
        shutil.copyfile(path, flow.root / "copy")
        os.replace(flow.root / "copy", path)
    assert flow.run(target, *flow.arguments).ran == {"check_pairs"}
    assert not flow.jobs(target, *flow.arguments)


def test_images_that_hold_something_else_are_imported_again(flow):
    target = "results/patches/mine/X.npy"
    flow.run(target, *flow.arguments)
    volume = next((flow.root / VOLUMES).glob("*/low/b.tif"))
    path = flow.root / "raw/b_low.tif"
    image = tifffile.imread(path)[::-1]
    tifffile.imwrite(path, image, metadata={"axes": "YX"})
    done = flow.run(target, *flow.arguments)
    message = "raw/b_low.tif: changed since the import; what was made from it is made again"
    assert message in done.said
    assert done.ran == {"check_pairs", "import_pairs", "patches"}
    np.testing.assert_array_equal(tifffile.imread(volume), image)
    assert not flow.jobs(target, *flow.arguments)


def test_all_that_is_wrong_is_said_before_anything_is_imported(flow):
    for value, name in enumerate(("a_low", "b_high")):
        blank = np.full((768, 768), value, np.uint16)
        tifffile.imwrite(flow.root / f"raw/{name}.tif", blank, metadata={"axes": "YX"})
    done = flow.run(*flow.arguments, check=False)
    assert done.returncode != 0
    assert "datasets.mine: 2 files or pairs cannot be used." in done.said
    assert done.said.count("raw/a_low.tif: its percentiles 3 and") == 1
    assert done.said.count("raw/b_high.tif: its percentiles 3 and") == 1
    assert done.said.endswith("patches.percentiles. (log: logs/check_pairs/mine.log)\n")
    assert done.ran == {"check_pairs"}
    assert not (flow.root / VOLUMES).exists()


def test_check_imports_nothing_and_says_each_time_what_will_run_and_what_it_warns_of(flow):
    """Nor does a warning stop a run, which says it too."""
    assert flow.jobs("check", *flow.arguments) == {"check_pairs": 1, "check": 1}
    low, high = (flow.root / f"raw/b_{side}.tif" for side in ("low", "high"))
    image = np.roll(tifffile.imread(low), 5, axis=0)
    tifffile.imwrite(low, image, metadata={"axes": "YX"})
    warning = "raw/b_low.tif: what it shows lies 5 voxels along Y from where raw/b_high.tif shows"
    assert warning in flow.run(VOLUMES, *flow.arguments).said
    assert warning in (flow.root / "results/checks/mine.txt").read_text()
    said = flow.run("check", *flow.arguments).said
    page = (flow.root / "results/checks/plan.txt").read_text()
    assert page in said
    assert warning in said
    assert "mine: 4 image pairs, all looked at: 3 to train on, 1 to test on (" in page
    assert "Models: 1 of 1 trainings to run." in page
    assert flow.jobs("check", *flow.arguments) == {"check": 1}


def test_other_settings_of_the_check_look_again_and_import_nothing(flow):
    flow.run(VOLUMES, *flow.arguments)
    mine = flow.study["datasets"]["mine"]
    for section, change in (
        ("pairs", {"largest_shift": 7}),
        ("patches", {"percentiles": [3, 99.99]}),
    ):
        mine[section] |= change
        flow.write_config(flow.study)
        assert flow.jobs(VOLUMES, *flow.arguments) == {"check_pairs": 1}
        assert flow.run(VOLUMES, *flow.arguments).ran == {"check_pairs"}
    assert not flow.jobs(VOLUMES, *flow.arguments)


def test_a_test_image_that_trains_in_another_dataset_is_refused(flow):
    """Of a copy of all images under other names, others are held out."""
    (flow.root / "copy").mkdir()
    for path, name in zip(raw(flow)[::2] + raw(flow)[1::2], 2 * "wxyz", strict=True):
        side = path.stem.partition("_")[2]
        shutil.copyfile(path, flow.root / f"copy/{name}_{side}.tif")
    flow.study["datasets"]["other"] = {
        "pairs": {"low": "copy/*_low.tif", "high": "copy/*_high.tif", "axes": "YX"},
        "patches": {"shape": [16, 16]},
    }
    flow.study["datasets"]["other"]["pairs"]["test_fraction"] = 0.5
    flow.study["studies"]["mine"]["tested_on"] = ["mine", "other"]
    flow.write_config(flow.study)
    assert flow.jobs(*flow.arguments)["check_leaks"] == 1
    for target in (["check"], []):
        done = flow.run(*target, *flow.arguments, check=False)
        assert done.returncode != 0
        assert "models trained on mine would be tested on images they have seen" in done.said
        assert "a test image of other, has the pixels of raw/" in done.said
        assert "check_leaks" in done.ran and "train" not in done.ran


@pytest.mark.parametrize("config", ["config/config.yaml", "config/paper.yaml"])
def test_check_makes_nothing_of_simulated_and_published_images(workflow, config):
    assert workflow.jobs("check", "--configfile", config) == {"check": 1}


def test_check_plans_what_is_to_be_simulated(workflow, miniature_config, tmp_path):
    config = workflow.write_config(miniature_config)
    said = workflow.run(
        "check", "--cores", "1", "--directory", tmp_path, "--configfile", config
    ).said
    assert "planaria: specimens that are simulated here:" in said
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["checks"]
