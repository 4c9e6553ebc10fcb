"""Loaded at the start of every Python of a test's environment: each job leaves a record of what was not its own.

Snakemake puts its own packages behind those of a job's environment, so that a package that the environment lacks may
come from there without a word.
"""

import atexit
import json
import sys
import sysconfig
from pathlib import Path


def leave_record():
    script = Path(sys.argv[0])
    if script.parent.parts[-2:] != (".snakemake", "scripts"):
        return
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    own = (sys.prefix, sysconfig.get_path("stdlib"), str(script.parent))
    borrowed = {name.split(".")[0] for name, file in files.items() if file and not file.startswith(own)}
    line = {"script": ".".join(script.name.split(".")[1:]), "borrowed": sorted(borrowed)}
    with Path(sys.prefix, "jobs.jsonl").open("a") as records:
        records.write(json.dumps(line) + "\n")


atexit.register(leave_record)
