"""A study that suffers faults, run once without any; and copies of it for each test."""

import fcntl
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WORKFLOW_TESTS = HERE.parent / "workflow"
SCORES = "results/scores.csv"
# Files that hold times, and what tells them apart from run to run
TIMED = re.compile(r"runtimes/|training\.json|history\.csv|weights_best\.h5|checkpoints/")


def of_workflow_tests():
    """The conftest of the other tests, which has this one's name."""
    place = WORKFLOW_TESTS / "conftest.py"
    spec = importlib.util.spec_from_file_location("workflow_conftest", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


workflow_tests = of_workflow_tests()
sys.path.append(str(WORKFLOW_TESTS))


def results_of(root):
    """Bytes of every result that is the same in each run, by its path."""
    files = [path for path in (root / "results").rglob("*") if path.is_file()]
    named = {str(path.relative_to(root)): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in named.items()
        if not TIMED.search(name) and path.name != ".snakemake_timestamp"
    }


@dataclass
class Study(workflow_tests.Workflow):
    """A workflow with a study, and what its results are without faults."""

    config: Path = HERE / "study.yaml"
    expected: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    targets: tuple = (SCORES,)

    def environment(self):
        return {**super().environment(), **self.variables}

    def arguments(self, *targets):
        options = ["--cores", "2", "--keep-going", "--configfile", self.config]
        return [*(targets or self.targets), *options]

    def go(self, *targets, check=False):
        return self.run(*self.arguments(*targets), check=check)

    def suffer(self, faults, *rules):
        """Let a job of each of these rules meet each of the faults; of all, if none is named."""
        folder = self.root / "faults"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.variables = {
            "FAULT": faults, "FAULT_RULES": " ".join(rules), "FAULT_FOLDER": str(folder)
        }  # fmt: skip

    @property
    def suffered(self):
        """Rules and the number of a fault, from 0, that a job of the rule has met."""
        names = [path.name for path in (self.root / "faults").iterdir() if path.is_dir()]
        return {(rule, int(number)) for rule, number in (name.split(".") for name in names)}

    def wrong(self):
        """Results that are there under their names, and are not what they should be."""
        found = results_of(self.root)
        return [
            name
            for name, content in found.items()
            if not name.endswith(".partial") and self.expected.get(name, content) != content
        ]

    def recovers(self):
        """The next run, without a fault, ends with the results of an undisturbed one."""
        self.variables = {}
        self.go(check=True)
        assert self.wrong() == []
        found = results_of(self.root)
        assert sorted(found) == sorted(self.expected)  # nothing else is left either


def rules_in_log(root):
    """Rules of the jobs of the one run in a folder."""
    (log,) = root.glob(".snakemake/log/*.log")
    return set(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", log.read_text(), re.M))


def last_words(done):
    """What the console ends with: a sentence for each job that failed."""
    return done.said.partition("Once this is put right, run the same command")[2]


def copy_of_workflow(root):
    """A copy of the workflow whose jobs can meet a fault."""
    workflow_tests.copy_workflow(root)
    shutil.copy(HERE / "injected.py", root / "workflow/scripts/sitecustomize.py")
    return Study(root)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The study, run to its scores without a fault, once for all processes that test."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    study = Study(base / "undisturbed")
    with (base / "undisturbed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not study.root.exists():
            study.root.mkdir()
            copy_of_workflow(study.root).go(check=True)
    study.expected = results_of(study.root)
    assert SCORES in study.expected
    study.rules = rules_in_log(study.root)
    return study


@pytest.fixture
def fresh(undisturbed, tmp_path):
    """The study before its first run."""
    study = copy_of_workflow(tmp_path)
    study.expected = undisturbed.expected
    return study


@pytest.fixture
def finished(undisturbed, tmp_path):
    """A finished run of the study, in a copy of the folder."""
    root = tmp_path / "finished"
    shutil.copytree(undisturbed.root, root, symlinks=True)
    return Study(root, expected=undisturbed.expected)
