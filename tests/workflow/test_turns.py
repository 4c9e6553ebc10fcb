"""However Snakemake is called, and how often at once: never two trainings on one device, and none
left idle.
"""

import re
import shutil
from datetime import datetime
from itertools import pairwise

import pytest

WEIGHTS = "results/models/worm-seed{}/weights_best.h5"
RESERVED = (
    r"^(\S+ \S+) INFO training of \S+: reserved (\S+) after.*^(\S+ \S+) INFO training of \S+:"
    r" released \2$"
)


@pytest.fixture(scope="module")
def prepared(workflow, tmp_path_factory):
    """A folder with patches for four trainings, and the command line for more of it."""
    folder = tmp_path_factory.mktemp("prepared")
    config = {
        "title": "Four trainings",
        "device": "auto",
        "datasets": {
            "worm": {
                "simulate": {
                    "species": "planaria",
                    "shape": [8, 32, 32],
                    "train_volumes": 1,
                    "test_volumes": 1,
                },
                "layout": "folders",
                "truth": "GT",
                "conditions": [{"name": "1", "source": "condition_1"}],
                "patches": {"source": "volumes", "shape": [8, 16, 16], "per_volume": 8},
            }
        },
        "training": {"width": 2, "depth": 1, "epochs": 2, "steps_per_epoch": 2, "batch_size": 2},
        "studies": {"one": {"models": {"worm": {"trained_on": "worm", "seeds": [1, 2, 3, 4]}}}},
    }
    arguments = [
        "--configfile",
        workflow.write_config(config, "turns.yaml"),
        "--set-threads",
        "train=2",
    ]
    workflow.run(
        "--cores", "2", *arguments, "--directory", folder, "--", "results/splits/worm/tail.csv"
    )
    return folder, arguments


def reservations(*folders):
    """When each training had which device, by device and in order."""
    found = {}
    for log in (log for folder in folders for log in folder.glob("logs/train/*.log")):
        start, device, end = re.search(RESERVED, log.read_text(), re.M | re.S).groups()
        found.setdefault(device, []).append(
            [datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f") for at in (start, end)]
        )
    return {device: sorted(times) for device, times in found.items()}


def take_turns(times):
    return all(end <= start for (_, end), (start, _) in pairwise(times))


def test_four_trainings_share_two_devices_where_snakemake_does_not_limit_them(
    workflow, prepared, tmp_path, monkeypatch
):
    """Two devices that nothing but their reservation knows of, all jobs at once."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-x,GPU-y")
    folder, arguments = prepared
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    wanted = [WEIGHTS.format(seed) for seed in (1, 2, 3, 4)]
    command = ["--cores", "8", "--workflow-profile", "none", *arguments]
    workflow.run(*command, "--directory", tmp_path, "--", *wanted)
    times = reservations(tmp_path)
    assert sorted(times) == ["GPU-x", "GPU-y"]
    assert sum(map(len, times.values())) == 4
    assert all(map(take_turns, times.values()))
    assert not take_turns(sorted(sum(times.values(), [])))  # on both at once


def test_runs_in_two_folders_take_turns_on_the_cpu(workflow, prepared, tmp_path):
    folder, arguments = prepared
    folders = [shutil.copytree(folder, tmp_path / name) for name in ("one", "another")]
    command = ["--cores", "all", "--resources", "gpu=1", *arguments]
    runs = [
        workflow.start(*command, "--directory", each, "--", WEIGHTS.format(1)) for each in folders
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert any(
        "training of worm-seed1: waiting for a device, reserved: CPU by" in each for each in said
    )
    times = reservations(*folders)
    assert set(times) == {"CPU"}
    assert len(times["CPU"]) == 2
    assert take_turns(times["CPU"])
