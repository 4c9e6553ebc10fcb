"""What runs on each commit elsewhere is what .ci/run runs: the same make targets."""

import re

import yaml
from made_up import ROOT

TARGET = re.compile(r"\bmake ([a-z-]+)")


def test_github_runs_the_targets_of_the_gate():
    gate = (ROOT / ".ci/run").read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    targets = {target for step in steps for target in TARGET.findall(step.get("run", ""))}
    assert targets == set(re.findall(r"^(?:\S+=\S+ )?make ([a-z-]+)", gate, re.M))


def test_a_commit_is_linted():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make lint"]


def test_the_cited_version_is_that_of_the_changelog():
    version = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
