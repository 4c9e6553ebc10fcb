"""Figures: complete, legible, honest about what they show, and the same from the same data."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from denoising.evaluation.statistics import (
    MEASURED,
    explanation_means,
    read_calibration,
    read_tidy,
    summarise,
)
from denoising.report import figures

RESOURCES = Path(__file__).parents[3] / "resources"
BASE = {
    "trained_on": "planaria",
    "epochs": 6,
    "steps_per_epoch": 64,
    "batch_size": 4,
    "loss": "laplace",
    "seeds": [0],
}
PLAIN = {"varies": None, "base": None, "matched": []}
SWEEP = {"base": "planaria-100", "matched": []}
MODELS = {
    "planaria-100": BASE,
    "tribolium-100": {**BASE, "trained_on": "tribolium"},
    "planaria-batch8": {**BASE, "batch_size": 2},
    "planaria-batch64": {**BASE, "batch_size": 16},
    "planaria-steps25": {**BASE, "steps_per_epoch": 4},
}
STUDY = {
    "note": "Reduced study on simulated specimens: numbers do not compare with the published ones.",
    "datasets": {
        "planaria": {"label": "planaria (simulated)", "conditions": ["1", "2"]},
        "tribolium": {"label": "tribolium (simulated)", "conditions": ["2", "1"]},
    },
    "models": MODELS,
    "runs": {model: {"model": model, "seed": 0} for model in MODELS},
    "ensembles": {},
    "baselines": ["nlm"],
    "studies": {
        "generalization": {**PLAIN, "models": ["planaria-100", "tribolium-100"]},
        "batch": {
            **SWEEP,
            "models": ["planaria-batch8", "planaria-100", "planaria-batch64"],
            "varies": "batch_size",
        },
        "steps": {
            **SWEEP,
            "models": ["planaria-steps25", "planaria-100"],
            "varies": "steps_per_epoch",
        },
    },
}
MATCHED = {
    "planaria-batch8-matched": {**BASE, "batch_size": 2, "steps_per_epoch": 128},
    "planaria-batch64-matched": {**BASE, "batch_size": 16, "steps_per_epoch": 16},
    "planaria-steps25-matched": {**BASE, "steps_per_epoch": 4, "epochs": 96},
}
SAVED = ["patches", "restoration", "generalization", "sweep", "learning_curves", "runtimes"]
NAMES = SAVED + [
    "generalization_seeds",
    "arms",
    "arms_seeds",
    "learning_curves_arms",
    "runtimes_arms",
]
NAMES += ["generalization_baselines", "sweep_baselines", "calibration", "explanation"]
PLOTS = NAMES[2:]
SCORED = ["generalization", "sweep", "generalization_seeds", "arms", "arms_seeds"]
SCORED += ["generalization_baselines", "sweep_baselines"]


ARMS = {
    "batch": ["planaria-batch8-matched", "planaria-100", "planaria-batch64-matched"],
    "steps": ["planaria-steps25-matched", "planaria-100"],
}


def with_arms(study):
    """The study with a second arm of each sweep, in which the number of patches seen is held."""
    models = study["models"] | MATCHED
    runs = {model: {"model": model, "seed": 0} for model in models}
    studies = {
        name: {**each, "matched": ARMS.get(name, [])} for name, each in study["studies"].items()
    }
    return study | {"models": models, "runs": runs, "studies": studies}


def with_seeds(study, seeds=(1, 2, 3)):
    """The study with several trainings of every model."""
    models = {name: {**values, "seeds": list(seeds)} for name, values in study["models"].items()}
    runs = {
        f"{name}-seed{seed}": {"model": name, "seed": seed} for name in models for seed in seeds
    }
    return study | {
        "models": models,
        "runs": runs,
        "ensembles": {f"{name}-ensemble": name for name in models},
    }


def in_one_condition(study):
    return study | {
        "datasets": {
            name: {**each, "conditions": ["1"]} for name, each in study["datasets"].items()
        }
    }


def make_scores(study=STUDY, nlm=True):
    """Scores of three volumes a dataset; the plain models are tested on every dataset."""
    rng = np.random.default_rng(5)
    methods = [(key, "", "") for key in (["input", *study["baselines"]] if nlm else ["input"])]
    methods += [(run["model"], run["model"], run["seed"]) for run in study["runs"].values()]
    methods += [(ensemble, model, "") for ensemble, model in study["ensembles"].items()]
    rows = []
    for dataset, (key, model, seed) in itertools.product(study["datasets"], methods):
        trained_on = study["models"][model]["trained_on"] if model else ""
        if (
            model
            and model not in study["studies"]["generalization"]["models"]
            and trained_on != dataset
        ):
            continue
        conditions = study["datasets"][dataset]["conditions"]
        for condition, protocol, volume in itertools.product(
            conditions, ("paper", "study2019"), range(3)
        ):
            row = {
                "model": key if model else "",
                "seed": str(seed),
                "trained_on": trained_on,
                "tested_on": dataset,
                "condition": condition,
                "volume": f"v{volume}",
                "stratum": "",
                "output": "network" if model else key,
                "protocol": protocol,
            }
            nrmse = rng.uniform(0.02, 0.05) * (1 if model else 3)
            rows += [{**row, "metric": "nrmse", "value": nrmse}]
            rows += [{**row, "metric": "ssim", "value": 1 - 4 * nrmse}]
    return pd.DataFrame(rows)


def make_histories(folder, study=STUDY):
    paths = {}
    for i, (run, each) in enumerate(study["runs"].items()):
        settings = study["models"][each["model"]]
        epochs = np.arange(1, settings["epochs"] + 1)
        loss = -2 + 0.1 * i + 3 / epochs
        history = pd.DataFrame(
            {"epoch": epochs, "loss": loss, "val_loss": loss + 0.1, "learning_rate": 1e-3 / epochs}
        )
        history["seconds"] = 1 + 0.02 * settings["steps_per_epoch"]
        history["samples_seen"] = epochs * settings["steps_per_epoch"] * settings["batch_size"]
        paths[run] = folder / f"{run}.csv"
        history.assign(**dict.fromkeys(MEASURED, np.nan)).to_csv(paths[run], index=False)
    return paths


def with_baselines(study):
    return study | {"baselines": ["gaussian", "median", "tv", "wavelet", "nlm"]}


def make_calibration(folder, study=STUDY):
    """Calibrations of every run on its own dataset and of the plain models on both, three volumes
    each.
    """
    paths = {}
    for (i, run), dataset in itertools.product(enumerate(study["runs"]), study["datasets"]):
        model = study["runs"][run]["model"]
        if model not in study["studies"]["generalization"]["models"]:
            continue
        rows = []
        for condition, j in itertools.product(study["datasets"][dataset]["conditions"], range(3)):
            known = {"condition": condition, "volume": f"v{j}", "count": 100}
            factor = 1 + 0.3 * i + 0.05 * j
            for level in np.arange(1, 20) / 20:
                inside = 1 - (1 - level) ** (1 / factor)
                rows += [
                    known
                    | {"kind": "coverage", "level": level, "expected": level, "observed": inside}
                ]
            for level in range(10):
                scale = 0.01 * 1.4**level
                rows += [
                    known
                    | {
                        "kind": "scale",
                        "level": level,
                        "expected": scale,
                        "observed": factor * scale,
                    }
                ]
        paths[run, dataset] = folder / f"calibration-{run}-{dataset}.csv"
        pd.DataFrame(rows).to_csv(paths[run, dataset], index=False)
    return read_calibration(paths, study)


STEPS = (
    "2019, roles swapped",
    "2019, roles right",
    "input rescaled",
    "SSIM data range 1",
    "means subtracted (paper)",
)


def make_explanation(study=STUDY):
    """The steps of both test sets, of which the second has one more."""
    rows = []
    for dataset, first in zip(study["datasets"], (1, 0), strict=False):
        places = itertools.product(
            study["datasets"][dataset]["conditions"], range(3), ("input", "network")
        )
        for condition, i, output in places:
            for step, label in list(enumerate(STEPS))[first:]:
                nrmse = (0.2 if output == "input" else 0.05) * (1 + 0.1 * i) / (1 + 0.2 * step)
                known = {
                    "dataset": dataset,
                    "model": f"{dataset}-100",
                    "condition": condition,
                    "volume": f"v{i}",
                }
                known |= {"output": output, "step": float(step), "label": label}
                rows += [
                    known | {"metric": "nrmse", "value": nrmse},
                    known | {"metric": "ssim", "value": 1 - nrmse},
                ]
    return pd.DataFrame(rows)


def make_patches(path, shape=(2, 4, 16, 16)):
    rng = np.random.default_rng(6)
    keys = ("train_X", "train_Y", "validation_X", "validation_Y")
    np.savez(path, **{key: rng.random(shape, np.float32) for key in keys})
    return path


def make_sections(path, conditions=("1", "2"), shape=(64, 80), pixel=0.4, nlm=True):
    rng = np.random.default_rng(7)
    keys = ["input", "restored", "truth", *(["nlm"] if nlm else [])]
    images = {key: rng.random((len(conditions), *shape), np.float32) for key in keys}
    np.savez(path, **images, conditions=np.array(conditions), pixel_size_um=np.float64(pixel))
    return path


@pytest.fixture(autouse=True, scope="module")
def coarse():
    """Draw PNG files coarsely, for speed."""
    fine = figures.STYLE["savefig.dpi"]
    figures.STYLE["savefig.dpi"] = 50
    yield
    figures.STYLE["savefig.dpi"] = fine


@pytest.fixture
def unsaved(monkeypatch):
    """Lay figures out, but write no files, for speed."""
    monkeypatch.setattr(figures, "_save", laid_out)


def laid_out(figure, *_):
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


@pytest.fixture(scope="module")
def scores():
    return make_scores()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def drawn(folder, scores, coarse):
    """Every figure, drawn once, by name; the files of `SAVED` are <name>.pdf and <name>.png in
    `folder`.
    """
    published = read_tidy(RESOURCES / "published_runtimes.csv")
    patches = {name: make_patches(folder / f"{name}.npz") for name in STUDY["datasets"]}
    sections = {
        (f"{name}-100", name): make_sections(folder / f"{name}-100.npz", pixel=pixel)
        for name, pixel in (("planaria", 0.4), ("tribolium", np.nan))
    }
    arms, seeds = with_arms(STUDY), with_seeds(with_arms(STUDY))
    baselines = with_baselines(seeds)
    histories = {name: folder / f"{name}.csv" for name in make_histories(folder)}
    calls = {
        "patches": (figures.fig_patches, patches, STUDY),
        "restoration": (figures.fig_restoration, sections, STUDY),
        "generalization": (figures.fig_generalization, scores, STUDY),
        "sweep": (figures.fig_sweep, scores, in_one_condition(STUDY), "batch"),
        "learning_curves": (figures.fig_learning_curves, histories, STUDY),
        "runtimes": (figures.fig_runtimes, histories, STUDY, published),
        "generalization_seeds": (figures.fig_generalization, make_scores(seeds), seeds),
        "arms": (figures.fig_sweep, make_scores(arms), in_one_condition(arms), "batch"),
        "arms_seeds": (figures.fig_sweep, make_scores(seeds), in_one_condition(seeds), "steps"),
        "learning_curves_arms": (figures.fig_learning_curves, make_histories(folder, seeds), seeds),
        "generalization_baselines": (figures.fig_generalization, make_scores(baselines), baselines),
        "sweep_baselines": (
            figures.fig_sweep,
            make_scores(baselines),
            in_one_condition(baselines),
            "batch",
        ),
        "calibration": (figures.fig_calibration, make_calibration(folder), STUDY),
        "explanation": (figures.fig_explanation, make_explanation(), STUDY),
        "runtimes_arms": (figures.fig_runtimes, make_histories(folder, seeds), seeds, published),
    }
    saved = {
        name: draw(*given, *files(folder, name))
        for name, (draw, *given) in calls.items()
        if name in SAVED
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "_save", laid_out)
        return saved | {
            name: draw(*given, *files(folder, name))
            for name, (draw, *given) in calls.items()
            if name not in SAVED
        }


def files(folder, name):
    return folder / f"{name}.pdf", folder / f"{name}.png"


def texts(figure):
    """Every text that shows."""
    hidden = {id(label) for ax in figure.axes for label in hidden_ticks(ax)}
    shown = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()
    ]
    return [text for text in shown if id(text) not in hidden]


def inked(text, renderer):
    """The box of a text, in pixels, less an empty last line."""
    box = text.get_window_extent(renderer)
    if text.get_text().endswith("\n"):
        box.y0 += box.height / 2
    return box


def hidden_ticks(ax):
    """Tick labels outside the limits of an axis, which matplotlib keeps but does not draw."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            off = not ax.axison or not low <= tick.get_loc() <= high
            yield from (tick.label1, tick.label2) if off else ()


