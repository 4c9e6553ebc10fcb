"""Runs of the real workflow, in folders of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@cache
def forks():
    """The process that forks for each run; it ends with this one."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, HERE / "forks.py"], text=True, **pipes)


@dataclass(frozen=True)
class Done:
    """A run that has ended, and what it said."""

    returncode: int
    said: str

    @property
    def jobs(self):
        """The rule of each job that the run has started, by the log that its console names."""
        named = re.search(r"\S+\.snakemake\.log", self.said)
        log = Path(named.group()).read_text() if named else ""
        return re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", log, re.M)

    @property
    def ran(self):
        """The rules of these jobs, each once."""
        return set(self.jobs)


@dataclass
class Workflow:
    """A copy of the workflow at `root`, run in it by the command line that users type."""

    root: Path

    def environment(self):
        # Reservations of their own and no GPU, so that tests and other runs on this machine do not
        # wait for each other
        own = {"DENOISING_LEASES": str(self.root / "leases"), "CUDA_VISIBLE_DEVICES": ""}
        return {**own, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def start(self, *arguments):
        """A run that goes on by itself; what it says comes by one pipe."""
        command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environment = self.environment()
        return subprocess.Popen(command, cwd=self.root, text=True, env=environment, **both)

    def run(self, *arguments, check=True):
        with tempfile.NamedTemporaryFile("r") as said:
            asked = {
                "arguments": list(map(str, arguments)),
                "folder": str(self.root),
                "environment": self.environment(),
                "said": said.name,
            }
            print(json.dumps(asked), file=forks().stdin, flush=True)
            done = Done(int(forks().stdout.readline()), said.read())
        if check:
            assert done.returncode == 0, done.said
        return done

    def jobs(self, *arguments):
        """How many jobs of each rule a dry run would run."""
        said = self.run("-n", "--quiet=rules", *arguments).said
        table = re.search(r"^job +count\n-[- ]+\n(.*?)^total", said, re.M | re.S)
        rows = [line.split() for line in table.group(1).splitlines()] if table else []
        return Counter({rule: int(count) for rule, count in rows})

    def write_config(self, config, name="study.yaml"):
        path = self.root / name
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path


def copy_workflow(root):
    """What git keeps of the workflow, without results."""
    for name in (
        "Snakefile",
        "CITATION.cff",
        "workflow",
        "config",
        "envs",
        "profiles",
        "resources",
    ):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, root / name, ignore=ignore) if source.is_dir() else shutil.copy(
            source, root / name
        )
    return Workflow(root)


@pytest.fixture(scope="session")
def workflow(tmp_path_factory):
    """The workflow without results; tests only dry-run it."""
    return copy_workflow(tmp_path_factory.mktemp("workflow"))


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """The workflow with the miniature study, run from end to end once."""
    flow = copy_workflow(tmp_path_factory.mktemp("miniature"))
    flow.config = HERE / "miniature.yaml"
    threads = ["--set-threads", "train=1", "restore=1", "restore_truth=1", "conformal=1"]
    flow.arguments = ["--cores", "4", *threads, "--resources", "gpu=1", "--configfile", flow.config]
    flow.first = flow.run(*flow.arguments)
    return flow


@pytest.fixture
def miniature_config():
    """The miniature study's config, to be changed."""
    return yaml.safe_load((HERE / "miniature.yaml").read_text())
