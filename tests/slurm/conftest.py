"""One Slurm for all tests, and the studies that they run on it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cluster as slurm
import pytest
import yaml

WORKFLOW_TESTS = Path(__file__).parents[1] / "workflow"
MINIATURE = WORKFLOW_TESTS / "miniature.yaml"
MODELS = ("first", "second", "third")


def of_workflow_tests():
    """The conftest of the other tests, which has this one's name."""
    spec = importlib.util.spec_from_file_location(
        "workflow_conftest", WORKFLOW_TESTS / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


workflow_tests = of_workflow_tests()


class Study(workflow_tests.Workflow):
    """A study in a folder of its own, `study.yaml`, which the Slurm profile runs."""

    running = []  # every Snakemake that a test has started
    # One thread, so that results are the same to the bit wherever they are made
    one_thread = ("--set-threads", "train=1", "restore=1", "restore_truth=1", "conformal=1")
    profile = ("--workflow-profile", "profiles/slurm")

    def copy(self, root):
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Study(root)

    def run_locally(self, target):
        return self.run(
            "--cores", "4", *self.one_thread, "--configfile", "study.yaml", "--", target
        )

    def start_on_slurm(self, *arguments):
        command = [sys.executable, Path(__file__).with_name("asking.py")]
        command += [*self.profile, *self.one_thread, "--configfile", "study.yaml"]
        with (self.root / "said.txt").open("w") as said:
            both = {"stdout": said, "stderr": subprocess.STDOUT}
            process = subprocess.Popen([*command, *arguments], cwd=self.root, **both)
        self.running.append(process)
        return process

    def finish(self, snakemake, status=0):
        """What a run of Snakemake has said, when it ends."""
        found, said = snakemake.wait(timeout=1800), (self.root / "said.txt").read_text()
        assert found == status, said
        return said

    def start_training(self, *models, options=()):
        targets = [f"results/models/{model}/weights_best.h5" for model in models]
        return self.start_on_slurm(*options, "--", *targets)

    def edit(self, path, line, edited):
        path = self.root / path
        assert line in path.read_text()
        path.write_text(path.read_text().replace(line, edited))

    def edit_profile(self, line, edited):
        self.edit("profiles/slurm/config.yaml", line, edited)

    def edit_config(self, key, **values):
        config = yaml.safe_load((self.root / "study.yaml").read_text())
        config.setdefault(key, {}).update(values)
        self.write_config(config)

    def epoch(self, model):
        """Of the model's newest checkpoint; 0 where there is none."""
        found = self.root.glob(f"results/checkpoints/{model}/*/epoch-*.npz")
        return max((int(path.stem.split("-")[1]) for path in found), default=0)

    def log(self, model):
        """Of the training; empty until it has begun, also anew."""
        path = self.root / f"logs/train/{model}.log"
        return path.read_text() if path.exists() else ""

    def reserved(self, model):
        """The GPU that a model was trained on, as CUDA counts those that Slurm gave its job."""
        return re.search(rf"training of {model}: reserved (\S+) after", self.log(model)).group(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A Slurm of three nodes with GPUs; on a machine for continuous integration there has to be
    one.
    """
    if why := slurm.obstacle():
        (pytest.fail if "CI" in os.environ else pytest.skip)(why)
    cluster = slurm.Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        for snakemake in Study.running:
            snakemake.kill()
        cluster.stop()


@pytest.fixture(scope="session")
def new_study(tmp_path_factory):
    """Make a folder with the workflow and a config."""

    def make(name, config):
        root = tmp_path_factory.mktemp(name)
        workflow_tests.copy_workflow(root)
        study = Study(root)
        study.write_config(config)
        return study

    return make


@pytest.fixture(scope="session")
def prepared(new_study):
    """A study of three models that take a while, of which only the patches are made, and not by
    Slurm.
    """
    config = yaml.safe_load(MINIATURE.read_text())
    del config["datasets"]["tribolium"]
    config["training"] |= {"epochs": 20, "steps_per_epoch": 60, "restarts": 0}
    models = {
        model: {"trained_on": "planaria", "batch_size": 2 + number}
        for number, model in enumerate(MODELS)
    }
    config["studies"] = {"three": {"models": models}}
    study = new_study("prepared", config)
    study.run_locally("results/splits/planaria/random.csv")
    return study