def panels(figure):
    return [ax for ax in figure.axes if ax.axison and (ax.lines or ax.containers)]


def printed(figure):
    return " ".join(text.get_text().replace("\n", " ") for text in texts(figure))


@pytest.mark.parametrize("name", SAVED)
def test_both_files_are_written_whole(drawn, folder, name):
    pdf, png = (path.read_bytes() for path in files(folder, name))
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # fonts embedded
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert png.startswith(b"\x89PNG")
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_180_mm_wide_and_carries_the_note(drawn, name):
    assert drawn[name].get_figwidth() * 25.4 == pytest.approx(180)
    assert STUDY["note"] in printed(drawn[name])


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_clipped_or_overlapped(drawn, name):
    assert_legible(drawn[name])


def assert_legible(figure):
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    shown = [(text.get_text(), inked(text, renderer)) for text in texts(figure)]
    page = figure.bbox
    for text, box in shown:
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the page"
    for (one, first), (other, second) in itertools.combinations(shown, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), f"{one!r} overlaps {other!r}"


def spread_over(table, column, low, high):
    """The table with the errors of `column` from `low` to `high`, in equal ratios, and similarities
    to match.
    """
    share = table[column].where(table["metric"] != "ssim", 1 - table[column])
    share = (share - share.min()) / (share.max() - share.min())
    error = low * (high / low) ** share
    return table.assign(**{column: error.where(table["metric"] != "ssim", 1 - error)})


