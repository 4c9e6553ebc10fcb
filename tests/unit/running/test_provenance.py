"""Versions of the code behind each rule, and the record of what made the results."""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from denoising.running.provenance import code_version, record, recorded_title, write_record
from denoising.study.config import resolve

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "workflow" / "scripts"

CODE = {
    "score.py": "from denoising.metrics import score\n\nprint(score(3))\n",
    "denoising/__init__.py": "",
    "denoising/metrics.py": (
        'FACTOR = 2\n\n\ndef score(x):\n    """Score."""\n    from denoising import scale\n\n'
        "    return scale.scaled(x) * FACTOR\n"
    ),
    "denoising/scale.py": (
        "import denoising.limits\nfrom denoising.deep import floor"
        "\n\n\ndef scaled(x):\n    return min(x, denoising.limits.TOP)\n"
    ),
    "denoising/limits.py": "TOP = 10\n",
    "denoising/figures.py": "def draw():\n    pass\n",
    "denoising/deep/__init__.py": "",
    "denoising/deep/floor.py": "BOTTOM = 1\n",
    "denoising/score.py": "A_MODULE_OF_THE_SCRIPTS_NAME = True\n",
}


@pytest.fixture
def version(tmp_path):
    """The version of score.py in a folder of its own, with some files replaced."""
    written = iter(range(100))

    def of(script="score.py", **replaced):
        folder = tmp_path / str(next(written))
        for name, text in (CODE | replaced).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return code_version(folder / script)

    return of


def edited(name, old, new):
    assert old in CODE[name]
    return {name: CODE[name].replace(old, new)}


def test_version_is_short_and_does_not_depend_on_the_folder(version):
    assert version() == version()
    assert len(version()) == 12
    assert set(version()) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "change",
    [
        edited("score.py", "3", "4"),
        edited("denoising/metrics.py", "= 2", "= 3"),
        edited("denoising/metrics.py", "* FACTOR", "+ FACTOR"),
        edited("denoising/scale.py", "min", "max"),
        edited("denoising/limits.py", "10", "11"),
        edited("denoising/deep/floor.py", "1", "2"),
        edited("score.py", "metrics import score", "figures import draw as score"),
    ],
    ids=[
        "script",
        "constant of a module",
        "function",
        "module of a module",
        "module in a folder",
        "through two modules",
        "other import",
    ],
)
def test_code_that_the_script_runs_changes_its_version(change, version):
    assert version(**change) != version()


@pytest.mark.parametrize(
    "change",
    [
        edited("denoising/metrics.py", "Score.", "Score one image against another."),
        edited("denoising/metrics.py", "FACTOR = 2\n",
        '"""A module."""\nFACTOR = 2  # dimensionless\n'), edited("denoising/metrics.py",
        '    """Score."""\n', ""), edited("denoising/limits.py", "TOP = 10\n",
        "# brightest\n\n\nTOP   =   (\n    10\n)\n"), edited("score.py", "\n\n",
        "\n\n\n# print the score\n"), edited("denoising/figures.py", "pass", "return 1"),
        edited("denoising/score.py", "True", "False"),
        {"train.py": "import denoising.figures\n"},
    ],
    ids=[
        "docstring", "module docstring and comment", "docstring removed", "layout",
        "comment in the script", "unrelated module", "unrelated module of the script's name",
        "another script",
    ],
)  # fmt: skip
def test_text_and_unrelated_code_do_not(change, version):
    assert version(**change) == version()


def test_text_that_is_no_docstring_counts(version):
    """A string that the program uses is code."""
    text = CODE["denoising/limits.py"]
    assert version(**{"denoising/limits.py": text + 'UNIT = "um"\n'}) != version(
        **{"denoising/limits.py": text + 'UNIT = "nm"\n'}
    )


def test_scripts_of_one_folder_have_versions_of_their_own(version):
    assert version("draw.py", **{"draw.py": "import denoising.figures\n"}) != version()


