"""The examples of docs/extending.md work as they stand there, on a copy of the workflow."""

import os
import re
import runpy
import subprocess
import sys
from contextlib import nullcontext
from textwrap import dedent, indent
from types import SimpleNamespace
from unittest import mock

import pytest
import yaml
from conftest import HERE, ROOT, copy_workflow
from made_up import scores_of, study_of

# A path, in front of it perhaps the name of a list in that file, and the code that stands below
EXAMPLE = re.compile(
    r"(?:in `(?P<list>[A-Z]+)` of )?`(?P<path>[\w/.]+)`:\n\n(?P<code> *```\w+\n.*?\n *```\n)",
    re.S,
)
STUDY = study_of({"mine": {"models": {"planaria": {"trained_on": "planaria"}}}})


def with_entry(text, name, entry):
    """The text of a module in which a list or dict has this entry before its first one."""
    kind = re.match(r"\w+\(|\"", entry)[0]
    first = re.search(rf"^{name} = .*?\n( +)(?={re.escape(kind)})", text, re.M | re.S)
    place = first.start(1)
    return text[:place] + indent(entry, first[1]) + text[place:]


def with_example(text, example):
    """The text of a file as it is after a reader has followed an example."""
    code = "".join(dedent(example["code"]).splitlines(keepends=True)[1:-1])
    return with_entry(text, example["list"], code) if example["list"] else text + code


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the workflow with every example of the page."""
    flow = copy_workflow(tmp_path_factory.mktemp("extended"))
    for example in EXAMPLE.finditer((ROOT / "docs/extending.md").read_text()):
        path = flow.root / example["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(with_example(path.read_text() if path.exists() else "", example))
    return flow


@pytest.mark.parametrize("name", ["tables/worst_volumes.csv", "figures/volume_scores.pdf"])
def test_the_workflow_makes_it(extended, name):
    jobs = extended.jobs(f"results/{name}", "--configfile", HERE / "miniature.yaml")
    assert jobs[name.split("/")[0].removesuffix("s")] == 1


def run(script, folder, **output):
    """Run the script of a table or figure on made-up scores."""
    scores = folder / "scores.csv"
    scores_of([0.1, 0.2, 0.3]).to_csv(scores, index=False)
    job = SimpleNamespace(
        input=SimpleNamespace(scores=scores),
        output=SimpleNamespace(**output),
        params=SimpleNamespace(study=STUDY, title="A title", caption="A caption."),
        log=[folder / "log"],
    )
    with mock.patch("denoising.running.logs.open_log", lambda *_: nullcontext()):
        runpy.run_path(str(script), init_globals={"snakemake": job})


def test_the_table_is_written(extended, tmp_path):
    script = extended.root / "workflow/scripts/tables/worst_volumes.py"
    files = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "markdown", "html")}
    run(script, tmp_path, **files)
    assert "v2,0.3" in files["csv"].read_text()
    assert "worst test volumes" in files["markdown"].read_text()
    assert "<th>volume</th>" in files["html"].read_text()


def test_the_figure_is_drawn(extended, tmp_path):
    script = extended.root / "workflow/scripts/figures/volume_scores.py"
    files = {kind: tmp_path / f"figure.{kind}" for kind in ("pdf", "png", "caption")}
    run(script, tmp_path, **files)
    assert all(path.stat().st_size for path in files.values())


CHECK = """
import numpy as np
from denoising.restoration.baselines import Setting, denoise
from denoising.study.baselines import BASELINES
setting = Setting(BASELINES["root"].name, 1, 0.5, (4, 8, 8))
restored = denoise(np.ones((4, 8, 8), np.float32), setting)
assert np.allclose(restored, 1)
"""


def test_the_filter_is_one_of_the_baselines(extended):
    scripts = extended.root / "workflow/scripts"
    environment = os.environ | {"PYTHONPATH": str(scripts)}
    subprocess.run([sys.executable, "-c", CHECK], env=environment, check=True)


UNPACK = """
import tarfile, sys
from pathlib import Path
import numpy as np
from denoising.images.archives import unpack
from denoising.images.volumes import read_listing, write_volume
folder = Path(sys.argv[1])
for part in ("test", "train"):
    for source in ("clean", "noisy"):
        path = folder / f"top/{part}_data/one_{source}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, np.ones((4, 8, 8), np.float32), "ZYX")
with tarfile.open(folder / "a.tar", "w") as tar:
    tar.add(folder / "top", "top")
unpack(folder / "a.tar", "named", "clean", {"low": "noisy"}, folder / "volumes")
rows = read_listing(folder / "volumes")
assert set(rows["condition"]) == {"truth", "low"} and set(rows["volume"]) == {"one"}
"""


@pytest.fixture
def named_config():
    """The miniature study's config, with an archive of the page's layout."""
    config = yaml.safe_load((HERE / "miniature.yaml").read_text())
    dataset = config["datasets"]["planaria"] | {"layout": "named", "archive": {"path": "a.tar.gz"}}
    del dataset["simulate"]
    config["datasets"]["planaria"] = dataset
    return config


def test_a_config_may_name_the_layout(extended, named_config):
    (extended.root / "a.tar.gz").touch()
    config = extended.write_config(named_config)
    jobs = extended.jobs("results/volumes/planaria", "--configfile", config)
    assert jobs["unpack"] == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layout", "name", "layout is 'name', expected one of folders, stacks, named"),
        ("truth", 3, "truth is 3, but layout named needs the end of the files' names"),
    ],
)
def test_a_config_is_checked_against_the_layout(extended, named_config, key, value, message):
    named_config["datasets"]["planaria"][key] = value
    config = extended.write_config(named_config, "wrong.yaml")
    done = extended.run("-n", "--configfile", config, check=False)
    assert message in done.said


def test_the_layout_unpacks_an_archive(extended, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(extended.root / "workflow/scripts")}
    command = [sys.executable, "-c", UNPACK, tmp_path]
    subprocess.run(command, env=environment, check=True)