@pytest.mark.parametrize(
    ("low", "high"), [(0.0945, 0.131), (0.02, 0.3), (0.0301, 0.0304), (0.001, 2), (0.9, 1.1e3)]
)
def test_ticks_are_few_and_clear_of_each_other_whatever_the_range(unsaved, tmp_path, low, high):
    scores = spread_over(make_scores(), "value", low, high)
    calibration = make_calibration(tmp_path).assign(metric="")
    scale = calibration["kind"] == "scale"
    for column in ("expected", "observed"):
        calibration.loc[scale, column] = spread_over(calibration[scale], column, low, high)[column]
    histories = make_histories(tmp_path)
    for path in histories.values():
        history = pd.read_csv(path)
        for column in ("loss", "val_loss", "learning_rate", "seconds"):
            history[column] = np.linspace(low, high, len(history))
        history.assign(samples_seen=np.geomspace(1e4 * low, 1e4 * high, len(history))).to_csv(
            path, index=False
        )
    nothing = read_tidy(RESOURCES / "published_runtimes.csv").iloc[:0]
    explanation = make_explanation()
    for draw, *given in (
        (figures.fig_explanation, spread_over(explanation, "value", low, high), STUDY),
        (
            figures.fig_explanation,
            spread_over(explanation[explanation["volume"] == "v0"], "value", low, high),
            STUDY,
        ),
        (figures.fig_generalization, scores, STUDY),
        (figures.fig_sweep, scores, STUDY, "batch"),
        (figures.fig_calibration, calibration, STUDY),
        (figures.fig_learning_curves, histories, STUDY),
        (figures.fig_runtimes, histories, STUDY, nothing),
    ):
        figure = draw(*given, *files(tmp_path, "awkward"))
        assert_legible(figure)
        for axis in (axis for ax in panels(figure) for axis in (ax.xaxis, ax.yaxis)):
            if isinstance(axis.get_major_locator(), figures._RoomyLocator):
                assert 2 <= len(axis.get_majorticklocs()) <= figures.MOST_TICKS


