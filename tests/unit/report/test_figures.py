"""Figures: complete, legible, honest about what they show, and the same from the same data."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import ROOT, run_figure, study_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color, to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.text import Text

from denoising.evaluation.leads import leads, over_filters, smallest_leads
from denoising.evaluation.protocol_ladder import LABELS
from denoising.evaluation.runtimes import MEASURED
from denoising.evaluation.scores import read_tidy, summarise
from denoising.report import image_panels, style

SWEEPS = {
    "batch_size": {
        "varies": "batch_size",
        "base": "planaria-100",
        "sample_matched": True,
        "figure": "fig4_batch_size",
        "models": {"planaria-batch8": {"batch_size": 2}, "planaria-batch64": {"batch_size": 16}},
    },
    "steps_per_epoch": {
        "varies": "steps_per_epoch",
        "base": "planaria-100",
        "figure": "fig5_steps_per_epoch",
        "models": {
            "planaria-steps25": {"steps_per_epoch": 4},
            "planaria-steps100": {"steps_per_epoch": 16},
        },
    },
}
COMPARED = {
    "tested_on": ["planaria", "tribolium"],
    "models": {
        "planaria-100": {"trained_on": "planaria"},
        "tribolium-100": {"trained_on": "tribolium"},
    },
}
SCRIPTS = {
    "fig1_patches": "fig1_patches",
    "fig2_restoration": "fig2_restoration",
    "fig3_generalization": "fig3_generalization",
    "fig4_batch_size": "sweep",
    "fig5_steps_per_epoch": "sweep",
    "learning_curves": "learning_curves",
    "runtimes": "runtimes",
    "calibration": "calibration",
    "why_the_numbers_differ": "why_the_numbers_differ",
    "published_curves": "published_curves",
    "curves_beside_published": "published_curves",
    "published_times": "published_times",
    "exposure": "exposure",
}
PLOTS = list(SCRIPTS)[2:]
FINE = style.FILES["savefig.dpi"]


def study_with(seeds=(0,), **changes):
    models = {name: {**each, "seeds": list(seeds)} for name, each in COMPARED["models"].items()}
    return study_of({"generalization": {**COMPARED, "models": models}, **SWEEPS}, **changes)


STUDY = study_with()


def make_scores(path, study=STUDY, volumes=3):
    """Scores of every method on the test sets, in all conditions and by the study's protocols."""
    rng = np.random.default_rng(5)
    methods = [(name, "", "") for name in ("input", *study.baselines)]
    methods += [(run.model, run.model, run.seed) for run in study.runs.values()]
    methods += [(name, model, "") for name, model in study.ensembles.items()]
    rows = []
    for dataset, (name, model, seed) in itertools.product(study.datasets.values(), methods):
        if model and dataset.name not in study.models[model].tested_on:
            continue
        places = itertools.product(dataset.condition_names, study.protocols, range(volumes))
        for condition, protocol, volume in places:
            error = rng.uniform(0.02, 0.05) * (1 if model else 2)
            row = {
                "model": name if model else "",
                "seed": str(seed),
                "trained_on": study.models[model].trained_on if model else "",
                "tested_on": dataset.name,
                "condition": condition,
                "volume": f"v{volume}",
                "stratum": "",
                "output": "network" if model else name,
                "protocol": protocol,
            }
            rows.append({**row, "metric": "nrmse", "value": error})
            rows.append({**row, "metric": "ssim", "value": 1 - 4 * error})
    pd.DataFrame(rows).to_csv(path, index=False)
    return [path]


def make_histories(folder, study=STUDY):
    """A falling loss with its lowest validation value an epoch before the last."""
    paths = []
    for i, run in enumerate(study.runs.values()):
        training = study.training_of(run.model)
        epochs = np.arange(1, training.epochs + 1)
        loss = -2 + 0.1 * i + 3 / epochs
        history = pd.DataFrame({"epoch": epochs, "loss": loss, "val_loss": loss + 0.1})
        history.loc[len(history) - 1, "val_loss"] += 1
        history["learning_rate"] = 1e-3
        history["seconds"] = 1 + 0.02 * training.steps_per_epoch
        history["samples_seen"] = epochs * training.steps_per_epoch * training.batch_size
        paths.append(folder / f"history-{run.name}.csv")
        history.assign(**dict.fromkeys(MEASURED, np.nan)).to_csv(paths[-1], index=False)
    return paths


