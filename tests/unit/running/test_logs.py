"""A job that fails leaves its traceback and then one sentence in its log, and says nothing else."""

import os
import subprocess
import sys

import pytest
from made_up import ROOT

from denoising.running.logs import OWN_CONSOLE, lines_before_the_error, muted, sentence_in

JOB = """
import logging, os
from denoising.running.logs import open_log
with open_log("logs/job.log", {inputs}):
    logging.getLogger("progress").info("half way")
    {lines}
"""


@pytest.fixture
def job(tmp_path):
    """Run these lines as a job: its console and its exit status."""

    def run(lines, inputs=(), **variables):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")} | variables
        done = subprocess.run(
            [sys.executable, "-c", JOB.format(lines=lines, inputs=list(inputs))],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr, done.returncode

    run.log = tmp_path / "logs/job.log"
    return run


def test_a_job_that_succeeds_has_no_sentence(job):
    assert job("pass") == ("half way\n", 0)
    assert sentence_in(job.log) == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (r"ValueError('é.tif: is blank;\n  move it away.')", "é.tif: is blank;\n  move it away."),
        ("RuntimeError('device: gpu, but there is none.')", "device: gpu, but there is none."),
        ("KeyError('key')", "KeyError: 'key'"),  # a fault of the program
        ("OSError", "OSError"),
    ],
)
def test_an_error_is_in_the_log_in_full_and_then_in_a_sentence(job, error, sentence):
    assert job(f"raise {error}") == ("half way\n", 1)
    assert "Traceback" in job.log.read_text()
    assert sentence_in(job.log) == sentence


def test_damaged_input_of_an_earlier_job_is_refused_before_anything_runs(job):
    table = job.log.parents[1] / "split.csv"
    table.write_text("patch,part\n0,tr")
    said, status = job("raise AssertionError", inputs=["split.csv"])
    assert (said, status) == ("", 1)
    assert sentence_in(job.log) == (
        "split.csv: is cut short: its last line '0,tr' has no end; delete split.csv and run the"
        " same command, which makes it again."
    )


def test_the_console_of_a_job_on_another_machine_has_the_sentence_too(job):
    console, _ = job("raise ValueError('a.tif: is blank.')", **{OWN_CONSOLE: "1"})
    assert console == "half way\nFAILED: a.tif: is blank.\n"


def test_killed_or_interrupted_jobs_and_those_of_earlier_runs_have_none(job):
    job("os.kill(os.getpid(), 9)")
    assert sentence_in(job.log) == ""
    job("raise KeyboardInterrupt")
    assert sentence_in(job.log) == ""
    job("raise ValueError('a.tif: is blank.')")
    assert sentence_in(job.log, since=job.log.stat().st_mtime + 1) == ""
    job.log.unlink()
    assert sentence_in(job.log) == ""


def test_a_job_that_a_scheduler_stops_cleans_up_and_says_so(job):
    lines = "try: os.kill(os.getpid(), 15)\n    finally: open('cleaned', 'w')"
    assert job(lines) == ("half way\n", 143)
    assert (job.log.parents[1] / "cleaned").exists()
    assert sentence_in(job.log).startswith("stopped by SIGTERM, as a scheduler does")


def test_what_a_job_said_before_its_error_is_known_without_the_traceback(job):
    job("print('a', 'b', '', 'c', sep='\\n', flush=True); raise KeyError('key')")
    assert lines_before_the_error(job.log, 2) == ["b", "c"]
    job("print('a', flush=True); os.kill(os.getpid(), 9)")
    assert lines_before_the_error(job.log, 2)[-1] == "a"
    assert lines_before_the_error(job.log.with_name("none.log"), 2) == []


def test_a_line_of_code_informs_on_the_console_once_per_minute_and_warns_each_time(job):
    lines = [
        f"[logging.getLogger('progress').{how}('%s', n) for n in (1, 2)]"
        for how in ("info", "warning")
    ]
    assert job("; ".join(lines)) == ("half way\n1\n1\n2\n", 0)
    assert "INFO 2" in job.log.read_text()


def test_what_is_muted_is_said_nowhere_and_what_follows_is(job):
    lines = (
        "from denoising.running.logs import muted\n"
        "    with muted():\n"
        "        os.write(2, b'frightening')\n"
        "    os.write(2, b'after')"
    )
    assert job(lines) == ("half way\n", 0)
    log = job.log.read_text()
    assert "after" in log and "frightening" not in log


def test_an_error_of_python_passes_what_is_muted(capfd):
    with pytest.raises(KeyError, match="lost"), muted():
        os.write(2, b"frightening")
        raise KeyError("lost")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