def test_settings_that_are_close_share_a_tick(unsaved, tmp_path):
    """Ticks at every other of a sweep's values, where labels at all of them would overlap."""
    models = {
        f"planaria-{size}": {**BASE, "batch_size": size} for size in (1000, 1010, 1020, 1030, 9000)
    }
    sweep = {"batch": {**SWEEP, "models": list(models), "varies": "batch_size"}}
    runs = {model: {"model": model, "seed": 0} for model in models}
    study = STUDY | {
        "models": models,
        "runs": runs,
        "studies": sweep | {"generalization": {**PLAIN, "models": []}},
    }
    figure = figures.fig_sweep(make_scores(study), study, "batch", *files(tmp_path, "s"))
    assert_legible(figure)
    assert figure.axes[0].get_xticks().tolist() == [1000, 9000]


@pytest.mark.parametrize("name", PLOTS)
def test_axes_have_labels_with_units(drawn, name):
    figure = drawn[name]
    labels = {
        label for ax in panels(figure) for label in (ax.get_xlabel(), ax.get_ylabel()) if label
    }
    plain = {"condition (cleanest to noisiest)"}
    assert labels
    assert all("(" in label for label in labels - plain), labels
    for ax in panels(figure):
        column = [each for each in panels(figure) if each.get_position().x0 == ax.get_position().x0]
        assert any(each.get_xlabel() for each in column)


@pytest.mark.parametrize("name", SCORED)
def test_error_bars_are_named_with_their_number(drawn, name):
    shown = printed(drawn[name])
    assert (
        "mean and its 95 % bootstrap interval over test volumes (3 of planaria (simulated)" in shown
    )


def marked(ax):
    """Colours of the markers on an axis, by their place."""
    return {
        (float(x), float(y)): to_hex(line.get_color()).upper()
        for line in ax.lines
        for x, y in zip(
            np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True
        )
        if line.get_marker() not in ("", "None", None, "_", "|")
    }


def test_a_model_has_one_colour_in_every_figure(drawn, scores):
    colours = figures.palette(STUDY)
    for name in ("generalization", "sweep", "learning_curves"):
        (legend,) = drawn[name].legends
        handles = zip(legend.get_texts(), legend.legend_handles, strict=True)
        found = {
            text.get_text().split(":")[0]: to_hex(handle.get_color()).upper()
            for text, handle in handles
        }
        models = [model for model in STUDY["models"] if model in found]
        assert len(models) > 1
        assert all(found[model] == colours[model] for model in models)
    hours = drawn["runtimes"].axes[0]
    rows = [label.get_text() for label in hours.get_yticklabels()]
    assert all(
        colour == colours[rows[int(y)]]
        for (_, y), colour in marked(hours).items()
        if rows[int(y)] in colours
    )
    summary = summarise(scores)
    keys = {"metric": "nrmse", "protocol": "paper", "tested_on": "planaria", "condition": "1"}
    part = summary.loc[
        (summary[list(keys)] == pd.Series(keys)).all(axis=1) & (summary["model"] != "")
    ]
    means = part.set_index("model")["mean"]
    sweep = {round(y, 9): colour for (_, y), colour in marked(drawn["sweep"].axes[0]).items()}
    for model in STUDY["studies"]["batch"]["models"]:
        assert sweep[round(means[model], 9)] == colours[model]


def test_colours_of_models_differ_and_do_not_depend_on_the_figure():
    study = {"models": dict.fromkeys(("mine", "planaria", "yours", "theirs", "planaria-100"))}
    colours = figures.palette(study | {"studies": {}, "ensembles": {}, "baselines": ["nlm"]})
    assert len({colours[model] for model in study["models"]}) == 5
    assert colours["planaria"] == figures.palette(STUDY)["planaria"] == "#0072B2"
    assert {"input", "nlm"} <= set(colours)


