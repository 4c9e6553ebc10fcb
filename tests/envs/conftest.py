"""A study whose rules run in the environments that they name, started by a Snakemake that has
nothing but itself.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import stand_in
import tifffile
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOCK = re.sub(r"\\\n\s+", " ", (ROOT / "envs" / "lock.txt").read_text()).splitlines()
# Without that of exports: their rules run in tests/exports, in an environment of their own lock
ENVS = sorted(path.name for path in ROOT.glob("envs/*.yaml") if path.name != "export.yaml")


def pytest_report_header():
    asked = {
        re.search(r"python=(\S+)", (ROOT / "envs" / name).read_text()).group(1) for name in ENVS
    }
    found = [
        subprocess.run([stand_in.python(each), "-V"], capture_output=True, text=True).stdout
        for each in asked
    ]
    return (
        f"environments ask for Python {', '.join(asked)}, and are made with"
        f" {', '.join(found).strip()}"
    )


def closure(packages, asked, **python):
    """The packages and all that they require, by name; `asked` has what each package asks for."""
    seen, waiting = set(), [Requirement(package) for package in packages]
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), ("", *sorted(wanted.extras))
        if (name, extras) not in seen:
            seen.add((name, extras))
            waiting += [
                each for each in map(Requirement, asked[name]) if applies(each, extras, python)
            ]
    return {name for name, _ in seen}


def applies(requirement, extras, python):
    marker = requirement.marker
    return not marker or any(marker.evaluate(python | {"extra": extra}) for extra in extras)


def installed(environment):
    """Version of each package of an environment, by name."""
    return {name: found.version for name, found in distributions(environment).items()}


def requirements(environment):
    """What each package of an environment asks for."""
    return {name: found.requires or [] for name, found in distributions(environment).items()}


def distributions(environment):
    packages = next(environment.glob("lib/python*/site-packages"))
    return {
        canonicalize_name(found.name): found
        for found in metadata.distributions(path=[str(packages)])
    }


@dataclass
class Study:
    """A folder in which the study runs, by Snakemake alone; its environments lie in `envs`."""

    root: Path
    envs: Path
    snakemake: Path
    conda: Path

    def run(self, *arguments):
        command = [
            self.snakemake / "bin" / "snakemake",
            "--snakefile",
            ROOT / "Snakefile",
            "--directory",
            self.root,
        ]
        command += [
            "--sdm",
            "conda",
            "--conda-prefix",
            self.envs,
            "--cores",
            "4",
            "--resources",
            "gpu=1",
            "-p",  # Snakemake's own lines on each job
        ]
        command += ["--set-threads", "train=1", "restore=1", "restore_truth=1", *arguments]
        # Nothing that an activated environment, or a setting of Python's, would lend
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTHON", "VIRTUAL_ENV"))
        }
        environment |= {
            "PATH": f"{self.conda / 'bin'}:{os.environ['PATH']}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        environment["CUDA_VISIBLE_DEVICES"] = ""
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(
            list(map(str, command)), cwd=self.root, env=environment, text=True, **both
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def made(self):
        """Each environment that Snakemake made, by the name of its file."""
        names = {path.read_text(): path.name for path in ROOT.glob("envs/*.yaml")}
        return {names[path.read_text()]: path.with_suffix("") for path in self.envs.glob("*.yaml")}


@pytest.fixture(scope="session")
def snakemake_alone(tmp_path_factory):
    """An environment of Snakemake, what it requires, and what starts jobs on Kubernetes, from their
    lock.
    """
    folder = tmp_path_factory.mktemp("snakemake")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    into = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-qq"]
    lock = ROOT / "envs" / "lock-kubernetes.txt"
    subprocess.run([*into, "--require-hashes", "--no-deps", "--requirement", lock], check=True)
    return folder


@pytest.fixture(scope="session")
def conda(tmp_path_factory):
    """An installation of the stand-in for conda."""
    folder = tmp_path_factory.mktemp("conda")
    (folder / "bin").mkdir()
    command = folder / "bin" / "conda"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "stand_in.py"}" "$@"\n')
    command.chmod(0o755)
    (folder / "bin" / "activate").write_text('export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n')
    return folder


@pytest.fixture(scope="session")
def study(snakemake_alone, conda, tmp_path_factory):
    """The miniature study, cut down, from end to end; the other ways in, an archive at hand and
    image pairs; and a restoration that two jobs share."""
    root = tmp_path_factory.mktemp("study")
    study = Study(root, root / "envs", snakemake_alone, conda)
    study.config = root / "study.yaml"
    study.config.write_text(yaml.safe_dump(cut_down(), sort_keys=False))
    study.first = study.run("--configfile", study.config)
    study.first += study.run("--configfile", study.config, "--", "verify")
    study.again = study.run("-n", "--configfile", study.config)
    others = root / "others.yaml"
    targets = ["check", "results/volumes/mine", "results/archives/kept.json"]
    targets += ["results/archives/fetched.tar.gz", "results/patches/theirs/X.npy"]
    targets += ["results/tables/own_images.csv"]
    with served(root / "results/archives") as url:
        others.write_text(yaml.safe_dump(other_ways_in(root, url), sort_keys=False))
        study.second = study.run("--configfile", others, "--", *targets)
    shared = root / "shared.yaml"
    shared.write_text(yaml.safe_dump(with_other_networks(root), sort_keys=False))
    targets = ["restored", "results/scores/planaria-100/tribolium.csv"]
    targets += [f"results/models/{name}/training.json" for name in ("theirs", "further")]
    study.third = study.run("--configfile", shared, "--", *targets)
    yield study
    shutil.rmtree(study.envs)  # 3 GB


def cut_down():
    """Every rule at least once, and hardly more often."""
    config = yaml.safe_load((ROOT / "tests" / "workflow" / "miniature.yaml").read_text())
    config["baselines"] = ["nlm"]
    config["training"] |= {"epochs": 1, "steps_per_epoch": 2}
    config["datasets"]["tribolium"]["stratum"] = "(.)"
    for number, condition in enumerate(config["datasets"]["tribolium"]["conditions"], 1):
        condition["exposure"] = 1 / number
    config["studies"]["batch_size"]["sample_matched"] = False
    for each in config["studies"].values():
        each["tested_on"] = ["tribolium"]
    return config


@contextmanager
def served(folder):
    """The address of a server of the folder's files."""
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def with_other_networks(root):
    """Restorations that several jobs share, networks that came as folders, and a new image,
    compressed by another program.
    """
    image = np.random.default_rng(1).integers(0, 999, (8, 32, 32), np.uint16)
    path = root / "new.tif"
    tifffile.imwrite(path, image, metadata={"axes": "ZYX"}, compression="lzw")
    new = {"images": [str(path)], "model": "planaria-100"}
    folder = str(root / "results/models/planaria-100")
    models = {
        "theirs": {"pretrained": folder},
        "further": {"trained_on": "planaria", "start_from": folder},
    }
    config = cut_down() | {"restoration": {"jobs": 2}, "restore": new}
    config["studies"]["others"] = {"tested_on": ["planaria"], "models": models}
    return config


