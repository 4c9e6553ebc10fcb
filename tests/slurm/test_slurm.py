"""The study on a real Slurm, run by profiles/slurm; when a job ran, and where, is from Slurm's own
records.
"""

import itertools
import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from cluster import said, until
from conftest import MINIATURE, MODELS

PATIENCE = 600  # seconds until something happens that takes a few


def overlap(*ran):
    """Whether all of these (start, end, ...) have a moment in common."""
    return max(start for start, *_ in ran) < min(end for _, end, *_ in ran)


def model_of(job):
    return job["Comment"].rpartition("_")[2]


def models_on_nodes(cluster, study):
    """What is trained where just now."""
    jobs = cluster.trainings(study.root).values()
    return {job["NodeList"]: model_of(job) for job in jobs if job["JobState"] == "RUNNING"}


def wait_for_training(study, model, epoch):
    until(lambda: study.epoch(model) >= epoch, PATIENCE)


# The miniature study, where one node has the only GPU that it may use


@pytest.fixture(scope="module")
def on_slurm(cluster, new_study):
    """Run by Slurm, and as far as its scores by Snakemake alone; cut down to four trainings and one
    test set without nuclei.
    """
    config = yaml.safe_load(MINIATURE.read_text()) | {"baselines": ["gaussian"]}
    config["training"] |= {"epochs": 1, "steps_per_epoch": 2}
    for dataset in config["datasets"].values():
        del dataset["nuclei"]
    config["studies"]["batch_size"]["sample_matched"] = False
    for sweep in config["studies"].values():
        sweep["tested_on"] = ["tribolium"]
    study, local = new_study("on_slurm", config), new_study("local", config)
    study.edit_profile("    # slurm_partition:", "    slurm_partition:")
    running = study.start_on_slurm()
    local.run_locally("results/scores.csv")
    study.finish(running)
    study.local = local
    return study


def test_scores_are_those_of_a_run_without_slurm(on_slurm):
    scores = (on_slurm.root / "results/scores.csv").read_text()
    assert scores == (on_slurm.local.root / "results/scores.csv").read_text()


def test_trainings_on_one_gpu_never_overlap(cluster, on_slurm):
    ran = cluster.completed(cluster.trainings(on_slurm.root))
    assert [(state, node) for *_, state, node in ran] == [("COMPLETED", "n1")] * 4
    assert not any(overlap(*pair) for pair in itertools.combinations(ran, 2))


def test_only_training_and_restoration_ask_for_a_gpu(cluster, on_slurm):
    jobs = cluster.jobs(on_slurm.root).values()
    asked = {(job["Comment"].split("_wildcards")[0], job.get("TresPerJob")) for job in jobs}
    with_gpu = {(name, gpus) for name, gpus in asked if gpus}
    assert with_gpu == {
        (f"rule_{name}", "gres:gpu:1")
        for name in ("train", "restore", "restore_truth", "conformal")
    }


def test_small_jobs_share_a_place_in_the_queue(cluster, on_slurm):
    jobs = cluster.jobs(on_slurm.root).values()
    assert Counter(job["Comment"].split("_")[1] for job in jobs) == {
        "data": 2, "train": 4, "restore": 5, "ensemble": 1, "baselines": 1, "evaluate": 7,
        "conformal": 5, "calibrate": 5, "protocol": 1, "restoration": 1, "resolution": 7,
        "viewer": 1, "report": 1,
    }  # fmt: skip
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}


# What befalls a training


@pytest.fixture(scope="module")
def lost_node(cluster, prepared, tmp_path_factory):
    """Three models trained on three nodes, of which one is lost."""
    study = prepared.copy(tmp_path_factory.mktemp("lost_node"))
    snakemake = study.start_training(*MODELS)
    on = until(lambda: len(running := models_on_nodes(cluster, study)) == 3 and running, PATIENCE)
    study.lost = on["n2"]
    wait_for_training(study, study.lost, 2)
    cluster.lose("n2")
    study.finish(snakemake)
    cluster.start_node("n2")
    until(lambda: cluster.idle() == {"n1", "n2", "n3"}, PATIENCE)
    return study


def test_trainings_on_three_gpus_overlap(cluster, lost_node):
    first = {}
    for *times, _, node in cluster.completed(cluster.trainings(lost_node.root)):
        first.setdefault(node, times)
    assert set(first) == {"n1", "n2", "n3"}
    assert overlap(*first.values())


def test_a_training_whose_node_is_lost_goes_on_on_another(cluster, lost_node):
    jobs = {model_of(job): job for job in cluster.trainings(lost_node.root).values()}
    assert {model: job["Restarts"] for model, job in jobs.items()} == {
        m: str(int(m == lost_node.lost)) for m in MODELS
    }
    assert jobs[lost_node.lost]["NodeList"] in ("n1", "n3")
    for model in MODELS:
        assert ("continuing from epoch-000" in lost_node.log(model)) == (model == lost_node.lost)


def test_trainings_on_one_node_reserve_the_gpus_that_slurm_gave_them(cluster, prepared, tmp_path):
    study = prepared.copy(tmp_path)
    study.edit_profile("    # slurm_partition: \"'gpu'\"", "    slurm_partition: pair")
    study.edit_config("training", epochs=4)
    study.finish(study.start_training("first", "second"))
    ran = cluster.completed(cluster.trainings(study.root))
    assert [node for *_, node in ran] == ["n3", "n3"]
    assert overlap(*ran)
    assert {study.reserved(model) for model in ("first", "second")} == {"0", "1"}