def test_matched_models_and_ensembles_have_the_colour_of_their_model_and_a_look_of_their_own():
    study = with_seeds(with_arms(STUDY))
    assert figures.matched_models(study) == {
        name: name.removesuffix("-matched") for name in MATCHED
    }
    colours, shapes = figures.palette(study), figures.markers(study)
    kin = [
        "planaria-batch8",
        "planaria-batch8-matched",
        "planaria-batch8-ensemble",
        "planaria-batch8-matched-ensemble",
    ]
    assert len({colours[name] for name in kin}) == 1
    assert [shapes[name] for name in kin] == ["o", "d", "o", "d"]
    assert colours["planaria-batch8"] != colours["planaria-batch64"]
    assert shapes["tribolium-100"] == "s"


def drawn_as(ax, colour):
    """Marker, its filling, and x and y of all that is drawn in a colour."""
    lines = [line for line in ax.lines if to_hex(line.get_color()).upper() == colour]
    lines = [line for line in lines if line.get_marker() not in ("", "None", None, "_", "|")]
    looks = [(line.get_marker(), to_hex(line.get_markerfacecolor()) != "#ffffff") for line in lines]
    return {look: line.get_xydata()[0] for look, line in zip(looks, lines, strict=True)}


def test_a_sweep_tells_its_arms_and_ensembles_apart(drawn):
    ax = drawn["arms_seeds"].axes[0]
    colours = figures.palette(STUDY)
    swept = drawn_as(ax, colours["planaria-steps25"])
    assert set(swept) == {("o", True), ("o", False), ("d", True), ("d", False)}
    places = [swept[look][0] for look in (("o", True), ("o", False), ("d", True), ("d", False))]
    assert places == sorted(places)
    assert np.exp2(np.mean(np.log2(places))) == pytest.approx(4)  # side by side around its 4 steps
    assert places[-1] < 16  # half way to the next value, 64
    assert set(drawn_as(ax, colours["planaria-100"])) == {
        ("o", True),
        ("o", False),
    }  # the base is in both arms


def test_each_arm_has_its_line_through_the_base(drawn):
    ax = drawn["arms"].axes[0]
    own, matched = (line for line in ax.lines if line.get_color() == "0.6")
    assert (own.get_linestyle(), matched.get_linestyle()) == (
        "-",
        "--",
    )  # matplotlib calls every pattern dashed
    middle = own.get_xydata()[1]
    assert middle[0] == pytest.approx(4)
    assert matched.get_xydata()[1].tolist() == middle.tolist()
    assert (own.get_xdata() != matched.get_xdata()).tolist() == [True, False, True]


def test_a_sweep_says_what_each_arm_holds_and_how_much_it_saw(drawn):
    batch = printed(drawn["arms"])
    assert "epochs and steps per epoch held" in batch
    assert "patches seen held" in batch
    assert "Solid line: the models saw 768 to 6,144 patches in training" in batch
    assert (
        "confounded. Dash-dotted line, diamonds and planaria-100: every model saw 1,536 patches"
        in batch
    )
    assert "in 16 to 128 steps per epoch (96 to 768 weight updates)" in batch
    steps = printed(drawn["arms_seeds"])
    assert "epochs and batch size held" in steps
    assert "in 6 to 96 epochs (384 weight updates)" in steps


def bars(ax):
    """Middles, lower and upper ends of the error bars of an axis, by the place of their markers."""
    found = {}
    for container in ax.containers:
        data, _, (lines,) = container
        for (_, y), (low, high) in zip(data.get_xydata(), lines.get_segments(), strict=True):
            found[round(y, 9)] = (low[1], high[1])
    return found


@pytest.mark.parametrize("name", ["generalization", "sweep"])
def test_error_bars_are_the_intervals(drawn, scores, name):
    summary = summarise(scores)
    known = {round(row.mean, 9): (row.low, row.high) for row in summary.itertuples(index=False)}
    for ax in panels(drawn[name]):
        found = bars(ax)
        assert found
        for middle, ends in found.items():
            assert ends == pytest.approx(known[middle])


def test_every_baseline_has_a_look_and_a_name_of_its_own(drawn):
    study = with_baselines(STUDY)
    looks = {
        (figures.palette(study)[name], figures.markers(study)[name]) for name in study["baselines"]
    }
    assert len(looks) == 5
    shown = printed(drawn["generalization_baselines"])
    for label in ("Gaussian", "median", "total variation", "wavelet", "non-local means"):
        assert label in shown


def test_a_sweep_shows_the_best_baseline_and_the_reach_of_the_others(drawn):
    summary = summarise(make_scores(with_baselines(with_seeds(with_arms(STUDY)))))
    keys = {"metric": "nrmse", "protocol": "paper", "tested_on": "planaria", "condition": "1"}
    part = summary[(summary[list(keys)] == pd.Series(keys)).all(axis=1)].set_index("output")["mean"]
    baselines = part[part.index.isin(with_baselines(STUDY)["baselines"])]
    ax = drawn["sweep_baselines"].axes[0]
    (band,) = (patch for patch in ax.patches if patch.get_zorder() == 0.5)
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(
        (baselines.min(), baselines.max())
    )
    (line,) = (line for line in ax.lines if line.get_color() == "#000000")
    assert line.get_ydata()[0] == pytest.approx(baselines.min())  # of an error the smallest is best
    shown = printed(drawn["sweep_baselines"])
    assert "best baseline (mean)" in shown
    assert "Baselines: Gaussian, median, total variation, wavelet, non-local means." in shown
    assert "non-local means (mean)" in printed(drawn["sweep"])


