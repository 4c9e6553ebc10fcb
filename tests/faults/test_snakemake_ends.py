"""Snakemake itself ends in the middle of a job: killed, or asked to end.

That a second run in the same folder waits for none but is refused, is in
tests/workflow/test_published_archives.py.
"""

import os
import signal
import subprocess
import time

from conftest import SCORES

# What runs when Snakemake ends
RULES = ("simulate", "unpack", "patches", "split", "restore", "evaluate", "gather_scores")
PATIENCE = 120  # seconds


def start_until(study, rule):
    """A run whose first job of this rule pauses where it would write."""
    study.suffer("pause@first", rule)
    run = study.start(*study.arguments())
    until = time.monotonic() + PATIENCE
    while not study.suffered:
        assert run.poll() is None and time.monotonic() < until, run.communicate()[0]
        time.sleep(0.05)
    return run


def go_on(study):
    """Let the job that pauses go on."""
    (study.root / "faults/go").touch()


def jobs_of(study):
    """Ids of processes that still run in the folder of the study."""
    found = subprocess.run(["pgrep", "-f", str(study.root)], capture_output=True, text=True).stdout
    return [
        number
        for number in found.split()
        if os.path.exists(f"/proc/{number}")
        and os.path.realpath(f"/proc/{number}/cwd") == os.path.realpath(study.root)
    ]


def wait_for_jobs(study):
    until = time.monotonic() + PATIENCE
    while jobs_of(study):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_killed_snakemake_leaves_a_lock_that_is_said_and_nothing_else(fresh):
    """Jobs of a killed Snakemake go on to their end; then the lock is removed, as it says."""
    for rule in RULES:
        run = start_until(fresh, rule)
        run.send_signal(signal.SIGKILL)
        run.wait()
        second = fresh.go()
        assert second.returncode
        assert "Directory cannot be locked" in second.said
        assert "--unlock" in second.said
        go_on(fresh)
        wait_for_jobs(fresh)
        fresh.run(*fresh.arguments(), "--unlock", check=True)
        run.stdout.close()
    fresh.recovers()


def test_a_snakemake_that_is_asked_to_end_lets_its_jobs_end(finished):
    for path in (finished.root / "results/scores").rglob("*.csv"):
        path.unlink()
    (finished.root / SCORES).unlink()
    run = start_until(finished, "evaluate")
    run.send_signal(signal.SIGTERM)
    time.sleep(1)
    go_on(finished)
    said = run.communicate(timeout=PATIENCE)[0]
    assert run.returncode
    assert "Traceback" not in said
    assert finished.wrong() == []
    finished.recovers()
