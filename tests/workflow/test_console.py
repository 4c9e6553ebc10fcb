"""The console ends with what failed: each job once, in a sentence."""

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
        os.kill(os.getpid(), 9)
"""


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
    end = done.said.rpartition("\n\n")[2]
    assert end.count("(log: logs/check_pairs/") == 3
    assert "KeyError: 'key' (log: logs/check_pairs/bug.log)\n" in end
    assert "Rule check_pairs failed without saying why" in end
    assert "a_low.tif: its percentiles 3 and" in end
    assert done.said.count("a_low.tif: its percentiles 3 and") == 1
    assert "Traceback" not in done.said