def make_calibrations(folder, study=STUDY):
    paths = []
    for i, (run, dataset) in enumerate(study.calibrated):
        rows = []
        conditions = study.datasets[dataset].condition_names
        for intervals, condition, j in itertools.product(
            ("predicted", "rescaled"), conditions, range(3)
        ):
            row = {"intervals": intervals, "condition": condition, "volume": f"v{j}", "count": 100}
            factor = 1 + (0.1 * i + 0.05 * j) * (1 if intervals == "predicted" else 0.2)
            for level in np.arange(1, 20) / 20:
                inside = 1 - (1 - level) ** (1 / factor)
                names = {"kind": "coverage", "level": level, "expected": level, "observed": inside}
                rows.append(row | names)
            for level in range(10):
                scale = 0.01 * 1.3**level
                names = {"kind": "scale", "level": level, "expected": scale}
                rows.append(row | names | {"observed": factor * scale})
        paths.append(folder / f"calibration-{run}-{dataset}.csv")
        pd.DataFrame(rows).to_csv(paths[-1], index=False)
    return paths


def make_explanation(path, study=STUDY):
    rows = []
    for dataset, first in zip(study.datasets.values(), (1, 0), strict=True):
        places = itertools.product(dataset.condition_names, range(3), ("input", "network"))
        for (condition, i, output), (step, label) in itertools.product(
            places, list(enumerate(LABELS))[first:]
        ):
            error = (0.2 if output == "input" else 0.05) * (1 + 0.1 * i) / (1 + 0.2 * step)
            names = (dataset.name, f"{dataset.name}-100", condition, f"v{i}", output, step, label)
            rows.append((*names, "nrmse", error))
            rows.append((*names, "ssim", 1 - error))
    columns = ["dataset", "model", "condition", "volume", "output", "step", "label", "metric"]
    pd.DataFrame(rows, columns=[*columns, "value"]).to_csv(path, index=False)
    return path


def make_examples(folder, study=STUDY):
    """Patches, then sections, of every dataset; the pixel size of tribolium is not known."""
    rng = np.random.default_rng(6)
    patches, sections = [], []
    for dataset in study.datasets.values():
        arrays = {}
        for part in ("train", "validation"):
            arrays |= {f"{part}_{name}": rng.random((3, 4, 16, 16), np.float32) for name in "XY"}
            arrays[f"{part}_condition"] = np.array([dataset.condition_names[0], "", ""])
        patches.append(folder / f"patches-{dataset.name}.npz")
        np.savez(patches[-1], **arrays)
        shape = (len(dataset.conditions), 64, 80)
        names = ("input", "restored", "truth", "baseline")
        images = {name: rng.random(shape, np.float32) for name in names}
        words = {"volume": "v0", "baseline_label": "Gaussian, strength 1 (voxels)"}
        pixel = 0.4 if dataset.name == "planaria" else np.nan
        sections.append(folder / f"sections-{dataset.name}.npz")
        conditions = np.array(dataset.condition_names)
        np.savez(sections[-1], **images, **words, conditions=conditions, pixel_size_um=pixel)
    return patches, sections


def inputs_for(name, folder, study):
    patches, sections = make_examples(folder, study)
    resources = ROOT / "resources"
    published = {"published": resources / "published_scores.csv"}
    runtimes = {"published": resources / "published_runtimes.csv"}
    records = {"records": resources / "published_histories.csv"}
    return {
        "fig1_patches": lambda: {"examples": patches},
        "fig2_restoration": lambda: {
            "examples": sections,
            "scores": make_scores(folder / "s.csv", study),
        },
        "learning_curves": lambda: {"histories": make_histories(folder, study)},
        "runtimes": lambda: {"histories": make_histories(folder, study)} | runtimes,
        "calibration": lambda: {"calibration": make_calibrations(folder, study)},
        "published_curves": lambda: records,
        "curves_beside_published": lambda: records | {"histories": make_histories(folder, study)},
        "published_times": lambda: records
        | runtimes
        | {"sizes": resources / "published_volumes.csv"},
        "why_the_numbers_differ": lambda: published
        | {"explanation": make_explanation(folder / "e.csv", study)},
    }.get(name, lambda: published | {"scores": make_scores(folder / "s.csv", study)})()


@pytest.fixture(autouse=True, scope="module")
def coarse():
    """Draw PNG files coarsely, for speed."""
    style.FILES["savefig.dpi"] = 50
    yield
    style.FILES["savefig.dpi"] = FINE