def test_calibration_has_its_diagonal_and_a_line_a_model(drawn):
    coverage, _, scale, _ = drawn["calibration"].axes[:4]
    for ax in (coverage, scale):
        (diagonal,) = (line for line in ax.lines if line.get_color() == "0.6")
        assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
        assert len(ax.lines) == 1 + 2
    colours = figures.palette(STUDY)
    (sure,) = (line for line in coverage.lines if line.get_color() == colours["tribolium-100"])
    assert (np.array(sure.get_ydata()) < np.array(sure.get_xdata())).all()
    assert "too sure of themselves" in printed(drawn["calibration"])


def test_steps_run_downwards_from_the_2019_study(drawn):
    figure = drawn["explanation"]
    nrmse, _, _, _, swapped, *_ = figure.axes
    assert [label.get_text() for label in swapped.get_yticklabels()] == list(STEPS)
    assert [label.get_text() for label in nrmse.get_yticklabels()] == list(STEPS[1:])
    assert swapped.get_ylim()[0] > swapped.get_ylim()[1]
    assert len(nrmse.containers) == 4  # input and network, in two conditions
    data = nrmse.containers[0][0].get_xydata()
    means = [0.2 * 1.1 / (1 + 0.2 * step) for step in (1, 2, 3, 4)]
    assert data[:, 0] == pytest.approx(means)


def test_beside_the_steps_stand_their_changes_with_intervals_of_their_own(drawn):
    changes = explanation_means(make_explanation())
    for ax, dataset, metric in zip(
        drawn["explanation"].axes[1::2],
        np.repeat(list(STUDY["datasets"]), 2),
        ["nrmse", "ssim"] * 2,
        strict=True,
    ):
        assert ax.get_xlabel() in ("", f"change of {metric.upper()}\n(linear to ±0.01, log beyond)")
        part = changes[(changes["tested_on"] == dataset) & (changes["metric"] == metric)].dropna(
            subset="change"
        )
        known = part[["change_low", "change_high"]].to_numpy()
        found = [
            path.vertices[:, 0]
            for container in ax.containers
            for path in container[2][0].get_paths()
            if np.isfinite(path.vertices).all()
        ]
        assert sorted(map(tuple, found)) == pytest.approx(sorted(map(tuple, known)))
        left, right = ax.get_xlim()
        assert left < known.min() < known.max() < right


def test_a_step_that_changes_nothing_has_its_row_but_no_marker(unsaved, tmp_path):
    explanation = make_explanation()
    still = (explanation["metric"] == "nrmse") & (explanation["step"] == 3)
    before = explanation[(explanation["metric"] == "nrmse") & (explanation["step"] == 2)]
    explanation.loc[still, "value"] = before["value"].to_numpy()
    figure = figures.fig_explanation(explanation, STUDY, *files(tmp_path, "e"))
    _, changes, *_ = figure.axes
    assert list(changes.get_yticks()) == [0, 1, 2, 3]
    y = [place for container in changes.containers for place in container[0].get_xydata()[:, 1]]
    shown = np.isfinite(
        [place for container in changes.containers for place in container[0].get_xydata()[:, 0]]
    )
    assert set(np.round(np.array(y)[shown])) == {1, 3}
    assert "it changes nothing" in printed(figure)


def test_one_volume_has_no_error_bars_and_datasets_may_differ_in_conditions(unsaved, tmp_path):
    datasets = {name: dict(each) for name, each in STUDY["datasets"].items()}
    datasets["tribolium"]["conditions"] = ["1"]
    study = STUDY | {"datasets": datasets}
    calibration = make_calibration(tmp_path, study)
    figure = figures.fig_calibration(
        calibration[calibration["volume"] == "v0"], study, *files(tmp_path, "c")
    )
    assert len(panels(figure)) == 2 * (2 + 1)
    explanation = make_explanation(study)
    figure = figures.fig_explanation(
        explanation[explanation["volume"] == "v0"], study, *files(tmp_path, "e")
    )
    assert len(figure.axes[4].containers) == 2
    scores = make_scores(study)
    figures.fig_generalization(scores[scores["volume"] == "v0"], study, *files(tmp_path, "g"))


def test_an_ensembles_interval_says_what_it_leaves_out(drawn):
    assert "their intervals are over volumes alone" in printed(drawn["generalization_seeds"])
    assert "volumes alone" not in printed(drawn["generalization"])


def test_a_bar_that_nears_zero_does_not_stretch_the_log_axis():
    shown = pd.DataFrame(
        {"mean": [0.04, 0.05], "low": [1e-4, 0.03], "high": [0.08, 0.07], "sd_seeds": np.nan}
    )
    ax = figures.Figure().subplots()
    figures._scale(ax, "nrmse", shown)
    assert 0.004 < ax.get_ylim()[0] < 0.01


def thick(ax):
    """The middles and heights of the bars over trainings."""
    lines = [line for line in ax.lines if line.get_linewidth() == 1.4]
    return sorted(
        (float(np.mean(line.get_ydata())), float(np.ptp(line.get_ydata()))) for line in lines
    )


