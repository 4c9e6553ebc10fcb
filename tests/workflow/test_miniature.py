"""A miniature study from end to end, and what runs again after it."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, Workflow

from denoising.images.volumes import open_volume, volume_names

COLUMNS = [
    "model",
    "seed",
    "trained_on",
    "tested_on",
    "condition",
    "volume",
    "stratum",
    "output",
    "protocol",
    "metric",
    "value",
    "window",
]


def test_scores_are_tidy_and_complete(miniature):
    scores = pd.read_csv(
        miniature.root / "results/scores.csv", dtype={"condition": str}, keep_default_na=False
    )
    assert list(scores.columns) == COLUMNS
    assert set(scores["output"]) == {"input", "network", "gaussian", "wavelet", "nlm"}
    # 2 volumes, 3 conditions, 3 + 2 values and 7 of nuclei; 8 tests of runs; an ensemble, input and
    # three baselines on both test sets
    is_resolution = scores["protocol"] == "resolution"
    assert (~is_resolution).sum() == 2 * 3 * 12 * (8 + 2 + 2 + 6)
    assert (scores["protocol"] == "nuclei").sum() == 2 * 3 * 7 * 18
    # 4 values of compared methods: three runs and an ensemble, input and three baselines
    assert is_resolution.sum() == 2 * 3 * 4 * 2 * (3 + 1 + 1 + 3)
    assert not scores.duplicated(COLUMNS[:-2]).any()
    assert set(scores.loc[scores["metric"] == "ssim", "window"]) == {"7x7x7"}
    unnamed = scores[scores["output"] != "network"]
    assert (unnamed[["model", "seed", "trained_on"]] == "").all(axis=None)
    assert set(scores.loc[scores["tested_on"] == "planaria", "stratum"]) == {"fixed", "live"}


def test_scores_tell_runs_and_ensembles_apart(miniature):
    scores = pd.read_csv(miniature.root / "results/scores.csv", dtype=str, keep_default_na=False)
    networks = scores[scores["output"] == "network"]
    assert set(networks[["model", "seed", "trained_on"]].itertuples(index=False, name=None)) == {
        ("planaria-100", "3", "planaria"),
        ("tribolium-100", "1", "tribolium"),
        ("tribolium-100", "2", "tribolium"),
        ("tribolium-100-ensemble", "", "tribolium"),
        ("planaria-batch8", "3", "planaria"),
        ("planaria-batch8-matched", "3", "planaria"),
    }
    of_run = pd.read_csv(
        miniature.root / "results/scores/tribolium-100-seed2/planaria.csv", dtype=str
    )
    assert (set(of_run["model"]), set(of_run["seed"])) == ({"tribolium-100"}, {"2"})


def test_an_ensemble_is_never_worse_than_the_worst_of_its_runs(miniature):
    """Nor could it be: a mean correlates with the truth at least as well as the worst of what it is
    the mean of.
    """
    scores = pd.read_csv(miniature.root / "results/scores.csv", dtype=str, keep_default_na=False)
    ours = scores.query("protocol == 'paper' and metric == 'nrmse' and trained_on == 'tribolium'")
    nrmse = ours.pivot(
        index=["tested_on", "condition", "volume"], columns="seed", values="value"
    ).astype(float)
    assert nrmse.shape == (12, 3)
    assert (nrmse[""] <= nrmse[["1", "2"]].max(axis=1) + 1e-9).all()
    assert (nrmse[""] != nrmse["1"]).all()
    assert (nrmse[""] != nrmse["2"]).all()


@pytest.mark.parametrize(
    "name", ["table1_planaria", "table2_tribolium", "generalization", "hyperparameters", "runtimes"]
)
def test_tables_say_what_they_are_made_of(miniature, name):
    assert len(pd.read_csv(miniature.root / f"results/tables/{name}.csv")) > 0
    assert "its numbers mean nothing" in (miniature.root / f"results/tables/{name}.md").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "fig1_patches",
        "fig2_restoration",
        "fig3_generalization",
        "fig4_batch_size",
        "learning_curves",
        "runtimes",
    ],
)
def test_figures_are_there(miniature, name):
    assert (miniature.root / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (miniature.root / f"results/figures/{name}.png").stat().st_size > 10_000
    caption = (miniature.root / f"results/figures/{name}.txt").read_text()
    assert "its numbers mean nothing" in caption


@pytest.mark.parametrize("dataset", ["planaria", "tribolium"])
def test_each_test_set_has_a_viewer(miniature, dataset):
    """It shows the network of figure 2 alone, because restorations are not kept."""
    page = (miniature.root / f"results/viewers/{dataset}.html").read_text(encoding="utf-8")
    own = {"planaria": "planaria-100", "tribolium": "tribolium-100-seed1"}
    assert f'"{own[dataset]}"' in page
    assert "its numbers mean nothing" in page
    assert "Networks not shown: " in page


def test_the_console_ends_with_what_was_held_out_the_verdicts_and_where_to_look(miniature):
    *lines, last = miniature.first.said.rpartition("\n\n")[2].splitlines()
    assert last == f"Look first at {miniature.root / 'results/findings.html'}"
    assert lines[:2] == [
        f"Held out for testing on {name}: 2 volumes." for name in ("planaria", "tribolium")
    ]
    sentences = pd.read_csv(miniature.root / "results/tables/verdicts.csv")["sentence"].tolist()
    assert lines[2:] == sentences
    assert miniature.first.said.count(sentences[0]) == 1


def test_steps_lead_from_the_2019_scores_to_the_papers(miniature):
    miniature.run(*miniature.arguments, "--", "results/explanation.csv")
    steps = pd.read_csv(miniature.root / "results/explanation.csv", dtype=str)
    # 2 volumes, 3 conditions, 2 outputs, 2 metrics; planaria's roles were never swapped. The CARE
    # paper's protocol and ZeroCostDL4Mic's have a third metric
    last = [36, 36, 24]
    assert list(steps.groupby(["dataset", "step"]).size()) == [24] * 3 + last + [24] * 4 + last
    assert dict(zip(steps["dataset"], steps["model"], strict=True)) == {
        "planaria": "planaria-100",
        "tribolium": "tribolium-100",
    }
    columns = ["condition", "volume", "metric", "value"]
    for dataset, run in (("planaria", "planaria-100"), ("tribolium", "tribolium-100-seed1")):
        for output, method in (("input", "input"), ("network", run)):
            scores = pd.read_csv(
                miniature.root / f"results/scores/{method}/{dataset}.csv", dtype=str
            )
            ours = steps[(steps["dataset"] == dataset) & (steps["output"] == output)]
            for step, protocol in (("1", "study2019"), ("4", "paper")):
                theirs = scores[scores["protocol"] == protocol]
                taken = ours[ours["step"] == step]
                rows = [sorted(each[columns].to_numpy().tolist()) for each in (taken, theirs)]
                assert rows[0] == rows[1]
    assert not list((miniature.root / "results/restored_truth").rglob("*.tif"))


def test_model_folders_are_csbdeeps(miniature):
    folder = miniature.root / "results/models/planaria-batch8"
    names = ["config.json", "history.csv", "training.json", "weights_best.h5"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert json.loads((folder / "config.json").read_text())["train_batch_size"] == 1
    history = pd.read_csv(folder / "history.csv")
    assert list(history["samples_seen"]) == [4, 8]


def test_matched_models_see_as_many_patches_as_the_base(miniature):
    models = ("planaria-100", "planaria-batch8", "planaria-batch8-matched")
    histories = {
        model: pd.read_csv(miniature.root / f"results/models/{model}/history.csv")
        for model in models
    }
    assert [list(history["samples_seen"]) for history in histories.values()] == [
        [8, 16],
        [4, 8],
        [8, 16],
    ]


def test_seeds_make_models_that_differ(miniature):
    folders = [miniature.root / f"results/models/tribolium-100-seed{seed}" for seed in (1, 2)]
    first, second = ((folder / "weights_best.h5").read_bytes() for folder in folders)
    assert first != second
    assert not (miniature.root / "results/models/tribolium-100").exists()


def test_logs_name_the_device(miniature):
    for job in ("train/planaria-100.log", "restore/planaria-100/tribolium.log"):
        assert "device: CPU, " in (miniature.root / "logs" / job).read_text()


def test_provenance_stands_beside_the_results(miniature):
    record = json.loads((miniature.root / "results/provenance.json").read_text())
    assert (
        record["packages"]["tensorflow"]["installed_here"]
        == record["packages"]["tensorflow"]["pinned"]
    )
    assert re.fullmatch("[0-9a-f]{64}", record["inputs"]["planaria"]["sha256"])
    assert record["seeds"] == {
        "planaria-100": 3,
        "tribolium-100-seed1": 1,
        "tribolium-100-seed2": 2,
        "planaria-batch8": 3,
        "planaria-batch8-matched": 3,
    }
    config = yaml.safe_load((miniature.root / "results/config.yaml").read_text())
    assert list(config["studies"]["batch_size"]["models"]) == ["planaria-batch8"]
    assert config["training"]["plateau_patience"] == 10
    assert config["validation_fraction"] == 0.2
    again = miniature.jobs("--cores", "2", "--configfile", "results/config.yaml")
    assert not again


def test_every_job_of_the_run_is_in_the_crate(miniature):
    crate = json.loads((miniature.root / "results/ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in crate}
    names = {entity["name"] for entity in crate if entity["@type"] == "HowToStep"}
    assert names == miniature.first.ran - {"crate", "all"}
    jobs = [entity for name, entity in entities.items() if name.startswith("#job/")]
    assert len(jobs) == len(miniature.first.jobs) - len(["crate", "all"])
    train = entities["#job/train/planaria-100"]
    assert {"@id": "models/planaria-100/weights_best.h5"} in train["result"]
    assert {"@id": "patches/planaria/X.npy"} in train["object"]
    assert "sha256" not in entities["#restored/planaria-100/planaria"]
    assert entities["volumes/planaria/"]["@type"] == "Dataset"
    sources = entities["#run"]["object"]
    assert {"@id": "code/resources/published_scores.csv"} in sources
    assert not [one for one in sources if one["@id"].startswith("#") and "seed" not in one["@id"]]
    assert (miniature.root / "results/code/workflow/rules/train.smk").is_file()


def test_the_page_on_provenance_traces_scores_to_their_archive(miniature):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/provenance.md").read_text(), re.S)
    command = [sys.executable, "-c", code]
    traced = subprocess.run(command, cwd=miniature.root, capture_output=True, text=True, check=True)
    first, *others = traced.stdout.splitlines()
    assert first.startswith("scores/planaria-100/planaria.csv (evaluate/planaria-100/planaria, 20")
    lines = [line.strip().partition(" (")[0] for line in others]
    assert {"models/planaria-100/weights_best.h5", "archives/planaria.tar.gz"} < set(lines)


def test_copied_results_are_verified_and_what_was_edited_is_named(miniature, tmp_path):
    shutil.copytree(miniature.root / "results", tmp_path / "results")
    verify = [*miniature.arguments, "--directory", tmp_path, "--", "verify"]
    done = miniature.run(*verify)
    assert len(
        re.findall(r"^All \d+ files and folders that .+ are as recorded\.$", done.said, re.M)
    )
    assert not (tmp_path / "logs/train").exists()
    (tmp_path / "results/scores.csv").write_text("edited")
    (tmp_path / "results/models/planaria-100/weights_best.h5").unlink()
    done = miniature.run(*verify, check=False)
    assert done.returncode != 0
    *_, first, second = done.said.splitlines()
    assert first.startswith("results/models/planaria-100/weights_best.h5 is missing. The record")
    assert second.startswith("results/scores.csv differs: it has 6 bytes")


def test_a_run_is_compared_with_its_reproduction(miniature, tmp_path):
    """Of which all but one table is there already."""
    (miniature.root / "tests").mkdir()
    shutil.copy(ROOT / "tests/reproduce.py", miniature.root / "tests")
    for name in ("results", ".snakemake"):
        shutil.copytree(miniature.root / name, tmp_path / name)
    (tmp_path / "results/tables/comparisons.csv").unlink()
    scores = tmp_path / "results/scores.csv"
    command = [sys.executable, "tests/reproduce.py", "results", tmp_path, "--cores", "2"]

    def reproduced():
        done = subprocess.run(command, cwd=miniature.root, capture_output=True, text=True)
        return done.returncode, done.stdout

    status, said = reproduced()
    assert status == 0, said
    assert "\ntables/comparisons.csv: same to the bit\n" in said
    assert "The two runs' records agree." in said
    times = scores.stat()
    text = scores.read_text()
    scores.write_text(re.sub(r"0\.0(\d+)", r"0.9\1", text, count=1))
    os.utime(scores, ns=(times.st_atime_ns, times.st_mtime_ns))
    status, said = reproduced()
    assert status == 1
    assert re.search(r"^scores\.csv: differs: value by up to 0\.9 \(line \d+\)$", said, re.M)


def test_restorations_are_temporary_unless_kept(miniature):
    assert not list((miniature.root / "results/restored").rglob("*.tif"))


def test_restoration_leaves_its_runtime(miniature):
    found = json.loads(
        (miniature.root / "results/runtimes/planaria-100/tribolium.json").read_text()
    )
    assert set(found) == {"method", "dataset", "device", "seconds", "voxels", "threads"}
    assert found["voxels"] == 2 * 3 * 8 * 48 * 48
    assert found["seconds"] > 0


@pytest.mark.parametrize("baseline", ["gaussian", "wavelet", "nlm"])
def test_baselines_are_tuned_and_timed(miniature, baseline):
    choice = json.loads(
        (miniature.root / f"results/baselines/{baseline}/tribolium.json").read_text()
    )
    runtime = json.loads(
        (miniature.root / f"results/runtimes/{baseline}/tribolium.json").read_text()
    )
    assert choice["strength"] in {row["strength"] for row in choice["grid"]}
    assert choice["tuned_on"] == "tribolium"
    expected = {
        "method": baseline,
        "dataset": "tribolium",
        "voxels": 6 * 8 * 48 * 48,
        "strength": choice["strength"],
    }
    assert {key: runtime[key] for key in expected} == expected


def test_nothing_runs_twice(miniature):
    assert not miniature.jobs(*miniature.arguments)


def test_one_seed_more_is_one_training_more(miniature, miniature_config):
    """And another ensemble, for which the restorations of the other runs, which were temporary, are
    made again.
    """
    miniature_config["studies"]["generalization"]["models"]["tribolium-100"]["seeds"] = [1, 2, 5]
    jobs = miniature.jobs("--cores", "2", "--configfile", miniature.write_config(miniature_config))
    assert [jobs[rule] for rule in ("train", "restore", "ensemble")] == [1, 6, 2]
    assert not set(jobs) & {"patches", "split", "unpack"}


def edited(miniature, module, before, after):
    """Counts of jobs by rule in a dry run after one edit to the library, which is undone."""
    path = miniature.root / "workflow/scripts/denoising" / f"{module}.py"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    try:
        return miniature.jobs(*miniature.arguments)
    finally:
        path.write_text(text)


TABLES = {"table"}
FIGURES = {"figure"}
VIEWERS = {"viewer"}
LAST = {"provenance", "findings", "crate", "all"}


def test_an_edit_to_code_reruns_the_rules_that_use_it(miniature):
    again = edited(miniature, "report/style", "import ", "import math\nimport ")
    assert set(again) == FIGURES | LAST
    again = edited(miniature, "../figures/runtimes", "import ", "import math\nimport ")
    assert again == {"figure": 1, **dict.fromkeys(LAST, 1)}
    again = edited(
        miniature, "specimens/simulated_archives", "EPOCH = 315532800", "EPOCH = 315619200"
    )
    assert set(again) >= {
        "simulate",
        "train",
        "evaluate",
    }
    again = edited(miniature, "report/examples", "import numpy", "import math\nimport numpy")
    assert not set(again) & {"train", "patches"}
    assert not edited(miniature, "running/logs", "import logging", "import math\nimport logging")
    assert not edited(miniature, "running/devices", "import logging", "import math\nimport logging")
    again = edited(miniature, "running/downloads", "import logging", "import math\nimport logging")
    assert "download" not in again
    again = edited(
        miniature, "restoration/ensembles", "import logging", "import math\nimport logging"
    )
    assert set(again) >= {"ensemble", "evaluate", "gather_scores"}
    assert not set(again) & {"train", "patches", "split"}
    again = edited(miniature, "evaluation/ssim", "SLAB = 16", "SLAB = 8")
    # restorations were temporary, so scoring needs them again; training is never touched
    assert set(again) >= {
        "evaluate",
        "restore",
        "baseline",
        "gather_scores",
        "table",
        "figure",
    }
    assert not set(again) & {"train", "patches", "unpack", "simulate"}


def test_an_edit_to_comments_or_docstrings_reruns_nothing(miniature):
    assert not edited(
        miniature, "training/loop", "import logging", "# Why, not what\n\nimport logging"
    )
    assert not edited(
        miniature,
        "evaluation/protocols",
        '"""Scores of a restoration',
        '"""Scores and more of a restoration',
    )


