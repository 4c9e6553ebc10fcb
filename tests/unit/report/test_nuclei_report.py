"""Table and figure of nuclei: what is true is said, the best is bold, shares stay shares."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import ROOT, run_figure, run_table, scores_of, students, study_of
from matplotlib.container import ErrorbarContainer

from denoising.evaluation import columns
from denoising.evaluation.comparisons import compared_means, comparison_pairs
from denoising.evaluation.scores import paired_differences, read_tidy
from denoising.report.score_panels import with_panels
from denoising.study.metrics import OBJECT_METRICS, SHOWN
from denoising.study.products import figures, tables

CONDITIONS = [{"name": name, "source": name} for name in "123"]
DATASETS = {
    "planaria": {
        "simulate": {"species": "planaria"},
        "conditions": CONDITIONS,
        "voxel_size": [2, 0.8, 0.8],
        "nuclei": {"diameter": 5.4},
        "patches": {"shape": [8, 16, 16]},
    },
    "tribolium": {
        "archive": {"path": "t.tar"},
        "conditions": CONDITIONS,
        "voxel_size": [2, 1, 1],
        "nuclei": {"diameter": 9.2},
        "patches": {"shape": [8, 16, 16]},
    },
}
STUDIES = {
    "generalization": {
        "tested_on": ["planaria", "tribolium"],
        "models": {"planaria-100": {"trained_on": "planaria"}},
    }
}
STUDY = study_of(STUDIES, datasets=DATASETS, baselines=["gaussian"])
F1 = {"input": 0.7, "gaussian": 0.8, "planaria-100": 0.9}
SPREAD = np.array([-0.05, 0.0, 0.06])


def nuclei_scores(study=STUDY):
    """Scores of three volumes: each value is the F1, and the count is off by what it lacks."""
    rows = []
    place = itertools.product(F1, study.datasets, "123", OBJECT_METRICS)
    for name, dataset, condition, metric in place:
        is_model = name in study.models
        values = F1[name] - 1 + SPREAD if metric == "count_error" else F1[name] + SPREAD
        rows.append(
            scores_of(
                values,
                "0" if is_model else "",
                name if is_model else "",
                trained_on="planaria" if is_model else "",
                tested_on=dataset,
                condition=condition,
                output="network" if is_model else name,
                protocol="nuclei",
                metric=metric,
            )
        )
    return pd.concat(rows)


def nuclei_curves(scores):
    """Curves of two thresholds: half of the found nuclei are right at the lower one."""
    keys = scores.query("metric == 'f1'")[list(columns.NUCLEI[:8])]
    low = keys.assign(threshold=0.1, right=8, found=16, true=10)
    high = keys.assign(threshold=0.5, right=4, found=4, true=10)
    none = keys.assign(threshold=0.9, right=0, found=0, true=10)
    return pd.concat([low, high, none])


@pytest.fixture
def files(tmp_path):
    scores = nuclei_scores()
    scores.to_csv(tmp_path / "scores.csv", index=False)
    nuclei_curves(scores).to_csv(tmp_path / "curves.csv", index=False)
    return {"scores": [tmp_path / "scores.csv"], "curves": [tmp_path / "curves.csv"]}


def test_the_table_says_which_nuclei_are_true(files, tmp_path):
    table, page = run_table("nuclei", STUDY, tmp_path, scores=files["scores"])
    assert set(table["tested_on"] + ": " + table["truth"]) == {
        "planaria: simulated",
        "tribolium: found in the ground truth",
    }
    sections = page.split("\n## ")[1:]
    assert len(sections) == 6
    for section in sections:
        title = section.splitlines()[0]
        assert ("those that were simulated" in section) == ("planaria" in title)
        assert ("found in the ground truth" in section) == ("tribolium" in title)


def test_the_table_has_a_method_per_row_and_the_best_bold(files, tmp_path):
    table, page = run_table("nuclei", STUDY, tmp_path, scores=files["scores"])
    ours = table.query("tested_on == 'planaria'").set_index("method")
    assert ours.index.tolist() == ["input", "Gaussian", "planaria-100"]
    assert ours.loc["Gaussian", "c2_f1_mean"] == pytest.approx(0.8 + SPREAD.mean())
    low = 0.8 + SPREAD.mean() - students(SPREAD)
    assert ours.loc["Gaussian", "c2_f1_low"] == pytest.approx(low)
    lines = page.split("\n## ")[1].splitlines()
    heads, cells = ([c.strip() for c in line.split("|")] for line in (lines[4], lines[8]))
    assert heads[1:5] == ["method", "F1", "recall", "precision"]
    assert cells[1] == "planaria-100"
    assert cells[2].startswith("**0.90 (")
    assert cells[5].startswith("**-0.10 (")  # the count that is off least
    assert not cells[7].startswith("**")  # the error of intensity is best when low


def test_intervals_of_shares_are_shares(files, tmp_path):
    table, _ = run_table("nuclei", STUDY, tmp_path, scores=files["scores"])
    network = table.query("method == 'planaria-100'")
    assert (network["c1_f1_high"] == 1).all()
    assert (network["c1_intensity_error_high"] > 1).all()


def test_the_figure_shows_shares_by_condition_and_the_noisiest_curve(files, tmp_path):
    figure, _ = run_figure("nuclei", STUDY, tmp_path, **files)
    axes = np.array(figure.axes).reshape(4, 2)
    for ax in axes[:3].ravel():
        boxes = [box for box in ax.containers if isinstance(box, ErrorbarContainer)]
        means = np.array([box.lines[0].get_ydata() for box in boxes], float)
        np.testing.assert_allclose(means, np.outer(list(F1.values()), np.ones(3)), atol=0.01)
        assert ax.get_ylim()[1] == pytest.approx(1.02)
    for ax in axes[3]:
        assert "noisiest (C3)" in ax.get_title()
        recall, precision = ax.lines[0].get_data()
        np.testing.assert_allclose(recall, [0.8, 0.4])
        np.testing.assert_allclose(precision, [0.5, 1])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["input", "Gaussian", "trained on planaria, 20 epochs"]


def test_a_study_without_nuclei_has_neither():
    datasets = {name: entry | {"nuclei": None} for name, entry in DATASETS.items()}
    study = study_of(STUDIES, datasets=datasets)
    assert "nuclei" not in {product.name for product in tables(study) + figures(study)}
    assert "nuclei" in {product.name for product in tables(STUDY)}
    assert "nuclei" in {product.name for product in figures(STUDY)}


def test_scores_of_nuclei_are_no_scores_of_images(tmp_path):
    """They stand in scores.csv, and in none of the tables and figures of NRMSE and SSIM."""
    images = pd.concat(
        [
            scores_of([0.1, 0.2, 0.3], "", "", trained_on="", output="input", metric="nrmse"),
            scores_of([0.1, 0.2, 0.2], "0", "planaria-100", metric="nrmse"),
        ]
    )
    both = pd.concat([images, nuclei_scores()])
    panels = [
        with_panels(
            compared_means(scores, read_tidy(ROOT / "resources/published_scores.csv"), STUDY), STUDY
        )
        for scores in (both, images)
    ]
    pd.testing.assert_frame_equal(*panels)
    differences = paired_differences(both, comparison_pairs(STUDY))
    assert set(differences["protocol"]) == {"paper", "nuclei"}
    assert not set(OBJECT_METRICS) & set(SHOWN)
    both.to_csv(tmp_path / "both.csv", index=False)
    images.to_csv(tmp_path / "images.csv", index=False)
    folders = [tmp_path / "a", tmp_path / "b"]
    pages = []
    for folder, name in zip(folders, ("both.csv", "images.csv"), strict=True):
        folder.mkdir()
        table, page = run_table("comparisons", STUDY, folder, scores=tmp_path / name)
        pages.append((table.to_csv(), page))
    assert pages[0] == pages[1]
