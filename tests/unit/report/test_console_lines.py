"""The lines of a run's console, from records like Snakemake's."""

import csv
from types import SimpleNamespace

import pytest
from made_up_console import new_console, run, tell

from denoising.running.console import Job

STUDY = SimpleNamespace(
    baselines=("gaussian",),
    protocols=("paper",),
    datasets={"worms": SimpleNamespace(label="worms (mine)")},
)


@pytest.fixture
def console(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return new_console(STUDY)


def save(tmp_path, method, scores):
    path = tmp_path / f"results/scores/{method}/worms.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["protocol", "metric", "value"])
        writer.writerows([("paper", "nrmse", score) for score in scores])
        writer.writerow(("paper", "ssim", 0.5))


def test_a_networks_scores_wait_for_those_of_the_input_and_all_filters(console, tmp_path):
    names = ("care", "input", "gaussian")
    for number, name in enumerate(names):
        console.jobs[number] = Job("evaluate", {"method": name, "dataset": "worms"})
    for number, (method, scores) in enumerate(
        {"care": (0.1, 0.3), "input": (0.4,), "gaussian": (0.25,)}.items()
    ):
        assert console.lines == []
        save(tmp_path, method, scores)
        run(console, number, "evaluate", method=method, dataset="worms")
        console.jobs.pop(number)
    assert console.lines == [
        "care on worms (mine): NRMSE 0.2000, input 0.4000, best filter (Gaussian) 0.2500"
    ]


def test_a_failure_is_said_once_per_attempt(console):
    for _ in range(2):
        tell(console, "job_info", jobid=3, rule_name="restore", wildcards={"run": "care"})
        tell(console, "job_error", jobid=3, rule_msg="SLURM status is: 'TIMEOUT'.")
        tell(console, "job_error", jobid=3, rule_msg=None)
    assert console.lines == 2 * ["FAILED: restore (care): SLURM status is: 'TIMEOUT'."]


def test_jobs_whose_start_is_not_said_are_known_by_their_number(console):
    """As those of Slurm."""
    console.jobs |= {
        3: Job("restore", {"run": "care"}),
        4: Job("check_pairs", {"dataset": "worms"}),
    }
    tell(console, "job_error", jobid=3, rule_msg="SLURM status is: 'CANCELLED'.")
    tell(console, "job_finished", job_id=4)
    assert console.lines == ["FAILED: restore (care): SLURM status is: 'CANCELLED'."]


def test_results_that_lie_elsewhere_are_passed_over(console):
    run(console, 1, "check_pairs", dataset="worms")
    run(console, 2, "unpack", dataset="worms")
    run(console, 3, "evaluate", method="care", dataset="worms")
    assert console.lines == []


def test_a_fault_of_the_console_ends_no_run(console, capsys):
    tell(console, "progress", done=1)
    assert "KeyError: 'total'" in capsys.readouterr().err