def test_one_figure_redraws_alone(miniature):
    figure = "results/figures/fig4_batch_size.pdf"
    assert not miniature.jobs(*miniature.arguments, "--", figure)
    (miniature.root / figure).unlink()
    assert miniature.jobs(*miniature.arguments, "--", figure) == {"figure": 1}
    assert "Look first" not in miniature.run(*miniature.arguments, "--", figure).said
    assert (miniature.root / figure).exists()


def test_another_models_batch_does_not_retrain_this_one(miniature, miniature_config):
    miniature_config["studies"]["batch_size"]["models"]["planaria-batch8"]["batch_size"] = 4
    config = miniature.write_config(miniature_config)
    jobs = miniature.jobs("--cores", "2", "--configfile", config)
    assert jobs["train"] == 2  # in each arm


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cpu"},
        {"restoration": {"max_tile_voxels": 20000, "compression": False}},
        {"compute": {"xla": False, "resident": True, "memory_growth": False}},
        {"tensorboard": True},
    ],
)
def test_what_changes_no_result_is_only_put_on_record(miniature, miniature_config, change):
    config = miniature.write_config(miniature_config | change)
    assert miniature.jobs("--cores", "2", "--configfile", config) == dict.fromkeys(LAST, 1)


def test_another_note_is_printed_and_trains_nothing(miniature, miniature_config):
    config = miniature.write_config(miniature_config | {"note": "Another note."})
    jobs = miniature.jobs("--cores", "2", "--configfile", config)
    assert set(jobs) == TABLES | FIGURES | VIEWERS | LAST