def test_modules_that_import_each_other(version):
    circle = {"denoising/limits.py": "import denoising.scale\nTOP = 10\n"}
    assert version(**circle) == version(**circle)


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_script_has_a_version(script):
    assert len(code_version(SCRIPTS / script)) == 12


def test_imports_in_the_library_are_such_as_versions_see():
    """Neither relative nor through the package's own file, whose code no version holds."""
    assert not ast.parse((SCRIPTS / "denoising" / "__init__.py").read_text()).body[1:]
    for path in (SCRIPTS / "denoising").glob("*.py"):
        relative = [
            n
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.ImportFrom) and n.level
        ]
        assert not relative, path.name


# The record


@pytest.fixture(scope="module")
def published():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    return resolve(yaml.safe_load((ROOT / "config/paper.yaml").read_text()), schema)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "work" / "envs").mkdir(parents=True)
    (tmp_path / "work" / "envs" / "versions.txt").write_text(
        "# data\nnumpy==1.0.0\n\nno-such-package==3.2\n"
    )
    return tmp_path / "work"


@pytest.fixture
def inputs(tmp_path):
    (tmp_path / "planaria.json").write_text(
        '{"source": "https://example.org", "sha256": "ab", "verified": false}'
    )
    return {"planaria": tmp_path / "planaria.json"}


def test_record_holds_versions_inputs_and_seeds(inputs, repository):
    entry = record(inputs, {"planaria": None}, {"planaria": 0, "tribolium": 3}, repository)
    assert entry["packages"] == {
        "numpy": {"pinned": "1.0.0", "installed_here": np.__version__},
        "no-such-package": {"pinned": "3.2", "installed_here": "not installed"},
    }
    assert entry["inputs"]["planaria"] == {
        "source": "https://example.org",
        "sha256": "ab",
        "verified": False,
    }
    assert entry["seeds"] == {"planaria": 0, "tribolium": 3}
    assert entry["commit"] == "not a git checkout"


def git(repository, *command):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *command], cwd=repository, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def checkout(repository):
    """A git checkout with one commit."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "Begin")
    return repository


def test_a_checksum_written_into_the_config_later_is_held_against_the_record(inputs, repository):
    assert record(inputs, {"planaria": "ab"}, {}, repository)["inputs"]["planaria"]["verified"]
    with pytest.raises(ValueError, match="has sha256 ab, expected cd"):
        record(inputs, {"planaria": "cd"}, {}, repository)


def test_record_holds_the_commit(checkout):
    entry = record({}, {}, {}, checkout)
    assert entry["commit"] == git(checkout, "rev-parse", "HEAD").strip()
    assert entry["uncommitted_changes"] == []


def test_record_names_uncommitted_changes(checkout):
    (checkout / "envs" / "versions.txt").write_text("numpy==2.0.0\n")
    assert record({}, {}, {}, checkout)["uncommitted_changes"] == [" M envs/versions.txt"]


def test_record_says_that_something_was_changed(checkout):
    (checkout / "envs" / "versions.txt").write_text("numpy==2.0.0\n")
    (change,) = record({}, {}, {}, checkout)["uncommitted_changes"]
    assert change.endswith("envs/versions.txt")


def test_write_record_writes_json_and_the_filled_in_config(published, tmp_path):
    entry = {"commit": "abc", "seeds": {"planaria": 0}}
    write_record(entry, published.config, tmp_path / "provenance.json", tmp_path / "config.yaml")
    assert json.loads((tmp_path / "provenance.json").read_text()) == entry
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert written["title"] == published.title == recorded_title(tmp_path / "config.yaml")
    assert written["validation_fraction"] == 0.2
    assert written["baselines"] == ["gaussian", "median", "tv", "wavelet", "nlm"]
    assert written["datasets"]["planaria"]["patches"]["percentiles"] == [3, 99.8]
    assert written["studies"]["batch_size"]["models"]["planaria-batch64"] == {"batch_size": 64}
