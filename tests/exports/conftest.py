"""A small study, run from end to end, with all of its networks exported."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def blobs(shape, seed=0):
    """Made-up fluorescence: blurred spots on a background, with shot noise, uint16."""
    rng = np.random.default_rng(seed)
    spots = gaussian_filter((rng.random(shape) > 0.99).astype(float), 2)
    return rng.poisson(20 + 2000 * spots / spots.max()).astype(np.uint16)


def config(root):
    """A network of stacks that predicts its error, one of planes that does not, and a real one."""
    for name in "abcd":
        (root / "raw").mkdir(exist_ok=True)
        high = blobs((96, 96), ord(name))
        low = np.random.default_rng(ord(name)).poisson(high / 20).astype(np.uint16)
        tifffile.imwrite(root / f"raw/{name}_low.tif", low)
        tifffile.imwrite(root / f"raw/{name}_high.tif", high)
    pairs = {"low": f"{root}/raw/*_low.tif", "high": f"{root}/raw/*_high.tif", "axes": "YX"}
    miniature = yaml.safe_load((ROOT / "tests/workflow/miniature.yaml").read_text())
    planaria = miniature["datasets"]["planaria"] | {"nuclei": None, "published": None}
    planaria["conditions"] = planaria["conditions"][:2]
    models = {"mine-care": {"trained_on": "mine", "loss": "mae"}}
    if DATA.is_dir():
        models["theirs"] = {"pretrained": str(DATA / "models/salome_care2d")}
    return {
        "title": "Networks that leave",
        "device": "cpu",
        "datasets": {
            "planaria": planaria,
            "mine": {"pairs": pairs, "patches": {"shape": [32, 32], "percentiles": [2, 99.5]}},
        },
        "baselines": ["gaussian"],
        "training": {"width": 4, "epochs": 2, "steps_per_epoch": 8, "batch_size": 2},
        "studies": {
            "stacks": {"models": {"stack-care": {"trained_on": "planaria"}}},
            "planes": {"tested_on": ["mine"], "models": models},
        },
    }


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The folder of the study, after `snakemake exported`."""
    root = tmp_path_factory.mktemp("study")
    file = root / "study.yaml"
    file.write_text(yaml.safe_dump(config(root), sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "exported", "--snakefile", ROOT / "Snakefile"]
    command += ["--directory", root, "--configfile", file, "--cores", "2", "--resources", "gpu=1"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        list(map(str, command)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return root
