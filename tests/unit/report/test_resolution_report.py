"""Table and figure of resolution: units, directions, and no trace in tables of other scores."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import CONFIG, ROOT, run_figure, run_table, scores_of, students, study_of
from matplotlib.colors import same_color
from test_figures import assert_legible
from yaml import safe_load

from denoising.evaluation import columns
from denoising.evaluation.comparisons import compared_means
from denoising.evaluation.scores import read_tidy
from denoising.report import score_panels
from denoising.study.baselines import BASELINES
from denoising.study.metrics import RESOLUTION_METRICS, SHOWN
from denoising.study.products import resolution_files

STUDIES = {
    "generalization": {
        "tested_on": ["planaria", "tribolium"],
        "models": {"planaria-100": {"trained_on": "planaria"}},
    },
    "batch_size": {
        "base": "planaria-100",
        "varies": "batch_size",
        "models": {"planaria-batch8": {"batch_size": 2}},
    },
}
DATASETS = safe_load(CONFIG)["datasets"]
DATASETS["planaria"]["voxel_size"] = [2, 0.5, 0.5]
STUDY = study_of(STUDIES, datasets=DATASETS, baselines=["gaussian", "nlm"])
RESOLUTIONS = {"input": 3.0, "gaussian": 3.0, "nlm": 5.0, "planaria-100": 2.0}
SPREAD = np.array([-0.2, 0.0, 0.4])
IMAGE = {"input": 0.1, "gaussian": 0.06, "nlm": 0.08, "planaria-100": 0.05}


def names_of(name):
    is_model = name in STUDY.models
    return {
        "model": name if is_model else "",
        "seed": "0" if is_model else "",
        "trained_on": "planaria" if is_model else "",
        "output": "network" if is_model else name,
    }


def resolution_scores():
    """Three volumes on both test sets; Z is twice as coarse as XY, the detail half as fine."""
    rows = []
    for name, dataset, condition in itertools.product(RESOLUTIONS, DATASETS, "123"):
        for metric in RESOLUTION_METRICS:
            values = RESOLUTIONS[name] + SPREAD
            values = values * (2 if metric.endswith("z") else 1)
            place = {"tested_on": dataset, "condition": condition, "metric": metric}
            rows.append(scores_of(values, protocol="resolution", **names_of(name) | place))
    return pd.concat(rows)


def image_scores():
    rows = [
        scores_of(
            nrmse + 0.01 * SPREAD, tested_on=dataset, condition=condition, metric=metric,
            **names_of(name),
        )
        for (name, nrmse), dataset, condition, metric in itertools.product(
            IMAGE.items(), DATASETS, "123", SHOWN
        )
    ]  # fmt: skip
    return pd.concat(rows)


def curves(directions=("xy", "z"), volumes=3):
    """Correlations that fall in a line from 1 at 0 to 0 at the method's score."""
    rows = []
    places = itertools.product(RESOLUTIONS, DATASETS, "123", directions, range(volumes))
    for name, dataset, condition, direction, volume in places:
        last = {"xy": 1.0, "z": 0.25}[direction] if dataset == "planaria" else 0.5
        frequency = np.linspace(0, last, 9)[1:]
        value = 1 - frequency / last / RESOLUTIONS[name] + 0.02 * volume
        values = {"frequency": frequency, "correlation": value, "transfer": value / 2, "count": 5}
        place = {"tested_on": dataset, "condition": condition, "volume": f"v{volume}"}
        rows.append(
            pd.DataFrame(values).assign(**names_of(name) | place, stratum="", direction=direction)
        )
    return pd.concat(rows)[list(columns.RESOLUTION)]


def written(folder, name, table):
    table.to_csv(folder / name, index=False)
    return [folder / name]


def draw(folder, table):
    files = {"curves": written(folder, "curves.csv", table)}
    files["scores"] = written(folder, "scores.csv", image_scores())
    return run_figure("resolution", STUDY, folder, **files)[0]


