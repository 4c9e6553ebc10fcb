"""What would run, for each config: by dry run."""

import re

import pytest

STUDY = {
    "unpack": 2, "patches": 2, "split": 2, "train": 14, "restore": 18, "tune_baseline": 10,
    "baseline": 10, "restore_truth": 1, "evaluate": 30, "resolution": 20, "conformal": 14,
    "calibrate": 18, "protocol_ladder": 2, "gather_explanations": 1, "gather_scores": 1,
    "table": 18, "figure": 12, "patch_examples": 2, "restoration_examples": 2, "provenance": 1,
    "viewer_sections": 2, "viewer": 2, "findings": 1, "crate": 1, "all": 1,
}  # fmt: skip

# Without the arms of matched models, with three models on fewer training volumes, which have splits
# of their own, with the figure of that sweep, one of exposures and one of nuclei
DEFAULT = STUDY | {
    "simulate": 2, "split": 6, "train": 12, "restore": 16, "evaluate": 28, "objects": 28,
    "conformal": 12, "calibrate": 16, "table": 19, "figure": 15,
}  # fmt: skip


def test_default_study_simulates_its_specimens(workflow):
    assert workflow.jobs() == DEFAULT


def test_published_study_is_the_same_graph_on_downloaded_archives(workflow):
    """With one figure more: its trainings beside the published ones."""
    beside = {"download": 2, "figure": STUDY["figure"] + 1}
    assert workflow.jobs("--configfile", "config/paper.yaml") == STUDY | beside


def test_a_network_is_exported_with_its_scores_and_nothing_else_is_made(workflow):
    """Its passport needs scores of the input and of every filter too, on two test sets."""
    jobs = workflow.jobs("results/exports/planaria-100/README.md")
    rules = ("train", "restore", "evaluate", "calibrate", "export", "export_saved_model", "table")
    assert [jobs[rule] for rule in rules] == [1, 2, 2 * 7, 2, 1, 0, 0]
    jobs = workflow.jobs("exported")
    assert (jobs["export"], jobs["export_saved_model"], jobs["train"]) == (12, 12, 12)


def test_each_number_of_training_volumes_has_a_split_of_its_own(workflow):
    jobs = workflow.jobs("results/figures/training_volumes.pdf")
    assert (jobs["split"], jobs["train"], jobs["patches"]) == (5, 4, 1)


def test_conformal_factors_need_the_split_of_their_own_training(workflow):
    """The whole one might not be there: perhaps no model of the study trains on all volumes."""
    jobs = workflow.jobs("results/calibration/planaria-volumes2/conformal.json")
    assert (jobs["split"], jobs["train"], jobs["conformal"]) == (1, 1, 1)


def test_a_study_file_is_self_contained(workflow, miniature_config):
    """Nothing of the default study survives, though `--configfile` merges."""
    del miniature_config["datasets"]["tribolium"], miniature_config["studies"]["generalization"]
    miniature_config["studies"]["batch_size"] = {"models": {"mine": {"trained_on": "planaria"}}}
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    assert (jobs["train"], jobs["restore"], jobs["simulate"]) == (1, 1, 1)


def test_single_values_can_be_set_on_the_command_line(workflow):
    assert workflow.jobs("--config", "seed=7") == DEFAULT


def test_one_figure_needs_only_what_it_shows(workflow):
    jobs = workflow.jobs("results/figures/fig4_batch_size.pdf")
    # four batch sizes, with input and five baselines
    assert (jobs["train"], jobs["restore"], jobs["figure"]) == (4, 4, 1)
    assert (jobs["simulate"], jobs["evaluate"]) == (1, 10)
    assert not set(jobs) & {"table", "provenance", "patch_examples"}


def test_a_study_runs_in_a_folder_of_its_own(workflow, tmp_path):
    assert workflow.jobs("--directory", tmp_path) == DEFAULT


