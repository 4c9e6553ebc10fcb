"""What Snakemake records of each job of a config: the params and the set of inputs, by whose
change it runs a job again. For many configs in one process, as starting Snakemake takes longer.

Usage: python recorded.py SNAKEFILE FOLDER CONFIG...; JSON on the console: for each config a list of
jobs, with rule, output, params and inputs.
"""

import contextlib
import json
import sys
from pathlib import Path

from snakemake.api import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    ResourceSettings,
    SnakemakeApi,
)
from snakemake.settings.enums import Quietness


def recorded(snakefile: Path, folder: Path, config: Path) -> list[dict]:
    """The jobs of a config without results."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        flow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            snakefile=snakefile,
            workdir=folder,
        )
        dag = flow.dag(DAGSettings(targets={"all", "restored"}, forceall=True))
        workflow = dag.workflow_api._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        persistence = workflow.persistence
        return [
            {
                "rule": job.rule.name,
                "output": sorted(map(str, job.output)),
                "params": persistence._params(job),
                "inputs": sorted(map(str, job.input)),
            }
            for job in workflow.dag.jobs
        ]


if __name__ == "__main__":
    snakefile, folder, *configs = map(Path, sys.argv[1:])
    with contextlib.redirect_stdout(sys.stderr):
        jobs = [recorded(snakefile.resolve(), folder.resolve(), path.resolve()) for path in configs]
    json.dump(jobs, sys.stdout)