@pytest.mark.parametrize(
    "change", [{"schedule": "cosine"}, {"augment": True}, {"precision": "float32"}]
)
def test_what_changes_weights_trains_every_run_again(miniature, miniature_config, change):
    miniature_config["training"] |= change
    jobs = miniature.jobs("--cores", "2", "--configfile", miniature.write_config(miniature_config))
    assert (jobs["train"], jobs["restore"], jobs["ensemble"]) == (5, 8, 2)
    assert not set(jobs) & {"patches", "split", "unpack"}


def test_a_corrected_stratum_scores_again_and_trains_nothing(miniature, miniature_config):
    miniature_config["datasets"]["planaria"]["stratum"] = "_Smed_(fixed|live)_"
    jobs = miniature.jobs("--cores", "2", "--configfile", miniature.write_config(miniature_config))
    assert jobs["evaluate"] > 0
    assert not set(jobs) & {"train", "patches", "unpack"}


def test_other_numbers_are_restored_and_scored_again(miniature, miniature_config):
    miniature_config["restoration"] = {"dtype": "float16"}
    jobs = miniature.jobs("--cores", "2", "--configfile", miniature.write_config(miniature_config))
    assert [jobs[rule] for rule in ("restore", "ensemble", "baseline", "train")] == [8, 2, 6, 0]


