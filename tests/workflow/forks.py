"""Runs of Snakemake by forks of one process that has imported it: to start Python and to import
take longer than most dry runs.

Each line on stdin is a run in JSON, with the arguments of `run`; its answer is the exit status.
"""

import json
import os
import sys

# Those that Snakemake imports when it needs them
import docutils.core  # noqa: F401
import jinja2  # noqa: F401
import jsonschema  # noqa: F401
import nbformat  # noqa: F401
import smart_open  # noqa: F401
import snakemake.report.html_reporter  # noqa: F401
from snakemake.cli import main


def run(arguments: list[str], folder: str, environment: dict[str, str], said: str) -> None:
    """Run the command line in a folder; what it says goes to the file `said`. Does not return."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    main(arguments)


for line in sys.stdin:
    child = os.fork()
    if not child:
        run(**json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
