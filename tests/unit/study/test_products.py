"""The files that the tables and figures of a study are made from."""

import pytest
from made_up import ROOT, study_of

from denoising.study.products import (
    figures,
    nuclei_files,
    resolution_files,
    score_files,
    tables,
    verdict_files,
)

PLANARIA = {
    "published": "planaria",
    "archive": {"path": "planaria.tar.gz"},
    "conditions": [
        {"name": name, "source": name, "exposure": exposure}
        for name, exposure in (("1", 0.03), ("2", 0.02), ("3", 0.01))
    ],
    "patches": {"shape": [8, 16, 16]},
}
MINE = {"pairs": {"low": "a/*.tif", "high": "b/*.tif"}, "patches": {"shape": [32, 32]}}
STUDY = study_of(
    {
        "main": {
            "tested_on": ["planaria", "mine"],
            "models": {
                "care": {"trained_on": "planaria", "seeds": [1, 2], "loss": "mae"},
                "own": {"trained_on": "mine", "loss": "laplace"},
            },
        },
        "batches": {
            "base": "care",
            "varies": "batch_size",
            "models": {"care-2": {"batch_size": 2}},
        },
    },
    datasets={"planaria": PLANARIA, "mine": MINE},
    baselines=["gaussian"],
)
REFERENCES = ("input", "gaussian")
CARE = ("care-seed1", "care-seed2")
SWEPT = ("care-2-seed1", "care-2-seed2")
RUNS = (*CARE, "own", *SWEPT)


def inputs(products, name):
    """What the product of this name reads: by kind, a set of paths below results/."""
    (product,) = (one for one in products(STUDY) if one.name == name)
    found = {}
    for kind, files in product.inputs(STUDY).items():
        paths = [files] if isinstance(files, str) else files
        found[kind] = {path.removeprefix("results/") for path in paths}
    return found


def of(folder, methods, *datasets, kind="csv"):
    return {f"{folder}/{method}/{dataset}.{kind}" for method in methods for dataset in datasets}


# Scores


def test_a_test_set_has_a_table_of_all_its_scores_and_what_was_held_out():
    on_mine = of("scores", [*REFERENCES, *CARE, "care-ensemble", "own"], "mine")
    assert inputs(tables, "table_mine") == {"scores": on_mine, "records": {"archives/mine.json"}}
    both = {*CARE, "care-ensemble", *SWEPT, "care-2-ensemble", "own"}
    on_planaria = of("scores", [*REFERENCES, *both], "planaria")
    assert inputs(tables, "table_planaria") == {"scores": on_planaria, "records": set()}


def test_a_sweep_is_drawn_where_all_of_its_networks_are_tested():
    swept = {*CARE, "care-ensemble", *SWEPT, "care-2-ensemble"}
    assert inputs(figures, "batches") == {"scores": of("scores", [*REFERENCES, *swept], "planaria")}


def test_exposures_count_where_they_are_known_and_for_the_dataset_s_own_networks():
    own = of("scores", [*REFERENCES, *CARE, "care-ensemble"], "planaria")
    assert inputs(figures, "exposure") == {"scores": own}


def test_networks_on_several_organisms_are_compared_without_those_of_sweeps():
    methods = [*REFERENCES, *CARE, "care-ensemble", "own"]
    scores = of("scores", methods, "planaria", "mine")
    for products in (tables, figures):
        name = "generalization" if products is tables else "fig3_generalization"
        assert inputs(products, name) == {"scores": scores}
    resolution = of("resolution_scores", methods, "planaria", "mine")
    assert inputs(tables, "resolution") == {"scores": resolution}
    assert inputs(figures, "resolution") == {
        "curves": of("resolution", methods, "planaria", "mine"),
        "scores": of("scores", REFERENCES, "planaria", "mine"),
    }


def test_networks_without_a_dataset_are_only_the_references():
    """A network is scored on nothing but its test sets."""
    assert score_files(STUDY, [], ["mine"]) == [f"results/scores/{m}/mine.csv" for m in REFERENCES]
    assert score_files(STUDY, ["care-2"], ["mine"]) == score_files(STUDY, [], ["mine"])
    assert score_files(STUDY, ["own"], []) == []


def test_verdicts_read_all_scores_and_what_was_held_out():
    files = {"scores": "results/scores.csv", "records": ["results/archives/mine.json"]}
    assert verdict_files(STUDY) == files


# Trainings, runtimes, examples


