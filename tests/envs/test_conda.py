"""Every rule runs in the environment that it names, which has all that it needs, and nothing else.

By Snakemake's own way with conda; a stand-in takes conda's place, which makes the environments of
the same pins by pip.
"""

import json
import re
import subprocess

import pandas as pd
import pytest
import yaml
from conftest import ENVS, HERE, LOCK, ROOT, applies, closure, installed, requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from stand_in import PIP_NAMES

SCRIPTS = ROOT / "workflow" / "scripts"
ALL_SCRIPTS = sorted(
    path
    for folder in ("", "tables", "figures")
    for path in (SCRIPTS / folder).glob("*.py")
    if not path.name.startswith("export")
)


@pytest.fixture(scope="session")
def jobs(study):
    """(environment, script, what was borrowed) of every job."""
    found = []
    for name, folder in study.made.items():
        lines = (folder / "jobs.jsonl").read_text().splitlines()
        found += [(name, job["script"], set(job["borrowed"])) for job in map(json.loads, lines)]
    return found


# The study


def test_every_rule_runs(study):
    said = study.first + study.second + study.third
    ran = set(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", said, re.M))
    listed = set(re.findall(r"^(\w+)(?: \(|$)", study.run("--list-rules"), re.M))
    ran -= {"restored"}  # a target of configs with new images
    # A target whose tables and figures are of `all` too, and what tests/exports runs
    assert ran == listed - {"published", "export", "export_saved_model", "exported"}


def test_the_study_is_complete(study):
    scores = pd.read_csv(study.root / "results/scores.csv", dtype=str, keep_default_na=False)
    # 2 volumes, 3 conditions, 3 + 2 values, 7 of nuclei and 4 of resolution; four runs, an
    # ensemble, the input and a baseline
    assert len(scores) == 2 * 3 * 16 * (4 + 1 + 2)
    assert scores["value"].astype(float).notna().all()


def test_nothing_runs_twice(study):
    assert "Nothing to be done" in study.again


# Environments


def test_snakemake_is_alone(snakemake_alone):
    assert not {"numpy", "pandas", "tifffile", "tensorflow", "matplotlib"} & set(
        installed(snakemake_alone)
    )


def test_every_script_runs_in_one_environment(jobs):
    assert {env for env, _, _ in jobs} == set(ENVS)
    environments = {(script, env) for env, script, _ in jobs}
    assert sorted(script for script, _ in environments) == sorted(
        {path.name for path in ALL_SCRIPTS}
    )


def test_no_job_borrows_from_snakemake(jobs):
    """But Snakemake itself, and what libraries take where they find it and do without elsewhere."""
    optional = {
        "psutil",
        "charset_normalizer",
    }  # Keras, to save large models; numpy, to read Fortran
    lent = {
        (env, script): {name for name in borrowed if not name.startswith("snakemake")}
        for env, script, borrowed in jobs
    }
    assert {job: names - optional for job, names in lent.items() if names - optional} == {}


@pytest.mark.parametrize("env", ENVS)
def test_environment_alone_has_all_that_its_scripts_import(env, study, jobs):
    assert failing_imports(study.made[env], scripts_of(env, jobs)) == ""


def test_an_import_that_an_environment_lacks_is_found(study, jobs):
    said = failing_imports(study.made["data.yaml"], scripts_of("care.yaml", jobs))
    assert "restore.py: import tensorflow: No module named 'tensorflow'" in said


def scripts_of(env, jobs):
    """A table and a figure of one name are told apart by nothing here: both are read."""
    names = {script for used, script, _ in jobs if used == env}
    return [path for path in ALL_SCRIPTS if path.name in names]


def failing_imports(environment, scripts):
    command = [environment / "bin" / "python", "-I", HERE / "imports.py", SCRIPTS, *scripts]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("env", ENVS)
def test_environment_holds_what_its_pins_require_at_the_versions_of_the_lock(env, study):
    environment, found = study.made[env], installed(study.made[env])
    listed = dict(
        entry.split("=")
        for entry in yaml.safe_load((ROOT / "envs" / env).read_text())["dependencies"]
    )
    pins = {PIP_NAMES.get(package, package) for package in listed if package != "python"}
    python = subprocess.run(
        [environment / "bin" / "python", "-V"], capture_output=True, text=True
    ).stdout.split()[1]
    versions = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    assert set(found) == closure(pins, requirements(environment), **versions)
    lines = [Requirement(line.split(" --hash")[0]) for line in LOCK]
    locked = {
        canonicalize_name(each.name): str(each.specifier)
        for each in lines
        if applies(each, [""], versions)
    }
    assert {name: f"=={version}" for name, version in found.items()} == {
        name: locked[name] for name in found
    }
