"""What strangers hand a user runs nothing and changes nothing beside the results: names of files
and folders, configs, and the shell's umask.
"""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import copy_workflow
from csbdeep.utils import save_json
from random_networks import random_network

from denoising.images.files import write
from denoising.study.paths import wildcard

# What a shell, a template or Snakemake would take for more than a name
NAMES = (
    "a; touch pwned", "b $(touch pwned)", "c `touch pwned`", "d && touch pwned", "e | touch pwned",
    "f > pwned", "g 'quoted'", 'h "quoted"', "-i", "j {wildcards}", "k %s \\n", "l < b >ü",
    "m $HOME", "n {{ 7 * 7 }}", "o <results>",
)  # fmt: skip


def image(seed):
    return np.random.default_rng(seed).integers(100, 999, (40, 48)).astype(np.uint16)


@pytest.fixture
def flow(tmp_path):
    """A copy of the workflow with pairs of planes of odd names, and a network in an odd folder."""
    flow = copy_workflow(tmp_path)
    for seed, name in enumerate(NAMES):
        if wildcard(name) is None:
            write(tmp_path / f"raw/{name}_low.tif", image(seed), "YX")
            write(tmp_path / f"raw/{name}_high.tif", image(seed + 50), "YX")
        write(tmp_path / f"new/{name}.tif", image(seed), "YX")
    folder = tmp_path / "their; touch pwned $(touch pwned)"
    network = random_network("YX", depth=1, kernel=3, probabilistic=False)
    folder.mkdir()
    save_json(vars(network.config), str(folder / "config.json"))
    network.keras_model.save_weights(str(folder / "weights_best.h5"))
    flow.config = {
        "title": "$(touch pwned) `touch pwned` {{ 7 * 7 }} {wildcards}",
        "note": "; touch pwned <script>document.title = 'pwned'</script>",
        "device": "cpu",
        "datasets": {
            "mine": {
                "label": "<b>$(touch pwned)",
                "pairs": {"low": "raw/*_low.tif", "high": "raw/*_high.tif", "axes": "YX"},
                "patches": {"shape": [16, 16], "per_volume": 4},
            }
        },
        "training": {"width": 4, "epochs": 1, "steps_per_epoch": 2, "batch_size": 4},
        "studies": {"mine": {"models": {"care": {"trained_on": "mine"}}}},
        "restore": {"images": ["new"], "model": folder.name},
    }
    return flow


def run(flow, target, **options):
    config = flow.write_config(flow.config)
    return flow.run(target, "--cores", "2", "--configfile", config, **options)


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_names_that_a_shell_would_run_are_names(flow):
    before = files(flow.root)
    run(flow, "results/patches/mine/X.npy")
    run(flow, "restored")
    table = pd.read_csv(flow.root / "results/volumes/mine/volumes.csv")
    assert set(table["volume"]) == {name for name in NAMES if wildcard(name) is None}
    restored = {path.stem for path in (flow.root / "restored").glob("*.tif")}
    assert restored == set(NAMES)
    folders = ("results/", "restored/", "logs/", "benchmarks/", ".snakemake/", "leases/")
    new = {name for name in files(flow.root) - before if "__pycache__" not in name}
    assert {name for name in new if not name.startswith(folders)} == {"study.yaml"}


def test_a_name_of_several_lines_is_refused_in_one_sentence(flow):
    for side in ("low", "high"):
        write(flow.root / f"raw/z\nFAILED: all is well_{side}.tif", image(7), "YX")
    said = run(flow, "results/patches/mine/X.npy", check=False).said
    assert "has control characters" in said
    assert "FAILED" not in said.splitlines()
    assert "Traceback" not in said


def test_nothing_is_written_that_others_may_change_whatever_the_umask(flow):
    flow.write_config(flow.config)
    command = [sys.executable, "-m", "snakemake", "results/patches/mine/X.npy"]
    command += ["--cores", "1", "--configfile", "study.yaml"]
    subprocess.run(
        command, cwd=flow.root, umask=0, check=True, capture_output=True, env=flow.environment()
    )
    places = [flow.root / name for name in ("results", "logs", "benchmarks")]
    written = [path for place in places for path in [place, *place.rglob("*")]]
    assert len(written) > 60
    assert [str(path) for path in written if path.lstat().st_mode & 0o002] == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("note: !!python/object/apply:os.system ['touch pwned']", "not valid JSON or YAML"),
        ("note: !!python/name:os.system", "line 2: the tag !!python/name:os.system stands for an"),
        ("note: !!binary aGVsbG8=", "line 2: the tag !!binary stands for an object"),
        ("__use_yte__: true", "line 2: by __use_yte__ Snakemake runs Python that stands in the"),
        (
            "note: '.. include:: /etc/hostname'",
            "note is '.. include:: /etc/hostname', which reports",
        ),
        ("datasets: {'$(touch pwned)': {}}", "datasets: found '$(touch pwned)', expected a name"),
        ('datasets: {"mine\\n": {}}', "datasets: found 'mine\\n', expected a name"),
    ],
)
def test_a_config_is_plain_values(flow, config, said):
    path = flow.root / "study.yaml"
    path.write_text(f"title: A study\n{config}\n")
    done = flow.run("-n", "--configfile", path, check=False)
    assert done.returncode == 1
    assert said in done.said
    assert "Traceback" not in done.said
    assert not list(flow.root.rglob("pwned"))
