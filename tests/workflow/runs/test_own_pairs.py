"""A microscopist's own image pairs, through the whole workflow."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import ROOT, copy_workflow
from scipy.ndimage import gaussian_filter

from denoising.images.files import Storage, write
from denoising.images.volumes import open_volume

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
                    "pairs": {
                        "low": f"{PAIRS}/fmd_*_noisy.tif",
                        "high": f"{PAIRS}/fmd_*_gt.tif",
                        "axes": "YX",
                    },
                    "patches": {"shape": [32, 32], "per_volume": 128},
                }
            },
            "training": {
                "width": 8,
                "epochs": 4,
                "steps_per_epoch": 50,
                "learning_rate": 0.001,
                "split": "random",
            },
            "studies": {"mine": {"models": {"confocal-care": {"trained_on": "confocal"}}}},
        }
    )
    targets = ["results/scores.csv", "results/tables/runtimes.md"]
    flow.run(*targets, "--cores", "2", "--resources", "gpu=1", "--configfile", config)
    scores = pd.read_csv(tmp_path / "results/scores.csv", keep_default_na=False)
    assert scores["volume"].nunique() == 1
    assert set(scores["condition"]) == {"low"}
    paper = scores[scores["protocol"] == "paper"].pivot_table("value", "output", "metric")
    assert paper.loc["network", "nrmse"] < paper.loc["input", "nrmse"]
    runtimes = (tmp_path / "results/tables/runtimes.md").read_text()
    assert "confocal-care" in runtimes
    assert "2019 study" not in runtimes


def test_thin_stacks_train_restore_and_are_scored_by_plane(tmp_path: Path):
    """Stacks of 1 to 6 planes side by side, with all filters."""
    flow = copy_workflow(tmp_path)
    for planes in (1, 2, 3, 5, 6):
        rng = np.random.default_rng(planes)
        truth = gaussian_filter(rng.random((planes, 40, 44)), (0, 1.5, 1.5)) * 2000
        for side, image in (("low", rng.poisson(truth / 20)), ("high", truth)):
            write(tmp_path / f"raw/s{planes}_{side}.tif", image.astype(np.uint16), "ZYX")
    patches = {"shape": [16, 16, 16], "per_volume": 8}
    pairs = {"low": "raw/*_low.tif", "high": "raw/*_high.tif", "test_fraction": 0.4}
    study = {
        "title": "Thin stacks",
        "datasets": {"mine": {"pairs": pairs, "patches": patches}},
        "training": {"width": 4, "epochs": 1, "steps_per_epoch": 4, "batch_size": 4},
        "restoration": {"keep": True},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
    }
    target = ["results/tables/table_mine.md", "results/scores.csv", "--cores", "2", "--resources"]
    target += ["gpu=1", "--configfile"]
    said = flow.run(*target, flow.write_config(study), check=False).said
    assert "too small for a patch of (16, 16, 16); set the dataset's patches.shape to [16, 16]" in (
        said
    )
    patches["shape"] = [16, 16]
    flow.run(*target, flow.write_config(study))
    log = (tmp_path / "logs/patches/mine.log").read_text()
    assert re.search(r"cut 24 patches from 3 images; \d+ of \d+ places", log)
    scores = pd.read_csv(tmp_path / "results/scores.csv", keep_default_na=False)
    ssim = scores[scores["metric"] == "ssim"]
    assert set(ssim["window"]) == {"7x7"}
    assert ssim["output"].nunique() == 7
    assert "SSIM by plane (mine)" in (tmp_path / "results/tables/table_mine.md").read_text()
    for name in ssim["volume"]:
        restored = open_volume(tmp_path / f"results/restored/care/mine/low/{name}.tif", "ZYX")
        assert restored.shape == (int(name[1]), 40, 44)


def test_ome_zarr_groups_are_brought_in_once_and_again_when_written_anew(tmp_path: Path):
    flow = copy_workflow(tmp_path)

    def save(*names):
        for name in names:
            for side in ("low", "high"):
                image = np.random.default_rng().integers(0, 999, (8, 20, 24)).astype(np.uint16)
                write(
                    tmp_path / f"raw/{name}_{side}.tif",
                    image,
                    "ZYX",
                    storage=Storage("ome-zarr", None, True),
                )

    save("a", "b")
    config = flow.write_config(
        {
            "title": "Groups",
            "datasets": {
                "mine": {
                    "pairs": {"low": "raw/*_low.ome.zarr", "high": "raw/*_high.ome.zarr"},
                    "patches": {"shape": [8, 16, 16]},
                }
            },
            "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
        }
    )
    arguments = ["results/patches/mine/X.npy", "--cores", "1", "--configfile", config]
    assert "unknown" not in flow.run(*arguments).said
    assert set(pd.read_csv(tmp_path / "results/volumes/mine/volumes.csv")["volume"]) == {"a", "b"}
    assert not flow.jobs(*arguments)
    save("a")
    assert flow.jobs(*arguments) == {"check_pairs": 1}  # which tells whether anything changed
    assert {"import_pairs", "patches"} <= flow.run(*arguments).ran


def test_frames_of_movies_are_images(tmp_path: Path):
    flow = copy_workflow(tmp_path)
    (tmp_path / "raw é").mkdir()
    for number, side in enumerate(("low", "high")):
        for name in "ab":
            rng = np.random.default_rng([number, ord(name)])
            movie = rng.integers(0, 999, (3, 2, 20, 24)).astype(np.uint16)
            path = tmp_path / f"raw é/{name} {{ 1_{side}.tif"
            tifffile.imwrite(path, movie, imagej=True, metadata={"axes": "TCYX"})
    pairs = {"low": "raw é/*_low.tif", "high": "raw é/*_high.tif", "axes": "YX"}
    mine = {"pairs": pairs, "patches": {"shape": [16, 16]}}
    study = {
        "title": "Movies",
        "datasets": {"mine": mine},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
    }
    target = ["results/patches/mine/X.npy", "--cores", "1", "--configfile"]
    said = flow.run(*target, flow.write_config(study), check=False).said
    assert "in pairs add channel: 0 (the first of its 2 channels)" in said
    pairs |= {"channel": 0, "frames": [0, 2]}
    flow.run(*target, flow.write_config(study))
    volumes = pd.read_csv(tmp_path / "results/volumes/mine/volumes.csv")["volume"]
    assert set(volumes) == {f"{name} {{ 1-t000{t}" for name in "ab" for t in (0, 2)}


def test_training_patches_of_csbdeep_are_a_source(tmp_path: Path):
    flow = copy_workflow(tmp_path)
    X = np.random.default_rng(0).uniform(0, 1, (40, 2, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "theirs.npz", X=X, Y=X, axes="SCYX")
    pairs = {"low": "*_low.tif", "high": "*_high.tif", "axes": "YX"}
    patches = {"shape": [16, 16]}
    npz = {"path": "theirs.npz"}
    for name in ("a_low", "a_high", "b_low", "b_high"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 24), np.uint8))
    study = {
        "title": "An npz",
        "datasets": {
            "mine": {"pairs": pairs, "patches": patches},
            "theirs": {"npz": npz, "patches": patches | {"source": "npz"}},
        },
        "studies": {
            "mine": {"tested_on": ["mine"], "models": {"care": {"trained_on": "theirs"}}},
        },
    }
    target = ["results/splits/theirs/tail.csv", "--cores", "1", "--configfile"]
    said = flow.run(*target, flow.write_config(study), check=False).said
    assert "theirs.npz: array X has 2 channels" in said
    npz["channel"] = 1
    flow.run(*target, flow.write_config(study))
    np.testing.assert_array_equal(np.load(tmp_path / "results/patches/theirs/X.npy"), X[:, 1])


def test_pairs_that_were_swapped_in_the_config_are_imported_again(tmp_path: Path):
    flow = copy_workflow(tmp_path)
    rng = np.random.default_rng(0)
    for name in "ab":
        for side in ("low", "high"):
            image = rng.integers(0, 999, (16, 20)).astype(np.uint16)
            write(tmp_path / f"raw/{name}_{side}.tif", image, "YX")

    def arguments(low, high):
        pairs = {"low": f"raw/*_{low}.tif", "high": f"raw/*_{high}.tif", "axes": "YX"}
        config = flow.write_config(
            {
                "title": "Pairs",
                "datasets": {"mine": {"pairs": pairs, "patches": {"shape": [8, 8]}}},
                "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
            }
        )
        return ["results/patches/mine/X.npy", "--cores", "1", "--configfile", config]

    flow.run(*arguments("high", "low"))
    assert not flow.jobs(*arguments("high", "low"))
    assert {"import_pairs", "patches"} <= flow.run(*arguments("low", "high")).ran