def test_a_folder_with_the_results_of_another_study_is_warned_of(
    workflow, miniature_config, tmp_path
):
    config, recorded = workflow.write_config(miniature_config), tmp_path / "results/config.yaml"
    target = "results/volumes/planaria"
    arguments = ["-n", "--directory", tmp_path, "--configfile", config, "--", target]
    warning = (
        'results/ holds the study "Another": results of the same name will be replaced by those of'
        ' "Miniature'
    )
    assert "results/ holds" not in workflow.run(*arguments).said
    recorded.parent.mkdir()
    recorded.write_text("title: Another\n")
    assert workflow.run(*arguments).said.count(warning) == 1
    for unsuspicious in (config.read_text(), "title: [", "text"):
        recorded.write_text(unsuspicious)
        assert "results/ holds" not in workflow.run(*arguments).said


def test_a_sixth_batch_size_is_one_line(workflow, miniature_config):
    miniature_config["studies"]["batch_size"]["models"]["planaria-batch32"] = {"batch_size": 4}
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    assert jobs["train"] == 7  # in each arm
    miniature_config["studies"]["batch_size"]["sample_matched"] = False
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    assert jobs["train"] == 5


def test_seeds_are_trainings_and_an_ensemble(workflow, miniature_config):
    models = miniature_config["studies"]["generalization"]["models"]
    found = {}
    for count in (1, 2, 3):
        models["tribolium-100"]["seeds"] = list(range(count))
        jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
        found[count] = [jobs[rule] for rule in ("train", "restore", "ensemble", "evaluate")]
    # on two test sets: 4 restorations of other runs, 12 scores of other runs, input and three
    # baselines
    assert found == {1: [4, 6, 0, 14], 2: [5, 8, 2, 18], 3: [6, 10, 2, 20]}


def test_seeds_of_a_base_are_seeds_of_its_sweep(workflow, miniature_config):
    miniature_config["studies"]["generalization"]["models"]["planaria-100"]["seeds"] = [0, 1]
    arguments = [
        "--configfile",
        workflow.write_config(miniature_config),
        "--",
        "results/figures/fig4_batch_size.pdf",
    ]
    jobs = workflow.jobs(*arguments)
    # base, batch 8 and its matched model: two runs each, and an ensemble
    assert [jobs[rule] for rule in ("train", "restore", "ensemble", "evaluate")] == [6, 6, 3, 13]


def test_an_ensemble_is_calibrated_from_its_runs(workflow, miniature_config):
    arguments = ["--configfile", workflow.write_config(miniature_config), "--"]
    target = "results/calibration/tribolium-100-ensemble/planaria.csv"
    jobs = workflow.jobs(*arguments, target)
    rules = ("train", "restore", "conformal", "calibrate", "ensemble")
    assert [jobs[rule] for rule in rules] == [2, 2, 1, 1, 0]


def test_an_ensemble_that_is_kept_has_intervals_if_its_networks_predict_errors(
    workflow, miniature_config
):
    target = "results/restored/tribolium-100-ensemble/planaria"
    for keep, loss, count in ((True, "laplace", 1), (False, "laplace", 0), (True, "mae", 0)):
        miniature_config["restoration"] = {"keep": keep}
        miniature_config["training"]["loss"] = loss
        config = workflow.write_config(miniature_config)
        assert workflow.jobs("--configfile", config, "--", target)["conformal"] == count


def test_one_ensemble_needs_only_its_runs(workflow, miniature_config):
    arguments = ["--configfile", workflow.write_config(miniature_config), "--"]
    jobs = workflow.jobs(*arguments, "results/restored/tribolium-100-ensemble/planaria")
    assert [jobs[rule] for rule in ("train", "restore", "ensemble", "evaluate")] == [2, 2, 1, 0]
    for nothing in ("tribolium-100", "planaria-100-ensemble", "tribolium-100-seed3"):
        done = workflow.run("-n", *arguments, f"results/restored/{nothing}/planaria", check=False)
        assert "MissingRuleException" in done.said