def test_the_table_has_units_and_a_section_per_condition(tmp_path):
    files = written(tmp_path, "scores.csv", resolution_scores())
    table, page = run_table("resolution", STUDY, tmp_path, scores=files)
    assert set(table["tested_on"] + " in " + table["unit"]) == {
        "planaria in micrometres",
        "tribolium in voxels",
    }
    headings = [part.splitlines()[0] for part in page.split("\n## ")[1:]]
    assert headings[0] == "Test volumes of planaria, cleanest (C1), in micrometres"
    assert headings[5] == "Test volumes of tribolium, noisiest (C1), in voxels"
    row = table.query("tested_on == 'planaria' and method == 'non-local means'").iloc[0]
    assert row["c2_resolution_z_mean"] == pytest.approx(2 * (5 + SPREAD.mean()))
    reach = row["c2_resolution_xy_high"] - row["c2_resolution_xy_mean"]
    assert reach == pytest.approx(students(SPREAD))
    head = next(line for line in page.splitlines() if line.startswith("| method"))
    cells = [cell.strip() for cell in head.split("|")[2:6]]
    assert cells == ["resolution XY", "resolution Z", "half transfer XY", "half transfer Z"]
    assert "a Gaussian filter has the resolution of its input" in page


def test_images_without_z_have_no_columns_of_z(tmp_path):
    rows = resolution_scores()
    files = written(tmp_path, "scores.csv", rows[rows["metric"].str.endswith("xy")])
    _, page = run_table("resolution", STUDY, tmp_path, scores=files)
    assert "resolution XY" in page
    assert "resolution Z" not in page


def test_the_figure_shows_input_best_filter_and_networks_in_both_directions(tmp_path):
    figure = draw(tmp_path, curves())
    axes = np.array(figure.axes).reshape(4, 4)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["input", "best filter: Gaussian", "trained on planaria, 20 epochs"]
    for ax, level in zip(axes[:, 0], (1 / 7, 1 / 2, 1 / 7, 1 / 2), strict=True):
        threshold, *lines = ax.lines
        assert set(threshold.get_ydata()) == {level}
        assert len(lines) == 3
    gaussian = next(
        line
        for line in axes[0, 0].lines
        if same_color(line.get_color(), BASELINES["gaussian"].colour)
    )
    frequency, correlation = gaussian.get_data()
    np.testing.assert_allclose(correlation, 1 - frequency / 3 + 0.02)
    assert axes[2, 0].get_xlim()[1] == 0.25
    assert axes[1, 0].get_xlabel() == "frequency (cycles per µm)"
    assert axes[1, 2].get_xlabel() == "frequency (cycles per voxel)"
    assert [child.get_xlabel() for ax in axes[0] for child in ax.child_axes] == [
        "period (µm)", "period (µm)", "period (voxel)", "period (voxel)",
    ]  # fmt: skip
    assert_legible(figure)


def test_a_figure_of_images_without_z_has_two_rows(tmp_path):
    figure = draw(tmp_path, curves(directions=("xy",), volumes=1))
    assert len(figure.axes) == 2 * 4
    assert_legible(figure)


def test_no_model_of_a_sweep_is_needed():
    files = resolution_files(STUDY, "resolution")
    assert "results/resolution/planaria-100/tribolium.csv" in files
    assert not [file for file in files if "batch8" in file]
    alone = study_of({"batch_size": {"models": {"mine": {"trained_on": "planaria"}}}})
    assert "results/resolution/mine/planaria.csv" in resolution_files(alone, "resolution")


def test_scores_of_resolution_are_no_scores_of_images(tmp_path):
    """They stand in scores.csv, and in none of the tables and figures of NRMSE and SSIM."""
    both = pd.concat([image_scores(), resolution_scores()])
    published = read_tidy(ROOT / "resources/published_scores.csv")
    shown = []
    for scores in (both, image_scores()):
        rows = score_panels.with_panels(compared_means(scores, published, STUDY), STUDY)
        shown.append(rows.reset_index(drop=True))
    pd.testing.assert_frame_equal(*shown)
    pages = []
    for name, scores in (("both.csv", both), ("images.csv", image_scores())):
        files = written(tmp_path, name, scores)
        table, page = run_table("comparisons", STUDY, tmp_path, name, scores=files[0])
        pages.append((table.to_csv(), page))
    assert pages[0] == pages[1]