def test_restorations_are_made_when_they_are_to_be_kept(miniature, miniature_config):
    miniature_config["restoration"] = {"keep": True}
    jobs = miniature.jobs("--cores", "2", "--configfile", miniature.write_config(miniature_config))
    assert [jobs[rule] for rule in ("restore", "ensemble", "baseline", "train")] == [8, 2, 6, 0]


def test_jobs_that_share_a_restoration_make_what_one_makes(miniature, miniature_config, tmp_path):
    shutil.copytree(miniature.root, tmp_path / "copy")
    flow = Workflow(tmp_path / "copy")
    folder, record = (
        "results/restored/tribolium-100-seed2/planaria",
        "results/runtimes/tribolium-100-seed2/planaria.json",
    )

    def asked(jobs):
        config = miniature_config | {"restoration": {"keep": True, "jobs": jobs}}
        threads = ["--set-threads", "restore=1", "restore_slab=1"]
        return ["--cores", "4", *threads, "--configfile", flow.write_config(config), "--", folder]

    def restored():
        return {
            name: open_volume(flow.root / folder / name)
            for name in volume_names(flow.root / folder)
        }

    flow.run(*asked(1))
    alone, recorded = restored(), json.loads((flow.root / record).read_text())
    assert len(alone) == 2 * 3 * 2  # volumes, conditions, mean and scale
    assert flow.jobs(*asked(3)) == {"restore_slab": 3, "gather_slabs": 1}
    flow.run(*asked(3))
    shared, record = restored(), json.loads((flow.root / record).read_text())
    assert set(shared) == set(alone)
    for name, volume in shared.items():
        assert np.abs(volume - alone[name]).max() < 1e-5 * np.ptp(alone[name])
    assert {**record, "seconds": 0} == {**recorded, "seconds": 0}
    assert record["seconds"] > 0
    # The slabs are gone, and made again only for a reason
    assert not [path for path in (flow.root / "results/slabs").rglob("*") if path.is_file()]
    assert not flow.jobs(*asked(3))
    library = flow.root / "workflow/scripts/denoising/restoration/forward_pass.py"
    library.write_text(library.read_text().replace("SHARE = 0.9", "SHARE = 0.8"))
    assert flow.jobs(*asked(3)) == {"restore_slab": 3, "gather_slabs": 1}