def test_a_preempted_training_goes_on_from_the_step_where_it_stood(cluster, prepared, tmp_path):
    study = prepared.copy(tmp_path)
    for name in ("slurm_partition", "gpu", "gres"):
        study.edit_profile(f"    # {name}:", f"    {name}:")
    study.edit_config("training", epochs=40)
    snakemake = study.start_training("first")
    wait_for_training(study, "first", 2)
    said(
        "sbatch", "--partition=urgent", "--gpus=1", "--mem=100", "--output=/dev/null", "--wrap=true"
    )
    study.finish(snakemake)
    (job,) = cluster.trainings(study.root).values()
    assert (job["Restarts"], job["TresPerNode"]) == ("1", "gres:gpu:a100:1")
    training = json.loads((study.root / "results/models/first/training.json").read_text())
    assert "-step-" in training["resumed_from"]
    assert study.reserved("first") == "0"


@pytest.mark.parametrize("by", ["scancel", "Ctrl-C"])
def test_a_run_whose_jobs_are_cancelled_goes_on_with_the_next(cluster, prepared, tmp_path, by):
    study = prepared.copy(tmp_path)
    study.edit_profile("    # gpu_model:", "    gpu_model:")
    snakemake = study.start_training("first", options=["--retries", "0"])
    wait_for_training(study, "first", 2)
    if by == "scancel":
        said("scancel", *cluster.jobs(study.root))
        assert "SLURM status is: 'CANCELLED'" in study.finish(snakemake, status=1)
    else:
        snakemake.send_signal(signal.SIGINT)
        study.finish(snakemake, status=1)
    until(lambda: cluster.ended(study.root), PATIENCE)
    assert [job["JobState"] for job in cluster.trainings(study.root).values()] == ["CANCELLED"]
    study.finish(study.start_training("first"))
    assert "continuing from epoch-000" in study.log("first")
    assert [job["TresPerJob"] for job in cluster.trainings(study.root).values()] == [
        "gres:gpu:a100:1"
    ] * 2


def test_a_job_that_exceeds_its_memory_gets_more(cluster, prepared, tmp_path):
    study = prepared.copy(tmp_path)
    study.edit("workflow/rules/train.smk", "growing(8000)", "growing(500)")
    study.finish(study.start_training("first"))
    jobs = cluster.trainings(study.root)
    killed, *_ = jobs.values()
    assert "exceeded memory limit" in Path(killed["StdOut"]).read_text()
    states = [state for *_, state, _ in cluster.completed(jobs)]
    assert states == ["FAILED"] * (len(jobs) - 1) + ["COMPLETED"]
    assert [job["MinMemoryNode"] for job in jobs.values()] == ["500M", "1000M", "1500M"][
        : len(jobs)
    ]


def test_a_job_that_runs_out_of_time_gets_more_and_goes_on(cluster, prepared, tmp_path):
    study = prepared.copy(tmp_path)
    study.edit_profile("runtime: 720 * attempt", "runtime: 1 * attempt")
    study.edit_config("training", epochs=10_000)
    snakemake = study.start_training("first")
    until(
        lambda: len(cluster.trainings(study.root)) == 2 and "continuing from" in study.log("first"),
        PATIENCE,
    )
    snakemake.send_signal(signal.SIGINT)
    study.finish(snakemake, status=1)
    until(lambda: cluster.ended(study.root), PATIENCE)
    jobs = cluster.trainings(study.root).values()
    assert [(job["JobState"], job["TimeLimit"]) for job in jobs] == [
        ("TIMEOUT", "00:01:00"),
        ("CANCELLED", "00:02:00"),
    ]


# Past one GPU


def test_a_restoration_shared_by_three_jobs_is_that_of_one(cluster, on_slurm, tmp_path):
    """Restorations are gone once they are scored, unless they are asked for."""
    restored = "results/restored/planaria-100/tribolium"
    on_slurm.local.run_locally(restored)
    study = on_slurm.copy(tmp_path)
    study.edit_profile("    slurm_partition:", "    # slurm_partition:")
    study.edit_config("restoration", jobs=3)
    study.finish(study.start_on_slurm("--", restored))
    jobs = [job["Comment"].split("_wildcards")[0] for job in cluster.jobs(study.root).values()]
    assert sorted(jobs) == ["rule_gather_slabs"] + ["rule_restore_slab"] * 3
    one, three = (
        {
            path.relative_to(root): tifffile.imread(path)
            for path in root.glob(f"{restored}/**/*.tif")
        }
        for root in (on_slurm.local.root, study.root)
    )
    assert set(one) == set(three)
    assert len(one) == 2 * 3 * 2  # volumes, conditions, restoration and scale
    for name in one:
        # Convolutions of other shapes round differently
        np.testing.assert_allclose(three[name], one[name], rtol=1e-6, atol=1e-6)


def test_a_job_that_fails_in_a_group_is_said_once_and_last(cluster, new_study):
    config = yaml.safe_load(MINIATURE.read_text())
    sweep = {"sample_matched": False, "models": {"planaria-batch8": {"batch_size": 64}}}
    config["studies"]["batch_size"] |= sweep
    study = new_study("fails", config)
    options = ("--retries", "0", "--", "results/splits/planaria/by-volume.csv")
    told = study.finish(study.start_on_slurm(*options), status=1)
    assert told.count("batch_size is 64, but its training set has") == 1
    assert told.endswith("(log: logs/split/planaria/by-volume.log)\n")
