"""Runtimes of trainings and restorations, and the line of training time against steps."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up import study_of

from denoising.evaluation.published import published_runtimes
from denoising.evaluation.runtimes import (
    MEASURED,
    group_line,
    implied_for_paper,
    implied_steps,
    line_groups,
    mixed_sweeps,
    our_runtimes,
    read_executions,
    restoration_runtimes,
)

MODELS = {
    "one": {"trained_on": "planaria", "steps_per_epoch": 8, "seeds": [5]},
    "two": {"trained_on": "planaria", "steps_per_epoch": 16, "seeds": [1, 2]},
    "three": {"trained_on": "planaria", "steps_per_epoch": 32},
}
STUDY = study_of({"a": {"models": MODELS}}, baselines=["tv"])


def restored(folder, method, **changes):
    record = {
        "method": method,
        "dataset": "d",
        "seconds": 3.0,
        "voxels": 2_000_000,
        "threads": 2,
        "device": "CPU",
    }
    path = folder / f"{method}.json"
    path.write_text(
        json.dumps({key: value for key, value in (record | changes).items() if value != "left out"})
    )
    return path


def test_runtimes_of_restoration(tmp_path):
    paths = [
        restored(tmp_path, "one"),
        restored(tmp_path, "two-seed2"),
        restored(tmp_path, "tv", strength=0.4, unit="noise"),
    ]
    one, two, tv = restoration_runtimes(paths, STUDY).to_dict("records")
    assert (one["method"], one["seconds_per_million_voxels"], one["tested_on"]) == ("one", 1.5, "d")
    assert np.isnan([one["seed"], one["strength"]]).all()
    assert (two["method"], two["seed"]) == ("two", 2)
    assert (tv["method"], tv["strength"], tv["unit"], tv["device"], tv["threads"]) == (
        "tv",
        0.4,
        "noise",
        "CPU",
        2,
    )
    with pytest.raises(ValueError, match="one.json: .*lacks .'voxels'"):
        restoration_runtimes([restored(tmp_path, "one", voxels="left out")], STUDY)
    with pytest.raises(ValueError, match="median.json: runtime of median, which is no run"):
        restoration_runtimes([restored(tmp_path, "median")], STUDY)


def line_of(steps, hours, epochs):
    """The line through runs with these steps per epoch, hours and epochs."""
    seconds = np.asarray(hours) * 3600 / epochs
    return group_line(pd.DataFrame({"steps_per_epoch": steps, "seconds_per_epoch": seconds}))


def test_line_of_the_published_runtimes():
    line = line_of([25, 100, 400], [51 / 60, 89 / 60, 4], 100)
    assert line.seconds_per_step == pytest.approx(0.30, abs=0.005)
    assert line.overhead_seconds == pytest.approx(23, abs=0.5)
    assert round(implied_steps(30.1, 200, line)) == 1716
    assert round(implied_steps(30.1, 100, line)) == 3508


def test_line_is_exact_where_time_is_linear():
    steps, epochs = np.array([10, 20, 40]), np.array([5, 10, 20])
    line = line_of(steps, (2 + 0.5 * steps) * epochs / 3600, epochs)
    assert line == pytest.approx((0.5, 2.0))
    assert implied_steps(7 * 10 / 3600, 10, line) == pytest.approx(10)


def test_line_needs_three_numbers_of_steps():
    with pytest.raises(ValueError, match="3 numbers of steps"):
        line_of([25, 400, 400], [1, 4, 4.1], 100)
    with pytest.raises(ValueError, match="grow"):
        implied_steps(1, 1, line_of([1, 2, 3], [3, 2, 1], 1))


@pytest.fixture
def published():
    columns = ["source", "model", "trained_on", "epochs", "batch_size", "steps_per_epoch", "hours"]
    rows = [
        ("2019 study", f"planaria-{steps}", "planaria", 100, 16, steps, hours)
        for steps, hours in ((25, 1), (150, 2), (400, 4))
    ]
    rows += [("2019 study", "planaria-8", "planaria", 100, 8, 400, 2)]
    rows += [("CARE paper, second-hand", "planaria", "planaria", np.nan, np.nan, np.nan, 30.1)]
    return pd.DataFrame(rows, columns=columns).assign(note="")


def test_a_line_joins_runs_that_differ_in_steps_alone(published):
    (group,) = line_groups(published_runtimes(published, STUDY))
    assert group["steps_per_epoch"].tolist() == [25, 150, 400]
    assert group_line(group).seconds_per_step == pytest.approx(3 * 36 / 375)
    points = implied_for_paper(group, published)
    assert [point.epochs for point in points] == [200, 100]
    assert points[0].hours == 30.1
    assert implied_for_paper(group.assign(source="ours"), published) == []


@pytest.fixture
def history():
    """A history of three epochs."""
    history = pd.DataFrame({"epoch": [1, 2, 3], "seconds": [50.0, 10.0, 12.0]})
    history = history.assign(
        samples_per_second=[2.0, 9.0, 8.0], voxels_per_second=[20.0, 90.0, 80.0]
    )
    history = history.assign(
        teraflop=[1.0, 1.0, 2.0], matmul_share=[0.1, 0.5, 0.4], host_memory_mb=[7.0, 9.0, 8.0]
    )
    return history.assign(device_memory_mb=np.nan, gpu_energy_kj=np.nan)


def test_our_runtimes_sum_hours_and_leave_start_up_out_of_an_epoch(history, tmp_path):
    history.to_csv(tmp_path / "history.csv", index=False)
    (row,) = our_runtimes({"one": tmp_path / "history.csv"}, STUDY).to_dict("records")
    assert row["hours"] == pytest.approx(72 / 3600)
    assert (row["seconds_per_epoch"], row["epochs"], row["source"]) == (12.0, 3, "ours")
    with pytest.raises(ValueError, match="do not name"):
        our_runtimes({"other": tmp_path / "history.csv"}, STUDY)


def test_energy_is_unknown_if_an_epochs_was_not_read(history, tmp_path):
    history.assign(gpu_energy_kj=[1.0, np.nan, 4.0]).to_csv(tmp_path / "gpu.csv")
    (row,) = our_runtimes({"one": tmp_path / "gpu.csv"}, STUDY).to_dict("records")
    assert np.isnan(row["gpu_energy_kj"])


SWEEP = {"base": "one", "varies": "batch_size", "models": {"small": {"batch_size": 2}}}
SWEPT = study_of({"a": {"models": {"one": MODELS["one"]}}, "b": SWEEP})


@pytest.mark.parametrize(
    ("device", "precision", "kinds"),
    [
        ("CPU, 8 threads", "float32", None),
        ("GPU, A100", "bfloat16", "CPU in float32; GPU, A100 in bfloat16."),
        ("CPU, 1 threads", "bfloat16", "CPU in bfloat16; CPU in float32."),
    ],
)
def test_a_sweep_on_several_devices_or_in_several_precisions_is_warned_of(
    tmp_path, device, precision, kinds
):
    records = {
        "one": {"device": "CPU, 1 threads", "precision": "float32", "restarts": 0},
        "small": {"device": device, "precision": precision, "restarts": 1},
    }
    for run, record in records.items():
        (tmp_path / f"{run}.json").write_text(json.dumps(record | {"epochs": 3}))
    executions = read_executions({run: tmp_path / f"{run}.json" for run in records})
    assert executions.to_dict("index") == records
    sentences = mixed_sweeps(executions, SWEPT)
    assert len(sentences) == (kinds is not None)
    assert kinds is None or f"The models of b were not trained alike: {kinds}" in sentences[0]


def test_speed_is_a_median_work_and_energy_are_sums_memory_is_a_peak(history, tmp_path):
    history.to_csv(tmp_path / "cpu.csv", index=False)
    history.assign(device_memory_mb=[1.0, 3.0, 2.0], gpu_energy_kj=[1.0, 2.0, 4.0]).to_csv(
        tmp_path / "gpu.csv"
    )
    histories = {"two-seed2": tmp_path / "gpu.csv", "one": tmp_path / "cpu.csv"}
    cpu, gpu = our_runtimes(histories, STUDY).to_dict("records")
    assert [gpu[name] for name in MEASURED] == [8.0, 80.0, 4.0, 0.4, 9.0, 3.0, 7.0]
    assert [cpu[name] for name in MEASURED][:5] == [8.0, 80.0, 4.0, 0.4, 9.0]
    assert np.isnan(cpu["device_memory_mb"])  # a CPU has none, which is not 0
    assert np.isnan(cpu["gpu_energy_kj"])
    assert (gpu["model"], gpu["seed"]) == ("two", 2)
    assert np.isnan(cpu["seed"])  # the only run of its model


@pytest.mark.parametrize("broken", [lambda h: h.drop(columns="teraflop"), lambda h: h.iloc[:0]])
def test_incomplete_histories_are_refused(history, tmp_path, broken):
    broken(history).to_csv(tmp_path / "h.csv", index=False)
    with pytest.raises(ValueError, match="h.csv: expected a row per epoch"):
        our_runtimes({"one": tmp_path / "h.csv"}, STUDY)


def test_a_line_takes_every_run_and_needs_three_numbers_of_steps(history, tmp_path):
    paths = {}
    for run, seconds in (("one", 4.0), ("two-seed1", 7.0), ("two-seed2", 9.0), ("three", 16.0)):
        paths[run] = tmp_path / f"{run}.csv"
        history.assign(seconds=seconds).to_csv(paths[run], index=False)
    (group,) = line_groups(our_runtimes(paths, STUDY))
    assert group["steps_per_epoch"].tolist() == [8, 16, 16, 32]
    assert group_line(group) == pytest.approx((0.5, 0.0))
    del paths["one"]
    assert line_groups(our_runtimes(paths, STUDY)) == []
