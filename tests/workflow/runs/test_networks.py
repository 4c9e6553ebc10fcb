"""Networks made elsewhere: scored, compared and calibrated beside a study's own."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import copy_workflow
from csbdeep.data import PercentileNormalizer
from csbdeep.utils import save_json
from random_networks import random_network

from denoising.images.files import write
from denoising.images.volumes import open_volume


def image(seed):
    return np.random.default_rng(seed).integers(100, 999, (40, 48)).astype(np.uint16)


def save_network(folder: Path, **options):
    """A csbdeep model folder with a probabilistic network of the axes X and Y."""
    network = random_network(
        **{"axes": "XY", "depth": 1, "kernel": 3, "probabilistic": True} | options
    )
    folder.mkdir(exist_ok=True)
    save_json(vars(network.config), str(folder / "config.json"))
    network.keras_model.save_weights(str(folder / "weights_best.h5"))
    return network


@pytest.fixture
def study(tmp_path: Path):
    """A copy of the workflow with pairs of planes, a network made elsewhere, and one to train."""
    flow = copy_workflow(tmp_path)
    for seed, name in enumerate(("a_low", "a_high", "b_low", "b_high")):
        write(tmp_path / f"raw/{name}.tif", image(seed), "YX", (None, 0.2, 0.2))
    flow.theirs = save_network(tmp_path / "theirs")
    pairs = {"low": "raw/*_low.tif", "high": "raw/*_high.tif", "axes": "YX"}
    training = {"width": 4, "epochs": 1, "steps_per_epoch": 2, "batch_size": 4, "restarts": 0}
    models = {
        "theirs": {"pretrained": "theirs"},
        "care": {"trained_on": "mine"},
        "further": {"trained_on": "mine", "start_from": "care", "learning_rate": 1e-9},
    }
    flow.config = {
        "title": "Networks",
        "device": "cpu",
        "datasets": {"mine": {"pairs": pairs, "patches": {"shape": [16, 16]}}},
        "training": training,
        "studies": {"mine": {"tested_on": ["mine"], "models": models}},
        "restoration": {"keep": True},
    }
    return flow


def run(flow, *targets, **options):
    return flow.run(
        *targets, "--cores", "2", "--configfile", flow.write_config(flow.config), **options
    )


def test_a_network_made_elsewhere_stands_beside_the_study_s_own(study):
    run(study)
    results = study.root / "results"
    scores = pd.read_csv(results / "scores.csv", keep_default_na=False)
    trained_on = scores[scores["output"] == "network"].groupby("model")["trained_on"].unique()
    assert {model: list(names) for model, names in trained_on.items()} == {
        "theirs": ["elsewhere"], "care": ["mine"], "further": ["mine"],
    }  # fmt: skip
    pairs = pd.read_csv(results / "tables/comparisons.csv", comment="#")
    assert {("care", "theirs"), ("theirs", "input")} <= set(
        zip(pairs["method"], pairs["reference"], strict=True)
    )
    assert "theirs" in (results / "tables/calibration.md").read_text()
    assert "theirs" not in (results / "tables/runtimes.md").read_text()
    volume = scores["volume"].iloc[0]
    restored = open_volume(results / f"restored/theirs/mine/low/{volume}.tif", "YX")
    noisy = image(0 if volume == "a" else 2)
    stock = study.theirs.predict_probabilistic(
        noisy.astype(np.float32), "YX", PercentileNormalizer(3, 99.8, do_after=False)
    ).mean()
    low, high = np.percentile(noisy, (3, 99.8))
    assert np.abs((restored - low) / (high - low) - stock).max() < 1e-5 * np.ptp(stock)
    # A start whose training hardly moves it stays what it was
    care, further = (open_volume(results / f"restored/{name}/mine/low/{volume}.tif", "YX")
                     for name in ("care", "further"))  # fmt: skip
    assert np.abs(care - further).max() < 1e-4 * np.ptp(care)
    told = json.loads((results / "models/further/training.json").read_text())
    assert told["settings"]["start_from"] == "care"


def test_a_network_of_several_channels_is_scored_on_each(study):
    network = save_network(study.root / "theirs", axes="YX", channels=2)
    for seed, name in enumerate(("a", "b")):
        for side in ("low", "high"):
            both = np.stack([image(10 * seed + len(side)), image(10 * seed + len(side) + 1)])
            both[1] += 3000
            write(study.root / f"raw/{name}_{side}.tif", both, "CYX")
    mine = study.config["datasets"].pop("mine")
    for channel, name in enumerate(("green", "red")):
        pairs = mine["pairs"] | {"channel": channel}
        study.config["datasets"][name] = mine | {"pairs": pairs}
    models = {"theirs": {"pretrained": "theirs", "channels": ["green", "red"]}}
    study.config["studies"]["mine"] = {"models": models}
    run(study, "results/scores/theirs/red.csv", "results/restored/theirs/green")
    scores = pd.read_csv(study.root / "results/scores/theirs/red.csv")
    volume = scores["volume"].iloc[0]
    noisy = np.stack([open_volume(study.root / f"results/volumes/{name}/test/low/{volume}.tif")
                      for name in ("green", "red")])  # fmt: skip
    stock = network.predict_probabilistic(
        noisy.astype(np.float32), "CYX", PercentileNormalizer(3, 99.8, do_after=False)
    ).mean()
    for name, channel, expected in zip(("green", "red"), noisy, stock, strict=True):
        restored = open_volume(study.root / f"results/restored/theirs/{name}/low/{volume}.tif")
        low, high = np.percentile(channel, (3, 99.8))
        assert np.abs((restored - low) / (high - low) - expected).max() < 1e-5 * np.ptp(stock)


def test_a_start_network_that_was_touched_trains_nothing_and_one_that_changed_is_named(study):
    network = save_network(study.root / "theirs", axes="YX").keras_model
    tuned = {"trained_on": "mine", "start_from": "theirs", "width": 2, "depth": 1}
    study.config["studies"]["mine"]["models"] = {"tuned": tuned}
    target = "results/models/tuned/training.json"
    run(study, target)
    weights = study.root / "theirs/weights_best.h5"
    weights.write_bytes(weights.read_bytes())
    again = [target, "--cores", "1", "--configfile", study.write_config(study.config)]
    assert not study.jobs(*again)
    network.set_weights([array * 1.01 for array in network.get_weights()])
    network.save_weights(str(weights))
    assert study.jobs(*again) == {"check_start": 1, "train": 1}
    said = run(study, target).said
    assert "because the network that it starts from changed" in said


@pytest.mark.parametrize("key", ["pretrained", "start_from"])
def test_weights_of_another_network_are_refused_by_the_check(study, key):
    save_network(study.root / "theirs", axes="YX")
    save_network(study.root / "wide", axes="YX", width=3)
    weights = (study.root / "wide/weights_best.h5").read_bytes()
    (study.root / "theirs/weights_best.h5").write_bytes(weights)
    settings = {"trained_on": "mine", "width": 2, "depth": 1} if key == "start_from" else {}
    study.config["studies"]["mine"]["models"] = {"one": {key: "theirs"} | settings}
    failed = run(study, "check", check=False)
    assert failed.returncode
    assert "theirs: the weights do not fit the network that config.json describes" in failed.said
    assert not (study.root / "results/volumes").exists()