@pytest.fixture(scope="module")
def draw(tmp_path_factory):
    """Draw a figure of a study, once for all tests."""
    drawn = {}

    def figure(name, study=STUDY):
        key = (name, study.digest)
        if key not in drawn:
            folder = tmp_path_factory.mktemp(name)
            inputs = inputs_for(name, folder, study)
            figure, output = run_figure(SCRIPTS[name], study, folder, name, **inputs)
            drawn[key] = SimpleNamespace(figure=figure, output=output, inputs=inputs)
        return drawn[key]

    return figure


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_figure_is_three_whole_files(draw, name):
    output = draw(name).output
    pdf = output.pdf.read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # fonts embedded
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert output.png.read_bytes().startswith(b"\x89PNG")
    assert output.caption.read_text().startswith("A caption.\n\n")
    assert not list(output.pdf.parent.glob("*.partial"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_is_180_mm_wide_and_has_a_title_and_one_line_of_note(draw, name):
    figure = draw(name).figure
    assert figure.get_figwidth() * 25.4 == pytest.approx(180)
    title, study_title, note = [text.get_text() for text in figure.texts[-3:]]
    assert (title, study_title) == ("A title", STUDY.title)
    assert note
    assert "\n" not in note


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_text_is_clipped_or_overlapped(draw, name):
    assert_legible(draw(name).figure)


@pytest.mark.parametrize("name", ["fig3_generalization", "fig4_batch_size"])
def test_several_trainings_are_as_legible(draw, name):
    assert_legible(draw(name, study_with(seeds=(1, 2, 3))).figure)


def assert_legible(figure):
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    shown = [(text.get_text(), inked(text, renderer)) for text in texts(figure)]
    page = figure.bbox.padded(1)
    for text, box in shown:
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the page"
    for (one, first), (other, second) in itertools.combinations(shown, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), f"{one!r} overlaps {other!r}"


def inked(text, renderer):
    """The box of a text in pixels, less the empty lines at its end."""
    box = text.get_window_extent(renderer)
    lines = text.get_text().split("\n")
    empty = len(lines) - len(text.get_text().rstrip("\n").split("\n"))
    box.y0 += box.height * empty / len(lines)
    return box


def texts(figure):
    """Every text that shows: matplotlib keeps ticks outside the limits, but does not draw them."""
    hidden = set()
    for ax, name in itertools.product(figure.axes, ("xaxis", "yaxis")):
        axis = getattr(ax, name)
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not ax.axison or not low <= tick.get_loc() <= high:
                hidden |= {id(tick.label1), id(tick.label2)}
    shown = [text for text in figure.findobj(Text) if text.get_visible()]
    return [text for text in shown if text.get_text().strip() and id(text) not in hidden]


def bars(ax):
    return [box for box in ax.containers if isinstance(box, ErrorbarContainer)]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].texts]


def test_the_same_data_give_the_same_bytes(draw, tmp_path):
    drawn = draw("fig3_generalization")
    _, output = run_figure("fig3_generalization", STUDY, tmp_path, **drawn.inputs)
    for kind in ("pdf", "png", "caption"):
        assert getattr(output, kind).read_bytes() == getattr(drawn.output, kind).read_bytes()


@pytest.mark.parametrize(
    ("name", "shown", "colour"),
    [
        ("fig3_generalization", "model == 'tribolium-100'", style.palette(STUDY)["tribolium-100"]),
        (
            "fig4_batch_size",
            "model in ('planaria-batch8', 'planaria-100', 'planaria-batch64') and condition == '1'",
            style.COLOURS[0],
        ),
    ],
)
def test_error_bars_are_the_intervals(draw, name, shown, colour):
    drawn = draw(name)
    means = summarise(read_tidy(drawn.inputs["scores"][0]))
    means = means.query("metric == 'nrmse' and protocol == 'paper' and tested_on == 'planaria'")
    rows = means.query(shown)
    box = next(b for b in bars(drawn.figure.axes[0]) if same_color(b.lines[0].get_color(), colour))
    order = np.argsort(rows["mean"].to_numpy(float))
    drawn_order = np.argsort(box.lines[0].get_ydata().astype(float))
    ends = np.array([segment[:, 1] for segment in box.lines[2][0].get_segments()])[drawn_order]
    rows = rows.iloc[order]
    assert np.allclose(ends, rows[["low", "high"]].to_numpy(float))
    means = box.lines[0].get_ydata().astype(float)[drawn_order]
    assert np.allclose(means, rows["mean"].to_numpy(float))