def test_thick_bars_are_the_spread_between_trainings(drawn):
    study = with_seeds(with_arms(STUDY))
    summary = summarise(make_scores(study))
    keys = {"metric": "nrmse", "protocol": "paper", "tested_on": "planaria"}
    part = summary[(summary[list(keys)] == pd.Series(keys)).all(axis=1)].set_index("model")
    part = part.loc[part.index.isin(["planaria-100", "tribolium-100"])]
    expected = sorted(zip(part["mean"], 2 * part["sd_seeds"], strict=True))
    assert thick(drawn["generalization_seeds"].axes[0]) == [
        pytest.approx(each) for each in expected
    ]
    assert "3 training runs a model" in printed(drawn["generalization_seeds"])
    assert "Thick bars beside them: ± SD between the runs" in printed(drawn["generalization_seeds"])


@pytest.mark.parametrize("name", ["generalization", "sweep", "arms"])
def test_with_one_training_a_model_there_are_no_thick_bars_and_no_ensembles(drawn, name):
    assert not any(thick(ax) for ax in drawn[name].axes)
    shown = printed(drawn[name])
    assert "one training run a model" in shown
    assert "Thick" not in shown
    assert "nsemble" not in shown


def test_models_trained_more_and_less_often_are_told(unsaved, tmp_path):
    study = with_seeds(STUDY, (1, 2))
    study["models"]["tribolium-100"]["seeds"] = [1]
    study["runs"].pop("tribolium-100-seed2")
    study["ensembles"].pop("tribolium-100-ensemble")
    figure = figures.fig_generalization(make_scores(study), study, *files(tmp_path, "g"))
    assert "1 to 2 training runs a model" in printed(figure)


def test_matched_models_are_in_figure_3_only_where_they_were_cross_tested(drawn, unsaved, tmp_path):
    arms = with_arms(STUDY)
    assert "matched" not in printed(
        figures.fig_generalization(make_scores(arms), arms, *files(tmp_path, "g"))
    )
    crossed = make_scores(arms)
    crossed = crossed[(crossed["model"] == "planaria-batch8-matched")].assign(tested_on="tribolium")
    figure = figures.fig_generalization(
        pd.concat([make_scores(arms), crossed]), arms, *files(tmp_path, "g")
    )
    assert "planaria-batch8-matched: 6 epochs" in printed(figure)
    assert "diamonds, trained on as many patches as their sweep's base" in printed(figure)


def test_learning_curves_compare_runs_by_patches_seen(drawn):
    figure = drawn["learning_curves_arms"]
    titles = [title for ax in figure.axes if (title := ax.get_title(loc="left"))]
    assert titles == [
        "Trained on planaria (simulated)",
        "Trained on tribolium (simulated)",
        "Batch size, trained on planaria (simulated)",
        "Steps per epoch, trained on planaria (simulated)",
    ]
    assert {ax.get_xlabel() for ax in figure.axes} == {"", "patches seen (log scale)"}
    assert figure.axes[0].get_xscale() == "log"
    colour = figures.palette(STUDY)["planaria-steps25"]
    lines = [line for line in figure.axes[-3].lines if to_hex(line.get_color()).upper() == colour]
    solid = [line for line in lines if line.get_linestyle() == "-"]
    assert (len(solid), len(lines)) == (3, 6)  # three trainings in each arm, of one colour
    assert {line.get_xdata()[-1] for line in solid} == {6 * 4 * 4}
    assert {line.get_xdata()[-1] for line in lines if line not in solid} == {
        BASE["epochs"] * 64 * 4
    }


def test_ticks_of_patches_are_short():
    assert [figures._short_number(value) for value in (100.0, 2000.0, 1e5, 1e6)] == [
        "100",
        "2k",
        "100k",
        "1M",
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.8e-17, "0"), (-1e-18, "0"), (0.0123, "0.012"), (0.3, "0.30"), (123.4, "123")],
)
def test_lines_are_told_in_two_digits_and_no_slope_is_zero(value, said):
    assert figures._two_digits(value) == said


def test_runtimes_have_a_row_a_model_and_a_point_a_run(drawn):
    hours, _, ours = drawn["runtimes_arms"].axes
    rows = [label.get_text() for label in hours.get_yticklabels()]
    assert rows[:8] == [*MODELS, *MATCHED]
    places = [float(line.get_ydata()[0]) for line in hours.lines if line.get_fillstyle() == "full"]
    assert sorted(places) == sorted([*range(8)] * 3)
    # Epochs of 96 make a group of one number of steps: no line; the arms of the batch size make one
    # each
    names = [text.get_text().split(":")[0] for text in ours.get_legend().get_texts()]
    assert names == ["batch size 2", "batch size 4", "batch size 16"]


@pytest.mark.parametrize("name", ["generalization", "sweep"])
def test_a_panel_shows_one_protocol(drawn, scores, name):
    summary = summarise(scores)
    of_protocol = {
        p: {round(m, 9) for m in rows["mean"]} for p, rows in summary.groupby("protocol")
    }
    for ax in panels(drawn[name]):
        values = {round(y, 9) for _, y in marked(ax)}
        assert values
        assert sum(values <= means for means in of_protocol.values()) == 1
    shown = printed(drawn[name])
    assert "Protocol of the CARE paper" in shown
    assert "Protocol of the 2019 study" in shown


