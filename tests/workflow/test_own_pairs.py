"""A microscopist's own image pairs, through the whole workflow."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from conftest import ROOT, copy_workflow

from denoising.images.files import Storage, write

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
    flow.run("--cores", "2", "--resources", "gpu=1", "--configfile", config)
    scores = pd.read_csv(tmp_path / "results/scores.csv", keep_default_na=False)
    assert scores["volume"].nunique() == 1
    assert set(scores["condition"]) == {"low"}
    paper = scores[scores["protocol"] == "paper"].pivot_table("value", "output", "metric")
    assert paper.loc["network", "nrmse"] < paper.loc["input", "nrmse"]
    runtimes = (tmp_path / "results/tables/runtimes.md").read_text()
    assert "confocal-care" in runtimes
    assert "2019 study" not in runtimes


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
    said = flow.run(*arguments).said
    assert "rule import_pairs" in said
    assert "rule patches" in said


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
    said = flow.run(*arguments("low", "high")).said
    assert "rule import_pairs" in said
    assert "rule patches" in said