def test_jobs_that_share_restorations(workflow, miniature_config):
    """A slab of each test set for each, joined by one more; of the other rules, nothing changes."""
    alone = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    miniature_config["restoration"] = {"jobs": 3}
    config = workflow.write_config(miniature_config)
    shared = workflow.jobs("--configfile", config)
    assert alone.pop("restore") == 8
    assert shared == {**alone, "restore_slab": 3 * 8, "gather_slabs": 8}
    said = workflow.run(
        "-n", "--configfile", config, "--", "results/runtimes/tribolium-100-seed2/planaria.json"
    ).said
    for item in ("1-of-3", "2-of-3", "3-of-3"):
        assert f"results/slabs/tribolium-100-seed2/planaria/{item}.json" in said


@pytest.mark.parametrize("baselines", [[], ["tv"], ["median", "nlm"]])
def test_every_baseline_is_tuned_and_scored_on_every_test_set(
    workflow, miniature_config, baselines
):
    miniature_config["baselines"] = baselines
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    twice = 2 * len(baselines)
    assert [jobs[rule] for rule in ("tune_baseline", "baseline", "evaluate")] == [
        twice,
        twice,
        12 + twice,
    ]
    assert jobs["restoration_examples"] == 2


@pytest.mark.parametrize(("baseline", "bytes_a_voxel"), [("tv", 64), ("nlm", 0)])
def test_memory_of_baselines_follows_from_the_test_volumes(
    workflow, tmp_path, baseline, bytes_a_voxel
):
    """Of each thread where they are taken as a whole; before there are any, it is not known."""

    def memory():
        target = f"results/restored/{baseline}/planaria"
        study = ["--configfile", "config/paper.yaml", "--directory", tmp_path]
        said = workflow.run("-n", "--cores", "4", *study, "--", target).said
        return re.search(r"rule baseline:.*?mem_mb=([^,]+)", said, re.S).group(1)

    assert memory() == "<TBD>"
    (tmp_path / "results/volumes/planaria").mkdir(parents=True)
    shapes = "part,shape\ntest,20x1000x1000\ntest,95x1024x1024\ntrain,200x1024x1024\n"
    (tmp_path / "results/volumes/planaria/volumes.csv").write_text(shapes)
    assert int(memory()) == 300 + int(4 * (50 + bytes_a_voxel * 95 * 1024**2 / 1e6))


def test_baselines_of_a_set_that_none_trains_on_are_tuned_elsewhere(workflow, miniature_config):
    """Its patches, of which it may have none, are not made."""
    models = miniature_config["studies"]["generalization"]["models"]
    del models["tribolium-100"]
    arguments = [
        "--configfile",
        workflow.write_config(miniature_config),
        "--",
        "results/baselines/nlm/tribolium.json",
    ]
    jobs = workflow.jobs(*arguments)
    assert jobs == {"simulate": 1, "unpack": 1, "patches": 1, "split": 1, "tune_baseline": 1}
    assert "results/patches/planaria/X.npy" in workflow.run("-n", *arguments).said


def test_a_third_organism_is_a_few_lines(workflow, miniature_config):
    before = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    third = {
        "archive": {"url": "https://example.org/yeast.tar.gz"},
        "conditions": [{"name": "a", "source": "half"}, {"name": "b", "source": "tenth"}],
        "patches": {"source": "npz", "shape": [8, 16, 16]},
    }
    miniature_config["datasets"]["yeast"] = third
    miniature_config["studies"]["more"] = {
        "tested_on": ["yeast", "planaria"],
        "models": {"yeast": {"trained_on": "yeast"}},
    }
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    assert (jobs["download"], jobs["simulate"], jobs["train"]) == (1, 2, 6)
    assert jobs["table"] == before["table"] + 1


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sede", 3, "the config has no key sede: did you mean seed?"),
        ("training", {"trained_on": "mouse"}, "trained_on is mouse, which is none of the datasets"),
        ("training", {"trained_on": "planaria", "depth": 5}, "needs every edge divisible by 32"),
        (
            "training",
            {"trained_on": "planaria", "seed": 3},
            "training has no key seed: did you mean seeds?",
        ),
        ("compute", {"xla": "yes"}, "compute.xla is 'yes', expected one of auto"),
    ],
)
def test_a_wrong_config_ends_in_one_sentence_before_any_job(
    workflow, miniature_config, key, value, said
):
    miniature_config[key] = value
    miniature_config["studies"]["batch_size"] = {"models": {"mine": {}}}
    done = workflow.run("-n", "--configfile", workflow.write_config(miniature_config), check=False)
    assert done.returncode != 0
    assert said in done.said
    assert len([line for line in done.said.splitlines() if line.strip()]) <= 4


