"""However Snakemake is called, never two trainings on one GPU, and none left idle; on a CPU as many
side by side as cores allow.
"""

import os
import re
import shutil
from datetime import datetime
from itertools import pairwise

import pytest

WEIGHTS = "results/models/worm-seed{}/weights_best.h5"
# From its reservation to the end of its work; the device stays reserved until the process has ended
RESERVED = (
    r"^(\S+ \S+) INFO training of \S+: reserved (\S+) after.*^(\S+ \S+) INFO trained; the weights"
)


@pytest.fixture(scope="module")
def prepared(workflow, tmp_path_factory):
    """A folder with patches for four trainings, and the command line for more of it."""
    folder = tmp_path_factory.mktemp("prepared")
    config = {
        "title": "Four trainings",
        "device": "auto",
        "compute": {"threads": 1},
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
    arguments = ["--configfile", workflow.write_config(config, "turns.yaml")]
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


@pytest.mark.parametrize("has_gpu", [False, True])
def test_the_default_profile_limits_a_gpu_and_no_cpu(
    workflow, prepared, tmp_path, monkeypatch, has_gpu
):
    """Two trainings on two cores run side by side, unless a driver is there."""
    if has_gpu:
        driver = tmp_path / "bin" / "nvidia-smi"
        driver.parent.mkdir()
        driver.touch(0o755)
        monkeypatch.setenv("PATH", f"{driver.parent}:{os.environ['PATH']}")
    folder, arguments = prepared
    shutil.copytree(folder, tmp_path / "study")
    said = workflow.run(
        *("--cores", "2", "-p", "--resources", "gpu=1", *arguments),
        *("--directory", tmp_path / "study", "--", WEIGHTS.format(1), WEIGHTS.format(2)),
    ).said
    assert f"gpu={int(has_gpu)}," in said
    logs = [path.read_text() for path in tmp_path.glob("study/logs/train/*.log")]
    times = [re.findall(r"^(\S+ \S+) INFO", log, re.M) for log in logs]
    assert len(times) == 2
    side_by_side = max(time[0] for time in times) < min(time[-1] for time in times)
    assert side_by_side is not has_gpu


def test_a_dry_run_does_not_tell_where_jobs_would_run(workflow, prepared):
    folder, arguments = prepared
    said = workflow.run("-n", *arguments, "--directory", folder, "--", WEIGHTS.format(1)).said
    assert "gpu=1" in said
