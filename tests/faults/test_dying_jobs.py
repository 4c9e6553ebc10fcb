"""A job of every rule dies: killed, terminated, on a full disk, out of memory.

Every rule that leads to the scores is met, a new one too: rules are those of the study's own run.
A training that dies within an epoch is in tests/workflow/test_restart.py.
"""

import re

import pytest
from conftest import last_words

# What the console says last of each job
WORDS = {
    "SIGKILL@last": r"failed without saying why, as a job does that was killed, .*--set-resources",
    "SIGTERM@first": r"stopped by SIGTERM, as a scheduler does .* run the same command",
    "full@last": r"No space left on device: the disk of /.* has \d+ MB free .*--directory",
    "memory@first": r"the memory is used up; start fewer jobs at a time by --cores",
}
MOST_RUNS = 20


@pytest.mark.parametrize("fault", WORDS)
def test_a_job_of_every_rule_dies_and_the_next_run_goes_on(fresh, undisturbed, fault):
    """The first job of each rule dies, once; runs follow until all are done."""
    fresh.suffer(fault)
    for _ in range(MOST_RUNS):
        before = fresh.suffered
        done = fresh.go()
        if done.returncode == 0:
            break
        died = fresh.suffered - before
        assert died, done.said
        said = last_words(done)
        for rule in died:
            sentences = re.findall(rf"^.*\(log: logs/{rule}[/.].*$", said, re.M)
            assert len(sentences) == 1, f"{rule}: {said}"
            assert re.search(WORDS[fault], sentences[0]), f"{rule}: {said}"
        assert "Traceback" not in done.said
        assert fresh.wrong() == []
    assert fresh.suffered == undisturbed.first.ran
    fresh.recovers()
