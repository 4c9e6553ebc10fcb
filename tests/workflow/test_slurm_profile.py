"""The Slurm profile by dry run, which needs no Slurm; tests/slurm runs it on a real one."""

import re

import pytest
import yaml
from conftest import ROOT, copy_workflow

PROFILE = ROOT / "profiles" / "slurm" / "config.yaml"
ON_GPU = {"train", "restore", "restore_truth", "restore_slab", "conformal"}
# Long, or what lets go of large files, or no job of the cluster's
SCORING = {"evaluate", "objects", "resolution", "calibrate", "protocol_ladder"}
SCORING |= {"restoration_examples", "viewer_sections"}
ALONE = ON_GPU | SCORING
# A checkpoint's group would have to be made anew when it is done
ALONE |= {
    "check_pairs",
    "check_leaks",
    "check",
    "restore_images",
    "take_over",
    "check_start",
    "gather_slabs",
    "ensemble",
    "download",
    "all",
    "published",
    # Where Snakemake was started: its records of jobs, and the console
    "crate",
    "verify",
    "export",
    "export_saved_model",
    "exported",
}


def asked_for(flow, *arguments):
    """Rule to what its job asks for, of the jobs that lead to one model's scores."""
    target = "results/scores/planaria-100/planaria.csv"
    said = flow.run("-n", "--workflow-profile", "profiles/slurm", *arguments, "--", target).said
    jobs = re.findall(r"^ *(?:local)?rule (\w+):\n(?:.*\n)*? *resources: (.*)", said, re.M)
    return {rule: dict(re.findall(r"(\w+)=([^,]+)", resources)) for rule, resources in jobs}


def test_every_rule_is_grouped_unless_it_is_long(workflow):
    profile = yaml.safe_load(PROFILE.read_text())
    rules = set(re.findall(r"^(\w+)(?: \(|$)", workflow.run("--quiet", "--list-rules").said, re.M))
    assert set(profile["groups"]) == rules - ALONE
    assert set(profile["set-resources"]) <= rules
    assert set(profile["group-components"]) <= set(profile["groups"].values())


@pytest.fixture(scope="module")
def first(workflow):
    return asked_for(workflow)


def test_time_and_memory_grow_with_every_attempt(workflow, first):
    second = asked_for(workflow, "--attempt", "2")
    assert set(first) == {"simulate", "unpack", "patches", "split", "train", "restore", "evaluate"}
    for rule in first:
        for what in ("mem_mb", "runtime"):
            assert int(second[rule][what]) == 2 * int(first[rule][what]) > 0


def on_gpus(asked):
    return {rule for rule, resources in asked.items() if resources.get("gpu", "0") != "0"}


def test_only_the_rules_that_use_a_gpu_ask_for_one(first):
    assert on_gpus(first) == {"train", "restore"}
    assert {first[rule]["gpu"] for rule in ("train", "restore")} == {"1"}


@pytest.mark.parametrize(
    ("device", "networks"), [("auto", {"train", "restore_slab"}), ("cpu", set())]
)
def test_networks_on_the_cpu_ask_for_no_gpu_and_slabs_for_one_each(
    workflow, miniature_config, device, networks
):
    miniature_config |= {"device": device, "restoration": {"jobs": 2}}
    asked = asked_for(workflow, "--configfile", workflow.write_config(miniature_config))
    assert {"train", "restore_slab", "gather_slabs"} < set(asked)
    assert on_gpus(asked) == networks


@pytest.mark.parametrize("ways", [["gpu_model"], ["gpu", "gres"]])
def test_the_lines_to_edit_reach_the_jobs(tmp_path, ways):
    flow = copy_workflow(tmp_path)
    names = "|".join(["slurm_account", "slurm_partition", *ways])
    edited, count = re.subn(rf"# ((?:{names}):)", r"\1", PROFILE.read_text())
    assert count == 3 + len(ways)
    # Names that Python would make something else of
    edited = edited.replace("my_account", "2023-42").replace("'cpu'", "'all'")
    (tmp_path / "profiles/slurm/config.yaml").write_text(edited)
    wanted = (
        {"gpu": "1", "gpu_model": "a100"}
        if ways == ["gpu_model"]
        else {"gpu": "0", "gres": "gpu:a100:1"}
    )
    for rule, asked in asked_for(flow).items():
        assert asked["slurm_account"] == "2023-42"
        assert asked["slurm_partition"] == ("gpu" if rule in ON_GPU else "all")
        gpus = {
            name: value for name, value in asked.items() if name in ("gpu", "gpu_model", "gres")
        }
        assert gpus == (wanted if rule in ON_GPU else {})
