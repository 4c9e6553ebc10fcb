"""The page on own images: its commands as they stand, on real images."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
PAGE = (ROOT / "docs/own-images.md").read_text()


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A clone and a home with three real pairs and a stack, after all commands of the steps."""
    if not DATA.is_dir():
        pytest.skip("the real images are not here")
    home = tmp_path_factory.mktemp("home")
    clone = home / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    for folder in ("raw", "new"):
        (home / "studies/mine" / folder).mkdir(parents=True)
    for name in ("mice", "BPAE_B", "fish"):
        for theirs, ours in (("noisy", "low"), ("gt", "high")):
            pair = home / f"studies/mine/raw/{name}_{ours}.tif"
            pair.symlink_to(DATA / f"pairs2d/fmd_{name}_{theirs}.tif")
    (home / "studies/mine/new/stack.tif").symlink_to(DATA / "data3d/neubias_chromosomes_ZYX.tif")
    steps = PAGE[: PAGE.index("\n---\n")]
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", steps, re.S))
    assert commands.count("snakemake") == 3
    # The environment that runs this test is the installed one
    commands = re.sub(r"make install\n|source .venv/bin/activate\n", "", commands)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=clone,
        env={**os.environ, "HOME": str(home), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return home / "studies/mine", done.stdout


def test_the_check_says_what_will_run(told):
    folder, said = told
    assert "3 image pairs, all looked at: 2 to train on, 1 to test on" in said
    assert (folder / "results/checks/plan.txt").is_file()


def test_the_network_is_scored_beside_filters(told):
    folder, _ = told
    verdicts = (folder / "results/tables/verdicts.md").read_text()
    assert "mine-care" in verdicts
    assert (folder / "results/figures/fig2_restoration.png").stat().st_size > 10_000


def test_the_stack_is_restored_in_its_own_units_with_a_picture(told):
    folder, _ = told
    restored = tifffile.imread(folder / "restored/stack.tif")
    stack = tifffile.imread(folder / "new/stack.tif")
    assert restored.shape == stack.shape
    gain = np.polyfit(stack.ravel().astype(float), restored.ravel(), 1)[0]
    assert 0.5 < gain < 1.5
    assert (folder / "restored/quicklooks/stack.png").stat().st_size > 10_000
