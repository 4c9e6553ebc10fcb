"""Loaded at the start of every Python of a test's environment: each job leaves a record of what it
took from another.

Snakemake puts its own packages behind those of a job's environment, so that a package that the
environment lacks may come from there without a word.
"""

import atexit
import json
import sys
from pathlib import Path


def leave_record():
    script = Path(sys.argv[0])
    if script.parent.parts[-2:] != (".snakemake", "scripts"):
        return
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    packages = {name.split(".")[0]: file for name, file in files.items() if "-packages/" in file}
    borrowed = {name for name, file in packages.items() if not file.startswith(sys.prefix)}
    line = {"script": ".".join(script.name.split(".")[1:]), "borrowed": sorted(borrowed)}
    with Path(sys.prefix, "jobs.jsonl").open("a") as records:
        records.write(json.dumps(line) + "\n")


atexit.register(leave_record)
