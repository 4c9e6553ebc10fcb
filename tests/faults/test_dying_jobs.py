"""A job of every rule dies: killed, terminated, on a full disk, out of memory.

Every rule that leads to the scores is met, a new one too: rules are those of the study's own run.
A training that dies within an epoch is in tests/workflow/test_restart.py.
"""

import re
import tarfile

import numpy as np
import pytest
import tifffile
from conftest import SCORES, copy_of_workflow, last_words, results_of, rules_in_log

# What the console says last of each job
WORDS = {
    "SIGKILL@last": r"failed without saying why, as a job does that was killed, .*--set-resources",
    "SIGTERM@first": r"stopped by SIGTERM, as a scheduler does .* run the same command",
    "full@last": r"No space left on device: the disk of /.* has \d+ MB free .*--directory",
    "memory@first": r"the memory is used up; start fewer jobs at a time by --cores",
}
MOST_RUNS = 40
# The folder of a rule's logs, if it has another name
LOGS = {"table": "tables", "figure": "figures"}


def goes_on_after_each(study, *faults):
    """A job of each rule dies of each fault; runs follow until all are done. Rules that died."""
    study.suffer(",".join(faults))
    for _ in range(MOST_RUNS):
        before = study.suffered
        done = study.go()
        if done.returncode == 0:
            rules = {rule for rule, _ in study.suffered}
            assert len(study.suffered) == len(rules) * len(faults)
            return rules
        died = study.suffered - before
        assert died, done.said
        said = last_words(done)
        for rule, number in died:
            logs = LOGS.get(rule, rule)
            sentences = re.findall(rf"^.*\(log: logs/{logs}[/.].*$", said, re.M)
            words = WORDS[faults[number]]
            assert any(re.search(words, each) for each in sentences), f"{rule}: {done.said}"
        assert "Traceback" not in done.said
        assert study.wrong() == []
    return pytest.fail(f"not done after {MOST_RUNS} runs")


@pytest.mark.parametrize(
    "faults", [("SIGKILL@last", "memory@first"), ("SIGTERM@first", "full@last")]
)
def test_a_job_of_every_rule_dies_and_the_next_run_goes_on(fresh, undisturbed, faults):
    assert goes_on_after_each(fresh, *faults) == undisturbed.rules
    fresh.recovers()


def study_of_own_files(root, undisturbed):
    """A study on an archive, pairs of images and an npz that are a user's own."""
    root.mkdir()
    study = copy_of_workflow(root)
    with tarfile.open(undisturbed.root / "results/archives/worms.tar.gz") as tar:
        tar.extractall(root / "mine", filter="data")
    (top,) = (root / "mine").iterdir()
    random = np.random.default_rng(0)
    for name in ("a_low", "a_high", "b_low", "b_high"):
        tifffile.imwrite(root / f"{name}.tif", random.integers(0, 999, (20, 24)).astype(np.uint16))
    X = random.uniform(0, 1, (40, 16, 16)).astype(np.float32)
    np.savez(root / "theirs.npz", X=X, Y=X, axes="SYX")
    patches = {"shape": [16, 16]}
    archive = {"path": str(top.relative_to(root))}
    conditions = [{"name": "1", "source": "condition_1"}]
    config = {
        "title": "Own files",
        "datasets": {
            "mine": {
                "pairs": {"low": "*_low.tif", "high": "*_high.tif", "axes": "YX"},
                "patches": patches,
            },
            "theirs": {"npz": {"path": "theirs.npz"}, "patches": patches | {"source": "npz"}},
            "worms": {
                "archive": archive, "conditions": conditions, "patches": {"shape": [8, 16, 16]}
            },
        },
        "studies": {
            "flat": {
                "tested_on": ["mine"],
                "models": {"own": {"trained_on": "mine"}, "other": {"trained_on": "theirs"}},
            },
            "deep": {"tested_on": ["worms"], "models": {"care": {"trained_on": "worms"}}},
        },
        "training": {"batch_size": 2},
    }  # fmt: skip
    study.config = study.write_config(config)
    study.targets = [f"results/splits/{name}/tail.csv" for name in config["datasets"]]
    return study


def test_so_do_jobs_that_take_a_users_own_files(undisturbed, tmp_path):
    alone = study_of_own_files(tmp_path / "alone", undisturbed)
    alone.go(check=True)
    study = study_of_own_files(tmp_path / "study", undisturbed)
    study.expected = results_of(alone.root)
    assert goes_on_after_each(study, "SIGKILL@last", "full@last") == rules_in_log(alone.root)
    study.recovers()


def test_so_do_jobs_that_make_tables_figures_and_records(finished):
    """In the end all files are what the record says, and one that is damaged is not."""
    finished.targets = ["all"]
    finished.expected = {}  # pages have dates
    died = goes_on_after_each(finished, "SIGKILL@last")
    assert died >= {"table", "figure", "viewer", "provenance", "findings", "crate"}
    assert not list((finished.root / "results").rglob("*.partial"))
    assert finished.run("verify", *finished.arguments()[1:]).returncode == 0
    damaged = [SCORES, min((finished.root / "results/volumes/worms/train/1").glob("*.tif"))]
    for name in damaged:
        path = finished.root / name
        data = bytearray(path.read_bytes())
        data[-20] ^= 1
        path.write_bytes(data)
    done = finished.run("verify", *finished.arguments()[1:], check=False)
    assert done.returncode
    assert "results/scores.csv differs" in done.said
    assert "results/volumes/worms differs" in done.said