def test_a_key_that_stands_twice_is_refused_before_any_job(workflow, miniature_config):
    config = workflow.write_config(miniature_config)
    text = config.read_text()
    config.write_text(text + "title: Another\n")
    done = workflow.run("-n", "--configfile", config, check=False)
    assert done.returncode != 0
    last = text.count("\n") + 1
    assert f"{config}, line {last}: the key title stands in line 1 already" in done.said
    assert len([line for line in done.said.splitlines() if line.strip()]) <= 4


def test_a_second_arm_that_cannot_be_is_refused_before_any_job(workflow, miniature_config):
    miniature_config["studies"]["batch_size"]["models"]["planaria-batch8"]["batch_size"] = 3
    done = workflow.run("-n", "--configfile", workflow.write_config(miniature_config), check=False)
    assert done.returncode != 0
    assert "give it a batch_size that divides 8, such as 2 or 4." in done.said


def test_lone_pairs_are_refused_before_any_job(workflow, miniature_config):
    miniature_config["datasets"] = {
        "mine": {
            "pairs": {"low": "nowhere/*_low.tif", "high": "nowhere/*_high.tif"},
            "patches": {"shape": [8, 16, 16]},
        }
    }
    miniature_config["studies"] = {"mine": {"models": {"mine-care": {"trained_on": "mine"}}}}
    done = workflow.run("-n", "--configfile", workflow.write_config(miniature_config), check=False)
    assert done.returncode != 0
    assert "datasets.mine.pairs.low: nowhere/*_low.tif matches no file" in done.said


def test_a_missing_partner_is_one_message(workflow, miniature_config, tmp_path):
    for name in ("a_low", "a_high", "b_low"):
        (tmp_path / f"{name}.tif").touch()
    pairs = {"low": "*_low.tif", "high": "*_high.tif"}
    miniature_config["datasets"] = {"mine": {"pairs": pairs, "patches": {"shape": [8, 16, 16]}}}
    miniature_config["studies"] = {"mine": {"models": {"mine-care": {"trained_on": "mine"}}}}
    arguments = [
        "-n",
        "--directory",
        tmp_path,
        "--configfile",
        workflow.write_config(miniature_config),
    ]
    done = workflow.run(*arguments, check=False)
    assert done.returncode != 0
    assert done.said.count("do not pair up: b (only in low)") == 1
    assert "InputFunctionException" not in done.said
    assert "Traceback" not in done.said
    (tmp_path / "b_high.tif").touch()
    assert workflow.jobs(*arguments[1:])["import_pairs"] == 1


def test_what_explains_the_numbers_needs_one_run_a_dataset_and_the_swapped_truth(workflow):
    jobs = workflow.jobs("results/explanation.csv")
    rules = (
        "train",
        "restore",
        "restore_truth",
        "protocol_ladder",
        "gather_explanations",
        "evaluate",
    )
    assert [jobs[rule] for rule in rules] == [2, 2, 1, 2, 1, 0]
    assert "restore_truth" not in workflow.jobs("results/explanation/planaria.csv")