def other_ways_in(root, url):
    """Datasets that are not simulated."""
    rng = np.random.default_rng(0)
    for folder, name, side in product(("mine", "yours"), "ab", ("low", "high")):
        (root / folder).mkdir(exist_ok=True)
        image = rng.integers(0, 999, (64, 64), np.uint16)
        tifffile.imwrite(root / folder / f"{name}_{side}.tif", image)
    pairs, others = (
        {"low": f"{root}/{folder}/*_low.tif", "high": f"{root}/{folder}/*_high.tif", "axes": "YX"}
        for folder in ("mine", "yours")
    )
    patches = rng.uniform(0, 1, (8, 32, 32)).astype(np.float32)
    np.savez(root / "theirs.npz", X=patches, Y=patches, axes="SYX")
    archive = {"path": str(root / "results/archives/planaria.tar.gz")}
    conditions = [{"name": "1", "source": "condition_1"}]
    return {
        "title": "Other ways in",
        "device": "cpu",
        "datasets": {
            "mine": {"pairs": pairs, "patches": {"shape": [32, 32]}},
            "yours": {"pairs": others, "patches": {"shape": [32, 32]}},
            "theirs": {
                "npz": {"path": str(root / "theirs.npz")},
                "patches": {"source": "npz", "shape": [32, 32]},
            },
            "kept": {
                "archive": archive,
                "conditions": conditions,
                "patches": {"shape": [8, 16, 16]},
            },
            "fetched": {
                "archive": {"url": f"{url}/planaria.tar.gz", "allow_http": True},
                "conditions": conditions,
                "patches": {"shape": [8, 16, 16]},
            },
        },
        "studies": {
            "mine": {
                "tested_on": ["mine", "yours"],
                "models": {"mine-care": {"trained_on": "mine"}},
            },
            "theirs": {
                "tested_on": ["mine"],
                "models": {"theirs-care": {"trained_on": "theirs"}},
            },
        },
    }
