"""What only a GPU can show: the steps of a training in every way, restoration, and what happens
where its memory ends. `make gpu-check` runs this.

With GPU_CHECK_ON=cpu the same runs on a CPU, which shows that these tests run, and no more.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from denoising.running.devices import visible_gpus
from denoising.running.gpus import Gpu

ROOT = Path(__file__).parents[2]
WORK = Path(__file__).parent / "work.py"
ON = os.environ.get("GPU_CHECK_ON", "gpu")
pytestmark = pytest.mark.skipif(ON == "gpu" and not visible_gpus(), reason="no GPU is visible")
needs_gpu = pytest.mark.skipif(ON != "gpu", reason="a CPU has no such limit")

WAYS = {
    "plain": {},
    "folded": {"folded": True},
    "several steps per call": {"steps_per_call": 4},
    "XLA": {"xla": True},
    "XLA, channels last": {"xla": True, "channels_last": True},
    "XLA, channels last, folded": {"xla": True, "channels_last": True, "folded": True},
}


def done(name, **arguments):
    """What a process of `work.py` answers."""
    command = [sys.executable, WORK, name, json.dumps({"device": ON} | arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@cache
def trained(way="plain", precision="float32", resident=True, limit_mb=None, device=ON):
    return done(
        "train",
        way=WAYS[way],
        precision=precision,
        resident=resident,
        limit_mb=limit_mb,
        device=device,
    )


def test_the_card_is_named(record_property):
    name = trained()["device"]
    record_property("found", name)
    assert name.startswith("GPU" if ON == "gpu" else "CPU")
    if ON == "gpu":
        assert Gpu(on_gpu=True).card() is not None


@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains_as_a_cpu_does(way, record_property):
    found = np.array(trained(way)["losses"])
    expected = np.array(trained(device="cpu")["losses"])
    difference = np.abs(found - expected).max()
    record_property("found", f"losses differ from a CPU's by at most {difference:.1e}")
    assert trained(way)["xla"] == WAYS[way].get("xla", False), "the first step failed under XLA"
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16"])
def test_other_precisions_train_to_like_losses(precision, record_property):
    if ON != "gpu" and precision != "bfloat16":
        pytest.skip("a CPU has no such precision")
    if precision != "float16" and ON == "gpu" and Gpu(on_gpu=True).card().capability < (8, 0):
        pytest.skip("this card has no such precision")
    found = np.array(trained(precision=precision)["losses"])
    expected = np.array(trained()["losses"])
    difference = np.abs(found - expected).max()
    record_property("found", f"losses differ from float32's by at most {difference:.1e}")
    np.testing.assert_allclose(found, expected, rtol=0.1, atol=0.05)


def test_patches_from_disk_train_as_resident_ones(record_property):
    found, expected = (np.array(trained(resident=each)["losses"]) for each in (False, True))
    record_property("found", f"losses differ by at most {np.abs(found - expected).max():.1e}")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_same_training_again(record_property):
    """On a GPU not to the bit: how far apart is for the summary."""
    again = trained.__wrapped__()
    difference = np.abs(np.subtract(again["losses"], trained()["losses"])).max()
    record_property(
        "found", f"losses of the same training again differ by at most {difference:.1e}"
    )
    assert difference < 1e-3


def test_the_trial_measures_every_way(record_property):
    found = done("trial")
    record_property("found", f"milliseconds per step: {found}")
    assert "no XLA" in found
    assert len(found) == 9


def test_restoration_is_that_of_a_cpu(record_property):
    found = done("restore", max_tile_voxels=200_000, limit_mb=None)
    record_property("found", f"differs by at most {max(found['differences']):.1e} of the range")
    assert max(found["differences"]) < 1e-4


@needs_gpu
def test_restoration_takes_smaller_tiles_where_memory_ends(record_property):
    found = done("restore", max_tile_voxels=10**7, limit_mb=120)
    record_property("found", f"tiles of at most {found['max_tile_voxels']} voxels in 120 MB")
    assert max(found["differences"]) < 1e-4
    assert found["max_tile_voxels"] < 10**7


@needs_gpu
def test_training_reads_patches_from_disk_where_memory_ends(record_property):
    """131 MB of patches, and as much again while they are copied, have no room in 170 MB; a step
    takes some 100 MB.
    """
    found = trained(resident=True, limit_mb=170)
    record_property("found", f"resident: {found['resident']}; peak {found['memory_mb']} MB")
    assert not found["resident"]
    assert np.isfinite(found["losses"]).all()


def test_a_study_runs_on_it(tmp_path, record_property):
    """Trainings, restorations and conformal factors as jobs, with a reservation of the device."""
    study = yaml.safe_load((ROOT / "tests/faults/study.yaml").read_text())
    study |= {"device": ON, "compute": {}}
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump(study))
    targets = ["results/scores.csv", "results/tables/runtimes.csv"]
    options = ["--cores", "2", "--resources", "gpu=1", "--configfile", config]
    command = [sys.executable, "-m", "snakemake", *targets, *options, "--directory", tmp_path]
    environment = {**os.environ, "DENOISING_CACHE": str(tmp_path / "cache")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    models = sorted((tmp_path / "results/models").glob("*/training.json"))
    described = [json.loads(path.read_text()) for path in models]
    assert [each["device"].partition(",")[0] for each in described] == [ON.upper()] * 2
    kept = list((tmp_path / "cache").glob("steps-*.json"))
    assert len(kept) == (ON == "gpu")  # the second training takes what the first has measured
    precision, resident = described[0]["precision"], described[0]["resident"]
    record_property("found", f"precision {precision}, resident: {resident}")
