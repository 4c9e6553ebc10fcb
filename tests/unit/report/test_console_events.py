"""What the console says of trainings, images and progress, from records like Snakemake's."""

import csv
import json
import time

import pytest
from made_up import study_of
from made_up_console import new_console, run, start, tell

from denoising.report import console as module
from denoising.running.console import Job
from denoising.study.names import TRUTH

STUDY = study_of(
    {
        "main": {
            "models": {
                "care": {"trained_on": "planaria", "width": 8},
                "wide": {"trained_on": "planaria", "width": 16},
            }
        }
    }
)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where a test says so."""
    times = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: times[0])

    def passes(seconds):
        times[0] += seconds

    return passes


@pytest.fixture
def console(tmp_path, monkeypatch, clock):
    monkeypatch.chdir(tmp_path)
    console = new_console(STUDY)
    console.pace.started = time.monotonic()
    return console


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# Trainings


def test_a_training_that_starts_says_its_length(console):
    start(console, 1, "train", run="care")
    assert console.lines == [
        "care: training starts, 20 epochs of 64 steps of 4 patches",
    ]


def test_it_says_what_was_planned_for_this_training(console, tmp_path):
    (tmp_path / "results/checks").mkdir(parents=True)
    (tmp_path / "results/checks/plan.txt").write_text("Models:\n  wide: 1 hour\n  care: 2 hours\n")
    start(console, 1, "train", run="care")
    assert console.lines[0].endswith(" of 4 patches; planned: 2 hours")


def test_a_training_that_ends_names_its_best_epoch_where_its_record_is_here(console, tmp_path):
    run(console, 1, "train", run="care")
    record = tmp_path / "results/models/wide/training.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"best_epoch": 7, "epochs": 20}))
    run(console, 2, "train", run="wide")
    ends = [line for line in console.lines if "starts" not in line]
    assert ends == ["care: trained", "wide: trained, best in epoch 7 of 20"]


# Images


def test_pairs_are_counted_with_the_warnings_about_them(console, tmp_path):
    parts = {"a": "train", "b": "train", "c": "test"}
    rows = [
        {"pair": pair, "part": part, "condition": condition}
        for pair, part in parts.items()
        for condition in ("1", TRUTH)
    ]
    write_rows(tmp_path / "results/checks/mine.csv", rows)
    warnings = tmp_path / "results/checks/mine.txt"
    warnings.write_text("")
    run(console, 1, "check_pairs", dataset="mine")
    warnings.write_text("a is dark\nb is dark\n")
    run(console, 2, "check_pairs", dataset="mine")
    counted = "mine: 3 image pairs, 2 to train on, 1 to test on"
    assert console.lines == [
        f"{counted}; 0 warnings",
        f"{counted}; 2 warnings, in results/checks/mine.txt",
    ]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("train", "train", "test"), "2 volumes to train on, 1 volumes to test on"),
        (("test", "test"), "patches of the archive to train on, 2 volumes to test on"),
    ],
)
def test_an_archives_volumes_are_counted_once_for_all_conditions(console, tmp_path, parts, words):
    rows = [
        {"part": part, "volume": str(number), "condition": condition}
        for number, part in enumerate(parts)
        for condition in ("1", "2", "3", TRUTH)
    ]
    write_rows(tmp_path / "results/volumes/planaria/volumes.csv", rows)
    run(console, 1, "unpack", dataset="planaria")
    assert console.lines == [f"planaria: {words}, in 3 conditions"]


# Scores


def test_a_score_stands_beside_those_that_are_there(console, tmp_path):
    """Another protocol or metric is none of them, and a run may have no baseline."""
    for method, value in {"care": "0.25", "input": "0.5"}.items():
        rows = [
            {"protocol": "paper", "metric": "nrmse", "value": value},
            {"protocol": "paper", "metric": "psnr", "value": "30"},
            {"protocol": "study2019", "metric": "nrmse", "value": "9"},
        ]
        write_rows(tmp_path / f"results/scores/{method}/planaria.csv", rows)
    run(console, 1, "evaluate", method="care", dataset="planaria")
    assert console.lines == ["care on planaria: NRMSE 0.2500, input 0.5000"]


def test_the_best_filter_is_the_one_of_least_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = study_of(
        {"main": {"models": {"care": {"trained_on": "planaria"}}}}, baselines=["gaussian", "median"]
    )
    for method, value in {"care": "0.2", "gaussian": "0.4", "median": "0.3"}.items():
        row = {"protocol": "paper", "metric": "nrmse", "value": value}
        write_rows(tmp_path / f"results/scores/{method}/planaria.csv", [row])
    console = new_console(study)
    run(console, 1, "evaluate", method="care", dataset="planaria")
    assert console.lines == ["care on planaria: NRMSE 0.2000, best filter (median) 0.3000"]


# Progress


def progress(console, done, total):
    tell(console, "progress", done=done, total=total)


def test_a_run_says_ten_times_how_far_it_is(console):
    for done in range(1, 101):
        progress(console, done, 100)
    said = [line.partition(" jobs")[0] for line in console.lines]
    assert said == [f"{done} of 100" for done in range(10, 100, 10)]


def test_a_short_run_and_the_end_of_a_long_one_need_no_share(console):
    for done in range(1, 10):
        progress(console, done, 9)
    progress(console, 100, 100)
    assert console.lines == []


def test_after_a_long_silence_it_says_so_again(console, clock):
    progress(console, 10, 100)
    clock(module.LONGEST_SILENCE)
    progress(console, 11, 100)
    clock(1)
    progress(console, 12, 100)
    assert [line.partition(" ")[0] for line in console.lines] == ["10", "12"]


def test_the_time_that_is_left_follows_from_the_work_of_jobs_that_ended(console, clock):
    """A network of twice the width takes four times as long, and its own time counts."""
    console.jobs |= {1: Job("train", {"run": "care"}), 2: Job("train", {"run": "wide"})}
    start(console, 1, "train", run="care")
    clock(600)
    tell(console, "job_finished", job_id=1)
    del console.jobs[1]
    progress(console, 10, 20)
    start(console, 2, "train", run="wide")
    clock(400)
    progress(console, 12, 20)
    lines = [line for line in console.lines if "jobs are done" in line]
    assert lines == [
        "10 of 20 jobs are done, 20% of the work; about 40 min left",
        "12 of 20 jobs are done, 33% of the work; about 33 min left",
    ]


def test_before_the_first_training_has_ended_no_time_is_said(console):
    console.jobs[1] = Job("train", {"run": "care"})
    progress(console, 10, 20)
    assert console.lines == ["10 of 20 jobs are done"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (36000, "10.0 h"),
    ],
)
def test_times_have_the_unit_that_suits_them(seconds, words):
    assert module._duration(seconds) == words


def test_jobs_that_a_checkpoint_adds_are_known(console):
    console.jobs[9] = Job("restore", {"run": "care"})
    tell(console, "job_error", jobid=9, rule_msg=None)
    tell(console, "job_finished", job_id=10)  # of no rule of this workflow
    assert console.lines == ["FAILED: restore (care)"]