def test_trainings_are_read_from_their_model_folders():
    histories = {f"models/{run}/history.csv" for run in RUNS}
    records = {f"models/{run}/training.json" for run in RUNS}
    assert inputs(figures, "learning_curves") == {"histories": histories}
    assert inputs(tables, "runtimes") == {"histories": histories, "trainings": records}


def test_trainings_on_the_published_images_stand_beside_the_published_ones():
    real = {f"models/{run}/history.csv" for run in (*CARE, *SWEPT)}
    assert inputs(figures, "curves_beside_published") == {"histories": real}
    simulated = PLANARIA | {"simulate": {"species": "planaria"}}
    del simulated["archive"]
    study = study_of(
        {"main": {"models": {"care": {"trained_on": "planaria"}}}},
        datasets={"planaria": simulated},
    )
    assert "curves_beside_published" not in {figure.name for figure in figures(study)}


def test_restoration_times_are_of_runs_and_baselines():
    runtimes = of("runtimes", ["gaussian", *CARE, "own"], "planaria", "mine", kind="json")
    runtimes |= of("runtimes", SWEPT, "planaria", kind="json")
    assert inputs(tables, "restoration_runtimes") == {"runtimes": runtimes}


def test_predicted_errors_are_calibrated_where_a_network_predicts_them():
    assert inputs(tables, "calibration") == {
        "calibration": of("calibration", ["own"], "planaria", "mine")
    }


def test_restorations_are_shown_by_each_test_sets_own_network():
    assert inputs(figures, "fig2_restoration") == {
        "examples": {"examples/care-seed1/planaria.npz", "examples/own/mine.npz"},
        "scores": of("scores", REFERENCES, "planaria", "mine")
        | of("scores", CARE, "planaria")
        | of("scores", ["own"], "mine"),
    }
    assert inputs(figures, "fig1_patches") == {
        "examples": {"examples/patches-mine.npz", "examples/patches-planaria.npz"}
    }


def test_own_images_have_a_table_of_their_check_where_there_are_any():
    assert inputs(tables, "own_images") == {"csv": {"checks/mine.csv"}, "txt": {"checks/mine.txt"}}
    study = study_of({"main": {"models": {"care": {"trained_on": "planaria"}}}})
    assert "own_images" not in {table.name for table in tables(study)}


def test_nuclei_are_scored_where_the_dataset_says_how_they_are_found():
    assert nuclei_files(STUDY, ["care"]) == []
    found = PLANARIA | {
        "nuclei": {"diameter": 6.0, "contrast": 0.1},
        "voxel_size": [2.0, 0.5, 0.5],
    }
    study = study_of(
        {"main": {"models": {"care": {"trained_on": "planaria"}}}},
        datasets={"planaria": found},
        baselines=["gaussian"],
    )
    expected = [f"results/nuclei/{method}/planaria.csv" for method in (*REFERENCES, "care")]
    (table,) = (one for one in tables(study) if one.name == "nuclei")
    assert table.inputs(study) == {"scores": expected}
    (figure,) = (one for one in figures(study) if one.name == "nuclei")
    curves = [path.replace("nuclei/", "nuclei_curves/") for path in expected]
    assert figure.inputs(study) == {"scores": expected, "curves": curves}


def test_strata_and_the_ladder_read_their_scores():
    stratified = MINE | {"stratum": "-(live|fixed)"}
    study = study_of(
        {"main": {"models": {"own": {"trained_on": "mine"}}}},
        datasets={"mine": stratified, "planaria": PLANARIA},
        baselines=["gaussian"],
    )
    (strata,) = (one for one in tables(study) if one.name == "strata")
    assert strata.inputs(study) == {"scores": score_files(study, ["own"], ["mine"])}
    assert inputs(tables, "why_the_numbers_differ") == {"explanation": {"explanation.csv"}}
    assert resolution_files(study, "resolution") == [
        f"results/resolution/{method}/mine.csv" for method in (*REFERENCES, "own")
    ]


# All of them


@pytest.mark.parametrize("products", [tables, figures])
def test_each_product_has_its_script_caption_and_published_records(products):
    folder = products.__name__
    for product in products(STUDY):
        script = ROOT / f"workflow/scripts/{folder}/{product.script_name}.py"
        caption = ROOT / f"workflow/report/{folder}/{product.script_name}.rst"
        assert script.is_file() and caption.is_file(), product.name
        for file in (product.published or {}).values():
            assert (ROOT / "resources" / file).is_file(), product.name
        assert product.title and product.category
    names = [product.name for product in products(STUDY)]
    assert len(set(names)) == len(names)
