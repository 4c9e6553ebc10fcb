"""Every command of the documentation, run as it stands in a copy of the workflow.

`snakemake` says what it would run, and so does `make`; nothing is trained or installed. Commands
that cannot run like that are listed, with the test that runs them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "config/README.md", "profiles/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))

EXTENDING, KUBERNETES = "tests/workflow/runs/test_extending.py", "tests/envs/test_kubernetes.py"
# How a command begins, why it does not run here, and what runs it or says that nothing does
ELSEWHERE = {
    "snakemake --report": ("needs results", "tests/workflow/test_miniature.py"),
    "snakemake --workflow-profile profiles/kubernetes": ("needs other packages", KUBERNETES),
    "conda ": ("needs a conda channel", "docs/limits.md"),
    "CONDA_OVERRIDE_CUDA=": ("makes environments, even with -n", "docs/limits.md"),
    "snakemake --sdm conda apptainer": ("needs an image", "docs/limits.md"),
    'pip install "napari': ("installs packages", "docs/limits.md"),
    "python docs/view_in_napari.py": ("needs napari", "tests/unit/test_view_in_napari.py"),
    "snakemake results/figures/volume_scores.pdf": ("needs its script", EXTENDING),
    "snakemake results/tables/worst_volumes.csv": ("needs its script", EXTENDING),
}
# Pages whose Python a test runs
PYTHON = {
    "docs/exports.md": "tests/exports/test_exports.py",
    "docs/extending.md": EXTENDING,
    "docs/provenance.md": "tests/workflow/test_miniature.py",
    "docs/running.md": "tests/workflow/runs/test_module.py",
}


def lines(page):
    """The lines of a page's shell blocks, then the calls of Snakemake with options in its text."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    joined = re.sub(r"\\\n *", "", "".join(blocks))
    return joined.splitlines() + re.findall(r"`((?:\.venv/bin/)?snakemake [^`]*?--[^`]*)`", text)


def is_elsewhere(line):
    return line.removeprefix(".venv/bin/").startswith(tuple(ELSEWHERE))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the workflow and a home with pairs of images, with commands that only tell."""
    home = tmp_path_factory.mktemp("home")
    root, programs = home / "clone", home / "clone/.venv/bin"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    for name in files.split("\n")[:-1]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((ROOT / name).read_bytes())
    programs.mkdir(parents=True)
    (root / ".venv-export").symlink_to(".venv")
    snakemake = Path(sys.executable).with_name("snakemake")
    told = {
        "snakemake": f'case "$*" in *--containerize*) ;; *) set -- "$@" -n -q rules;; esac\n'
        f'exec {snakemake} "$@"',
        "make": 'exec /usr/bin/make -n "$@"',
        "conda": f'exec {sys.executable} {ROOT}/tests/envs/stand_in.py "$@"',
        "activate": "",
    }
    for name, script in told.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    for folder, names in {"raw": ("a_low", "a_high", "b_low", "b_high"), "new": ("c",)}.items():
        (home / "studies/mine" / folder).mkdir(parents=True)
        for name in names:
            image = np.random.default_rng(1).random((128, 128), np.float32)
            tifffile.imwrite(home / f"studies/mine/{folder}/{name}.tif", image)
    own = (root / "config/own_images.yaml").read_text()
    (root / "mine.yaml").write_text(f"{own}restore: {{images: [new], model: mine-care}}\n")
    return root


@pytest.mark.parametrize("page", PAGES)
def test_its_commands_run(clone, page):
    commands = "\n".join(line for line in lines(page) if not is_elsewhere(line))
    path = f"{clone}/.venv/bin:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-x", "-c", commands],
        cwd=clone,
        env={**os.environ, "HOME": str(clone.parent), "PATH": path, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_what_is_listed_stands_in_a_page_and_is_run():
    every = [line.removeprefix(".venv/bin/") for page in PAGES for line in lines(page)]
    for command, (_, file) in ELSEWHERE.items():
        assert any(line.startswith(command) for line in every), command
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("page", PAGES)
def test_its_python_is_run(page):
    if "```python" in (ROOT / page).read_text():
        assert page in (ROOT / PYTHON[page]).read_text()