def test_the_lead_at_each_exposure_is_that_over_the_strongest_filter(draw):
    drawn = draw("exposure")
    scores = read_tidy(drawn.inputs["scores"][0])
    leading = smallest_leads(over_filters(leads(scores, STUDY, ["planaria-100"])))
    rows = leading.query("tested_on == 'planaria' and metric == 'nrmse'").sort_values("condition")
    (box,) = bars(drawn.figure.axes[2])  # below the scores of planaria and of tribolium
    assert box.lines[0].get_ydata().tolist() == pytest.approx(rows["lead"].tolist()[::-1])
    ends = np.array([segment[:, 1] for segment in box.lines[2][0].get_segments()])
    assert np.allclose(ends[::-1], rows[["low", "high"]].to_numpy(float))
    is_open = (rows["low"] <= 0) & (rows["high"] >= 0)
    opened = drawn.figure.axes[2].lines[-1]
    assert same_color(opened.get_markerfacecolor(), "white")
    assert len(opened.get_ydata()) == is_open.sum()
    ticks = [text.get_text() for text in drawn.figure.axes[-1].get_xticklabels()]
    assert ticks == ["10\ncleanest (C3)", "1\nC2", "0.1\nnoisiest (C1)"]


def test_png_files_are_fine_enough_for_print():
    assert FINE == 300


@pytest.mark.parametrize("name", PLOTS)
def test_axes_have_labels(draw, name):
    figure = draw(name).figure
    assert any(ax.get_xlabel() for ax in figure.axes)
    assert any(ax.get_ylabel() or ax.get_yticklabels() for ax in figure.axes)
    if name.startswith("fig"):
        assert "(fraction of range)" in figure.axes[0].get_ylabel()


def test_fewer_than_three_volumes_have_no_bars_and_the_note_says_so(tmp_path):
    conditions = [{"name": "a", "source": "x"}]
    config = {
        "planaria": {"archive": {"path": "p.tar"}, "conditions": conditions},
        "tribolium": {
            "archive": {"path": "t.tar"},
            "conditions": [*conditions, {"name": "b", "source": "y"}],
        },
    }
    for dataset in config.values():
        dataset["patches"] = {"shape": [8, 16, 16]}
    study = study_with(datasets=config)
    published = ROOT / "resources/published_scores.csv"
    for name, volumes in (("fig3_generalization", 2), ("fig4_batch_size", 1)):
        scores = make_scores(tmp_path / "s.csv", study, volumes)
        inputs = {"scores": scores, "published": published}
        figure, _ = run_figure(SCRIPTS[name], study, tmp_path, name, **inputs)
        assert_legible(figure)
        segments = [box.lines[2][0].get_segments() for ax in figure.axes for box in bars(ax)]
        assert not any(np.ptp(segment[:, 1]) for segment in itertools.chain(*segments))
        assert "no interval of fewer than three volumes" in figure.texts[-1].get_text()


def test_published_values_are_open_marks_of_their_model(draw):
    published = read_tidy(ROOT / "resources/published_scores.csv")
    rows = published.query("metric == 'nrmse' and tested_on == 'planaria' and output == 'network'")
    rows = rows[rows["model"].isin(STUDY.models) & rows["source"].str.startswith("2019")]
    open_marks = {
        to_hex(line.get_color()): sorted(line.get_ydata())
        for line in draw("fig3_generalization").figure.axes[0].lines
        if line.get_fillstyle() == "none" and len(line.get_ydata())
    }
    colours = style.palette(STUDY)
    for name, values in rows.groupby("model")["mean"]:
        if name in STUDY.compared_models:
            assert open_marks[to_hex(colours[name])] == pytest.approx(sorted(values))


def test_a_sweep_names_the_published_setting_where_it_differs(draw):
    figure = draw("fig4_batch_size").figure
    ax = figure.axes[-1]
    assert any(ax.get_xlabel().endswith("published in brackets") for ax in figure.axes)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2\n(8)", "4\n(16)", "16\n(64)"]


def test_a_sweep_has_an_entry_per_arm_and_no_model_names(draw):
    entries = legend_of(draw("fig4_batch_size").figure)
    assert entries[1:3] == ["all else the same", "the same number of patches"]
    assert not any("planaria-" in entry for entry in entries)
    assert "the same number of patches" not in legend_of(draw("fig5_steps_per_epoch").figure)


def test_nrmse_stands_once_and_ssim_once_per_protocol(draw):
    figure = draw("fig3_generalization").figure
    labels = [ax.get_ylabel().split("\n") for ax in figure.axes[::2]]
    assert [label[0] for label in labels] == ["NRMSE", "SSIM", "SSIM"]
    assert labels[1][1] == "(as in the CARE paper)"