def test_nuclei_are_scored_where_a_dataset_names_their_size(workflow, miniature_config):
    arguments = ["--configfile", workflow.write_config(miniature_config), "--"]
    jobs = workflow.jobs(*arguments, "results/tables/nuclei.csv")
    assert [jobs[rule] for rule in ("objects", "evaluate", "table", "train")] == [18, 0, 1, 5]
    jobs = workflow.jobs(*arguments, "results/figures/nuclei.pdf")
    assert [jobs[rule] for rule in ("objects", "figure", "train")] == [16, 1, 3]
    del miniature_config["datasets"]["tribolium"]["nuclei"]
    config = workflow.write_config(miniature_config)
    jobs = workflow.jobs("--configfile", config)
    assert (jobs["objects"], jobs["evaluate"]) == (10, 18)
    done = workflow.run(
        "-n", "--configfile", config, "--", "results/nuclei/input/tribolium.csv", check=False
    )
    assert "MissingRuleException" in done.said
    del miniature_config["datasets"]["planaria"]["nuclei"]
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    assert jobs["objects"] == 0
    config = workflow.write_config(miniature_config)
    done = workflow.run(
        "-n", "--configfile", config, "--", "results/tables/nuclei.csv", check=False
    )
    assert "MissingRuleException" in done.said


def test_the_published_study_needs_no_training_and_no_data(workflow, miniature_config):
    """Its own records alone, whatever the study; ours beside its curves are another figure."""
    for arguments in ([], ["--configfile", "config/paper.yaml"]):
        jobs = workflow.jobs("published", *arguments)
        assert jobs == {"table": 5, "figure": 2, "published": 1}
    real = ["results/figures/curves_beside_published.pdf", "--configfile", "config/paper.yaml"]
    assert workflow.jobs(*real)["train"] == 14
    for dataset in miniature_config["datasets"].values():
        dataset["published"] = None
    config = workflow.write_config(miniature_config)
    done = workflow.run("-n", "published", "--configfile", config, check=False)
    assert "MissingRuleException" in done.said


def test_resolution_is_measured_of_what_is_compared(workflow, miniature_config):
    """Of input, baselines and compared models on both test sets: no model of the sweep but its
    base, which a comparison lists.
    """
    arguments = ["--configfile", workflow.write_config(miniature_config), "--"]
    rules = ("train", "resolution", "evaluate", "table", "figure")
    jobs = workflow.jobs(*arguments, "results/tables/resolution.csv")
    assert [jobs[rule] for rule in rules] == [3, 16, 0, 1, 0]
    jobs = workflow.jobs(*arguments, "results/figures/resolution.pdf")
    # the figure needs scores of input and baselines, to know the best
    assert [jobs[rule] for rule in rules] == [3, 16, 8, 0, 1]
    assert workflow.jobs(*arguments, "results/scores.csv")["resolution"] == 16
    del miniature_config["studies"]["generalization"]
    sweep = miniature_config["studies"]["batch_size"]
    sweep |= {"base": None, "tested_on": ["planaria"], "sample_matched": False}
    sweep["models"] = {
        name: {"trained_on": "planaria", "batch_size": n} for name, n in (("a", 1), ("b", 2))
    }
    jobs = workflow.jobs("--configfile", workflow.write_config(miniature_config))
    # where nothing is compared, of every model
    assert jobs["resolution"] == 4 + 2


def test_only_networks_that_predict_a_scale_are_calibrated(workflow, miniature_config):
    models = miniature_config["studies"]["generalization"]["models"]
    models["planaria-100"]["loss"] = "mae"
    arguments = ["--configfile", workflow.write_config(miniature_config), "--"]
    jobs = workflow.jobs(*arguments, "results/calibration/tribolium-100-seed2/planaria.csv")
    rules = ("train", "restore", "conformal", "calibrate", "evaluate")
    assert [jobs[rule] for rule in rules] == [1, 1, 1, 1, 0]
    done = workflow.run(
        "-n", *arguments, "results/calibration/planaria-100/planaria.csv", check=False
    )
    assert "MissingRuleException" in done.said
