"""A training that is killed under Snakemake goes on with the next run, and ends as if it had not
been.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

MEASURED = [
    "seconds", "training_seconds", "samples_per_second", "voxels_per_second", "matmul_share",
    "host_memory_mb"
]  # fmt: skip
MODEL = "results/models/planaria-100"


def weights(folder):
    found = {}
    with h5py.File(folder / "weights_best.h5") as file:
        file.visititems(
            lambda name, item: found.update(
                {name: item[()]} if isinstance(item, h5py.Dataset) else {}
            )
        )
    return found


def training_process(root):
    """The id of the process that trains in the folder `root`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = (process / "cwd").resolve() == root.resolve()
            if inside and b"train.py" in (process / "cmdline").read_bytes().split(b"\0")[1]:
                return int(process.name)
        except (OSError, IndexError):
            continue
    return None


def wait_for_epoch(root, epoch):
    """Until the checkpoint of this epoch or of a later one is there."""
    until, newest = time.monotonic() + 120, 0
    while newest < epoch:
        assert time.monotonic() < until
        time.sleep(0.01)
        found = root.glob("results/checkpoints/planaria-100/*/epoch-*.npz")
        newest = max((int(path.stem.split("-")[1]) for path in found), default=0)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_killed_training_goes_on_with_the_next_run(workflow, miniature_config, tmp_path):
    miniature_config["training"] |= {"epochs": 40, "plateau_patience": 2}
    config = workflow.write_config(miniature_config, "long.yaml")
    arguments = [
        "--cores",
        "1",
        "--resources",
        "gpu=1",
        "--configfile",
        config,
        "--directory",
        tmp_path,
        "--",
        MODEL,
    ]
    arguments[-1] += "/training.json"
    workflow.run(*arguments)
    unstopped = tmp_path / "unstopped"
    shutil.move(tmp_path / MODEL, unstopped)
    assert pd.read_csv(unstopped / "history.csv")["learning_rate"].nunique() > 1

    log = tmp_path / "logs/train/planaria-100.log"
    for number, epoch in ((signal.SIGKILL, 3), (signal.SIGTERM, 12)):
        snakemake = workflow.start(*arguments)
        wait_for_epoch(tmp_path, epoch)
        os.kill(training_process(tmp_path), number)
        said = snakemake.communicate(timeout=60)[0]
        assert snakemake.returncode != 0
        assert not (tmp_path / MODEL / "training.json").exists()
    assert "stopped by SIGTERM after" in said  # on the console

    # As when the machine goes down: Snakemake has no time to clean up, and part of a model folder
    # may lie there
    snakemake = workflow.start(*arguments)
    wait_for_epoch(tmp_path, 20)
    os.kill(snakemake.pid, signal.SIGKILL)
    os.kill(training_process(tmp_path), signal.SIGKILL)
    snakemake.communicate(timeout=60)
    (tmp_path / MODEL).mkdir(exist_ok=True)
    (tmp_path / MODEL / "config.json").touch()
    workflow.run(*arguments[:-2], "--unlock")

    workflow.run(*arguments)
    assert "planaria-100: epoch 40/40, loss" in log.read_text()
    assert "continuing from epoch-000" in log.read_text()  # Snakemake starts each job's log anew
    np.testing.assert_equal(weights(tmp_path / MODEL), weights(unstopped))
    these, those = (
        pd.read_csv(each / "history.csv").drop(columns=MEASURED)
        for each in (tmp_path / MODEL, unstopped)
    )
    pd.testing.assert_frame_equal(these, those, check_exact=True)
    # No checkpoint is left of it when all has gone well
    kept = [path.name for path in tmp_path.glob("results/checkpoints/*/*/*")]
    assert kept == ["finished.json"]


def test_a_finished_model_stays_until_its_successor_is_done(workflow, miniature_config, tmp_path):
    """A change that makes a training fail, and back."""
    model = tmp_path / MODEL
    target = ["--cores", "1", "--directory", tmp_path, "--resources", "gpu=1"]

    def run(name, check=True, **changes):
        miniature_config["training"] |= changes
        config = workflow.write_config(miniature_config, f"{name}.yaml")
        return workflow.run(f"{MODEL}/training.json", *target, "--configfile", config, check=check)

    run("first", epochs=2, learning_rate=0.001)
    finished = (model / "weights_best.h5").read_bytes()
    described = (model / "training.json").read_bytes()

    failed = run("diverging", check=False, learning_rate=1e30)
    assert failed.returncode
    assert "planaria-100 will be trained again, for about 0:0" in failed.said
    assert "because settings changed: learning_rate 0.001 -> 1" in failed.said
    assert (model / "weights_best.h5").read_bytes() == finished
    again = run("diverging", check=False)  # the finished model is not taken for the new one
    assert again.returncode

    said = run("first", learning_rate=0.001).said
    assert "planaria-100: epoch" not in said
    assert "it was trained like this before" in said
    assert (model / "weights_best.h5").read_bytes() == finished
    assert (model / "training.json").read_bytes() == described
