"""How far a run is, and which of Snakemake's lines the console leaves out."""

import logging

import pytest

from denoising.running import console
from denoising.running.console import LeavesOutJobs, Pace


@pytest.fixture
def pace(monkeypatch):
    """One that started 100 s ago."""
    monkeypatch.setattr(console.time, "monotonic", lambda: 200.0)
    return Pace(started=100.0)


def test_jobs_take_as_long_as_those_of_their_rule_and_run_as_many_at_a_time(pace):
    pace.add("restore", 1, 60)
    pace.add("restore", 1, 140)
    left, share = pace.left([("restore", 1, 0), ("restore", 1, 0)])
    assert left == 100  # two at a time
    assert share == 0.5


def test_a_training_takes_as_long_as_its_work_and_none_tells_before_one_has_ended(pace):
    pace.add("unpack", 1, 50)
    assert pace.left([("train", 1e9, 3)]) is None
    pace.add("train", 1e9, 50)
    assert pace.left([("train", 2e9, 0), ("table", 1, 0)])[0] == 150  # a table as an unpacking
    assert pace.left([("train", 2e9, 100)])[0] == 0


@pytest.mark.parametrize(
    ("message", "event", "is_shown"),
    [
        ("Finished jobid: 3 (Rule: train)", "job_finished", False),
        ("Select jobs to execute...", None, False),
        ("Job 7 has been submitted with SLURM jobid 12 (log: x).", None, False),
        ("Trying to restart job 7.", None, True),
        (None, "error", True),
    ],
)
def test_lines_on_single_jobs_are_left_out_and_others_stay(message, event, is_shown):
    record = logging.makeLogRecord({"msg": message, "event": event})
    assert LeavesOutJobs().filter(record) == is_shown