def test_a_batch_larger_than_the_training_set_ends_before_training(
    workflow, miniature_config, tmp_path
):
    sweep = miniature_config["studies"]["batch_size"]
    sweep |= {"sample_matched": False, "models": {"planaria-batch8": {"batch_size": 64}}}
    config = workflow.write_config(miniature_config)
    folder = ["--directory", tmp_path, "results/models/planaria-100/weights_best.h5"]
    done = workflow.run("--cores", "2", *folder, "--configfile", config, check=False)
    assert done.returncode != 0
    message = "model planaria-batch8: batch_size is 64, but its training set has"
    assert done.said.count(message) == 1
    assert "Traceback" not in done.said
    log = (tmp_path / "logs/split/planaria/by-volume.log").read_text()
    assert "Traceback" in log
    assert message in log
    assert "split" in done.ran and "train" not in done.ran


def test_report_works_offline(miniature):
    miniature.run(*miniature.arguments, "--report", "report.html")
    report = (miniature.root / "report.html").read_text()
    assert "fig4_batch_size.png" in report
    assert "table1_planaria.html" in report
    assert "On planaria, the network planaria-100 leaves" in report  # on the first page


def test_the_first_page_says_what_came_out_and_leads_to_all_of_it(miniature):
    results = miniature.root / "results"
    page = (results / "README.md").read_text()
    assert "- Held out for testing on planaria" in page
    assert "Networks were trained for content-aware restoration" in page
    assert "2 epochs of 4 steps of 2 patches" in page
    links = re.findall(r"\]\(([^)]+)\)", page)
    links += re.findall(r'(?:href|src)="(?!data:)([^"]+)"', (results / "findings.html").read_text())
    assert len(links) > 40
    assert all((results / link).is_file() for link in links)
