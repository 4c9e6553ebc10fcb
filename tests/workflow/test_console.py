"""The console has a line per event that matters, and ends with each failed job, in a sentence."""

import re
from pathlib import Path

import numpy as np
import tifffile
from conftest import copy_workflow

FAULTS = """
import os
name = snakemake.wildcards.dataset
with open_log(snakemake.log[0]):
    if name == "bug":
        {}["key"]
    if name == "killed":
        print("half way", flush=True)
        os.kill(os.getpid(), 9)
"""


def test_a_run_says_what_matters_and_nothing_of_each_job(miniature):
    """Data, trainings, scores beside input and filters, and how far it is; all else in a file."""
    said = miniature.first.said
    begin, *_ = re.findall(r"^(\d+) jobs will run, 5 of them trainings\. .* see (\S+),", said, re.M)
    lines = re.findall(r"^\[\d\d:\d\d:\d\d\] (.*)", said, re.M)
    assert "planaria: 3 volumes to train on, 2 volumes to test on, in 3 conditions" in lines
    assert "planaria-100: training starts, 2 epochs of 4 steps of 2 patches" in lines
    assert lines.count("planaria-100: trained, best in epoch 2 of 2") == 1
    scored = re.findall(
        r"^(\S+) on (\S+): NRMSE 0\.\d+, input 0\.\d+, best filter \(\w+\) 0\.\d+$",
        "\n".join(lines),
        re.M,
    )
    assert len(set(scored)) == len(scored) == 10
    sentences = re.findall(r"^planaria-100 on planaria: NRMSE .*?(?=: )", said, re.M)
    assert sentences[0] in lines  # the same numbers as at the end
    shares = [line for line in lines if re.match(rf"\d+ of {begin[0]} jobs are done", line)]
    assert 5 < len(shares) < 11
    assert re.search(r", \d+% of the work; about \d+ (s|min) left$", shares[-1])
    assert "rule train" not in said and "Finished jobid" not in said
    log = Path(begin[1]).read_text()
    assert "rule train:" in log and "Finished jobid" in log and lines[0] in log


def test_each_job_that_failed_is_said_once_and_last(tmp_path):
    flow = copy_workflow(tmp_path)
    for seed, name in enumerate(("a_low", "a_high", "b_low", "b_high")):
        image = np.random.default_rng(seed).integers(0, 99 if seed else 1, (20, 24))
        tifffile.imwrite(tmp_path / f"{name}.tif", image.astype(np.uint8))
    names = ("blank", "bug", "killed")
    pairs = {"low": "*_low.tif", "high": "*_high.tif", "axes": "YX"}
    config = {
        "title": "Faults",
        "datasets": {name: {"pairs": pairs, "patches": {"shape": [16, 16]}} for name in names},
        "studies": {"mine": {"models": {"care": {"trained_on": "blank"}}, "tested_on": names[:1]}},
    }
    script = tmp_path / "workflow/scripts/check_pairs.py"
    body = script.read_text()
    start = body.index("with open_log")
    script.write_text(body[:start] + FAULTS + body[start:].partition("\n")[2])
    done = flow.run(
        *(f"results/checks/{name}.csv" for name in names),
        *("--keep-going", "--cores", "3", "--configfile", flow.write_config(config)),
        check=False,
    )
    assert done.returncode == 1
    *_, logs, remedy, end = done.said.split("\n\n")
    assert "The last lines of logs/check_pairs/killed.log:\n    half way" in logs
    assert remedy == "Once this is put right, run the same command: what is done stays done."
    assert all(done.said.count(f"] FAILED: check_pairs ({name})\n") == 1 for name in names)
    assert "Error in rule" not in done.said
    assert end.count("(log: logs/check_pairs/") == 3
    assert "KeyError: 'key' (log: logs/check_pairs/bug.log)\n" in end
    assert "Rule check_pairs failed without saying why" in end
    assert "a_low.tif: its percentiles 3 and" in end
    assert done.said.count("a_low.tif: its percentiles 3 and") == 1
    assert "Traceback" not in done.said