def test_conditions_run_from_best_to_worst(drawn):
    foot = [
        [label.get_text() for label in ax.get_xticklabels()]
        for ax in drawn["generalization"].axes[-2:]
    ]
    assert foot == [["1", "2"], ["2", "1"]]


def test_a_sweep_shows_the_actual_values_and_its_confounding(drawn):
    ax = drawn["sweep"].axes[-1]
    assert ax.get_xscale() == "log"
    assert ax.get_xticks().tolist() == [2, 4, 16]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4", "16"]
    assert "saw 768 to 6,144 patches in training" in printed(drawn["sweep"])
    assert (
        len(panels(drawn["sweep"])) == 4
    )  # protocols and metrics; tribolium has but one of its models


def test_a_matched_sweep_says_so_and_a_narrow_one_is_linear(unsaved, scores, tmp_path):
    study = STUDY | {
        "models": MODELS | {"planaria-steps25": {**BASE, "steps_per_epoch": 48, "epochs": 8}}
    }
    paper = scores[scores["protocol"] == "paper"]
    figure = figures.fig_sweep(paper, study, "steps", *files(tmp_path, "s"))
    assert "Every model saw 1,536 patches in training" in printed(figure)
    assert len(panels(figure)) == 4  # metrics and conditions
    assert figure.axes[0].get_xscale() == "linear"
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["48", "64"]


def test_a_sweep_without_scores_is_refused(scores, tmp_path):
    with pytest.raises(ValueError, match="studies.batch: no scores"):
        figures.fig_sweep(
            scores[scores["output"] == "input"], STUDY, "batch", *files(tmp_path, "s")
        )


def test_the_same_data_give_the_same_bytes(drawn, folder, tmp_path):
    histories = {run: folder / f"{run}.csv" for run in STUDY["runs"]}
    figures.fig_learning_curves(histories, STUDY, *files(tmp_path, "learning_curves"))
    for again, first in zip(
        files(tmp_path, "learning_curves"), files(folder, "learning_curves"), strict=True
    ):
        assert again.read_bytes() == first.read_bytes()


def test_one_dataset_one_condition_one_model_and_several_runs(unsaved, tmp_path):
    study = {
        "datasets": {"fish": {"conditions": ["low"]}},
        "models": {"fish": {**BASE, "trained_on": "fish", "epochs": 1}},
        "studies": {"generalization": {**PLAIN, "models": ["fish"]}},
        "baselines": [],
    }
    study = with_seeds(study, (0, 1))
    scores = make_scores(study, nlm=False)
    figure = figures.fig_generalization(scores, study, *files(tmp_path, "g"))
    assert len(panels(figure)) == 4
    assert "and 2 training runs a model" in printed(figure)
    histories = make_histories(tmp_path, study)
    figures.fig_learning_curves(histories, study, *files(tmp_path, "l"))
    nothing = read_tidy(RESOURCES / "published_runtimes.csv").iloc[:0]
    assert len(figures.fig_runtimes(histories, study, nothing, *files(tmp_path, "r")).axes) == 1
    sections = make_sections(tmp_path / "s.npz", ("low",), nlm=False)
    figures.fig_restoration({("fish", "fish"): sections}, study, *files(tmp_path, "s"))
    figure = figures.fig_patches(
        {"fish": make_patches(tmp_path / "p.npz", (1, 8, 8))}, study, *files(tmp_path, "p")
    )
    assert len(figure.axes) == 4


def test_restorations_in_order_with_a_scale_bar_where_the_pixel_is_known(drawn):
    shown = [text.get_text() for text in texts(drawn["restoration"])]
    rows = [text.removeprefix("condition ") for text in shown if text.startswith("condition")]
    assert rows == ["1 (cleanest)", "2 (noisiest)", "2 (cleanest)", "1 (noisiest)"]
    assert [text for text in shown if "µm" in text] == ["5 µm"]
    assert "restored by\nplanaria-100" in shown
    assert len(drawn["restoration"].axes) == 2 * 2 * 4


def test_models_of_one_dataset_stand_side_by_side(unsaved, tmp_path):
    one, other = make_sections(tmp_path / "a.npz"), make_sections(tmp_path / "b.npz")
    pairs = {("planaria-100", "planaria"): one, ("tribolium-100", "planaria"): other}
    figure = figures.fig_restoration(pairs, STUDY, *files(tmp_path, "r"))
    assert len(figure.axes) == 2 * 5
    make_sections(other, shape=(64, 64))
    with pytest.raises(ValueError, match="b.npz.*alike"):
        figures.fig_restoration(pairs, STUDY, *files(tmp_path, "r"))


def test_png_files_are_fine_enough_for_print(tmp_path, monkeypatch):
    monkeypatch.setitem(figures.STYLE, "savefig.dpi", 300)
    figures.fig_patches(
        {"planaria": make_patches(tmp_path / "p.npz")}, STUDY, *files(tmp_path, "p")
    )
    with Image.open(tmp_path / "p.png") as image:
        assert image.width >= 180 / 25.4 * 200
        assert min(image.info["dpi"]) >= 200