def test_conditions_are_named_by_quality(draw):
    figure = draw("fig3_generalization").figure
    names = [[label.get_text() for label in ax.get_xticklabels()] for ax in figure.axes[-2:]]
    assert names == [
        ["cleanest (C1)", "C2", "noisiest (C3)"],
        ["cleanest (C3)", "C2", "noisiest (C1)"],
    ]


def test_colours_of_models_differ_and_matched_models_and_ensembles_share_them():
    study = study_with(seeds=(1, 2))
    colours = {name: to_hex(colour) for name, colour in style.palette(study).items()}
    own = [name for name in study.models if name not in study.matched_models]
    assert len({colours[name] for name in own}) == len(own)
    for name, model in (study.matched_models | study.ensembles).items():
        assert colours[name] == colours[model]


def test_a_study_that_compares_with_nothing_has_no_published_marks(tmp_path):
    config = {
        name: {
            "archive": {"path": f"{name}.tar.gz"},
            "conditions": [{"name": "1", "source": "a"}, {"name": "2", "source": "b"}],
            "patches": {"shape": [8, 16, 16]},
        }
        for name in ("planaria", "tribolium")
    }
    study = study_with(datasets=config)
    assert study.protocols == ("paper",)
    for name in ("fig3_generalization", "runtimes"):
        inputs = inputs_for(name, tmp_path, study)
        figure, _ = run_figure(SCRIPTS[name], study, tmp_path, name, **inputs)
        words = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "ublished" not in words
        assert "2019" not in words


def test_runtimes_have_a_line_only_through_three_numbers_of_steps(draw, tmp_path):
    assert len(draw("runtimes").figure.axes) == 4
    study = study_of({"generalization": COMPARED})
    inputs = inputs_for("runtimes", tmp_path, study)
    figure, _ = run_figure("runtimes", study, tmp_path, **inputs)
    lines = [ax for ax in figure.axes if ax.axison and "steps" in ax.get_xlabel()]
    assert len(lines) == 1  # the published one


def test_learning_curves_ring_the_epoch_whose_weights_are_kept(draw):
    drawn = draw("learning_curves")
    history = pd.read_csv(drawn.inputs["histories"][0])
    best = history.loc[history["val_loss"].idxmin()]
    rings = drawn.figure.axes[1].collections[-1].get_offsets()
    assert [best["samples_seen"], best["val_loss"]] in rings.tolist()


def test_calibration_panels_are_square_and_hold_their_diagonal(draw):
    for ax in draw("calibration").figure.axes:
        assert ax.get_box_aspect() == 1
        assert ax.get_xlim() == ax.get_ylim()
        diagonal = ax.lines[0]
        assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
        # Of the model that is trained on the panel's organism, before and after
        assert [line.get_linestyle() for line in ax.lines[1:]] == ["--", "-"]


def test_steps_run_downwards_to_the_papers_protocol(draw):
    axes = draw("why_the_numbers_differ").figure.axes
    for ax, count in ((axes[0], 4), (axes[2], 5)):
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert len(labels) == count
        assert labels[-1].endswith("CARE paper's protocol")
        assert not set(labels) & set(LABELS)  # each has a name for a reader
        assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_restorations_stand_between_input_and_ground_truth_beside_the_best_filter(draw):
    figure = draw("fig2_restoration").figure
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "input",
        "best on validation patches:\nGaussian,\nstrength 1 (voxels)",
        "network trained\non planaria",
        "ground truth",
    ]
    bars_shown = [text for text in texts(figure) if text.get_text().endswith("µm")]
    assert len(bars_shown) == 1  # tribolium's pixel size is not known


def test_the_verdict_on_each_test_set_stands_below_the_title(draw):
    subtitle = draw("fig2_restoration").figure.texts[-4].get_text()
    assert [line.split(": ")[0] for line in subtitle.splitlines()] == list(STUDY.datasets)
    assert all(": the network is " in line for line in subtitle.splitlines())


def test_an_inset_shows_texture_and_neither_the_brightest_spot_nor_what_it_covers():
    rng = np.random.default_rng(1)
    truth = np.zeros((100, 100))
    truth[60:80, 60:80] = rng.random((20, 20))
    truth[5:30, 70:95] = 9 * rng.random((25, 25))
    truth[20:27, 20:27] = 50.0
    window = image_panels.window_of(truth)
    assert truth[window].max() < 50
    assert 0 < truth[window].std() < 1
    assert image_panels.window_of(truth[:20, :20]) is None
