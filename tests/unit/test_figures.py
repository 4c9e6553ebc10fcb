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

from denoising import figures
from denoising.statistics import read_tidy, summarise

RESOURCES = Path(__file__).parents[2] / "resources"
BASE = {"trained_on": "planaria", "epochs": 6, "steps_per_epoch": 64, "batch_size": 4, "loss": "laplace"}
STUDY = {
    "note": "Reduced study on simulated specimens: numbers do not compare with the published ones.",
    "datasets": {
        "planaria": {"label": "planaria (simulated)", "conditions": ["1", "2"]},
        "tribolium": {"label": "tribolium (simulated)", "conditions": [{"name": "2"}, {"name": "1"}]},
    },
    "models": {
        "planaria-100": BASE,
        "tribolium-100": {**BASE, "trained_on": "tribolium"},
        "planaria-batch8": {**BASE, "batch_size": 2},
        "planaria-batch64": {**BASE, "batch_size": 16},
        "planaria-steps25": {**BASE, "steps_per_epoch": 4},
    },
    "studies": {
        "generalization": {"models": ["planaria-100", "tribolium-100"], "varies": None},
        "batch": {"models": ["planaria-batch64", "planaria-batch8", "planaria-100"], "varies": "batch_size"},
        "steps": {"models": ["planaria-steps25", "planaria-100"], "varies": "steps_per_epoch"},
    },
}
ONE_CONDITION = {**STUDY, "datasets": {name: {**each, "conditions": ["1"]} for name, each in STUDY["datasets"].items()}}
NAMES = ["patches", "restoration", "generalization", "sweep", "learning_curves", "runtimes"]
PLOTS = NAMES[2:]


def make_scores(study=STUDY, seeds=("0",), nlm=True):
    """Scores of three volumes a dataset; the plain models are tested on every dataset."""
    rng = np.random.default_rng(5)
    references = ["input", "nlm"] if nlm else ["input"]
    rows = []
    for dataset, key in itertools.product(study["datasets"], [*references, *study["models"]]):
        settings = study["models"].get(key, {})
        plain = key in study["studies"]["generalization"]["models"]
        if settings and not plain and settings["trained_on"] != dataset:
            continue
        conditions = [c if isinstance(c, str) else c["name"] for c in study["datasets"][dataset]["conditions"]]
        for condition, protocol, volume in itertools.product(conditions, ("paper", "study2019"), range(3)):
            for seed in seeds if settings else [""]:
                row = {
                    "model": key if settings else "",
                    "seed": seed,
                    "trained_on": settings.get("trained_on", ""),
                    "tested_on": dataset,
                    "condition": condition,
                    "volume": f"v{volume}",
                    "stratum": "",
                    "output": "network" if settings else key,
                    "protocol": protocol,
                }
                nrmse = rng.uniform(0.02, 0.05) * (1 if settings else 3)
                rows += [{**row, "metric": "nrmse", "value": nrmse}]
                rows += [{**row, "metric": "ssim", "value": 1 - 4 * nrmse}]
    return pd.DataFrame(rows)


def make_histories(folder, study=STUDY):
    paths = {}
    for i, (model, settings) in enumerate(study["models"].items()):
        epochs = np.arange(1, settings["epochs"] + 1)
        loss = -2 + 0.1 * i + 3 / epochs
        history = {"epoch": epochs, "loss": loss, "val_loss": loss + 0.1, "learning_rate": 1e-3 / epochs}
        history["seconds"] = 1 + 0.02 * settings["steps_per_epoch"]
        paths[model] = folder / f"{model}.csv"
        pd.DataFrame(history).to_csv(paths[model], index=False)
    return paths


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
    monkeypatch.setattr(figures, "_save", lambda figure, *_: figure.draw_without_rendering() or figure)


@pytest.fixture(scope="module")
def scores():
    return make_scores()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def drawn(folder, scores, coarse):
    """Every figure, drawn once, by name; the files are <name>.pdf and <name>.png in `folder`."""
    histories = make_histories(folder)
    published = read_tidy(RESOURCES / "published_runtimes.csv")
    patches = {name: make_patches(folder / f"{name}.npz") for name in STUDY["datasets"]}
    sections = {
        (f"{name}-100", name): make_sections(folder / f"{name}-100.npz", pixel=pixel)
        for name, pixel in (("planaria", 0.4), ("tribolium", np.nan))
    }
    calls = {
        "patches": (figures.fig_patches, patches, STUDY),
        "restoration": (figures.fig_restoration, sections, STUDY),
        "generalization": (figures.fig_generalization, scores, STUDY),
        "sweep": (figures.fig_sweep, scores, ONE_CONDITION, "batch"),
        "learning_curves": (figures.fig_learning_curves, histories, STUDY),
        "runtimes": (figures.fig_runtimes, histories, STUDY, published),
    }
    return {name: draw(*given, *files(folder, name)) for name, (draw, *given) in calls.items()}


def files(folder, name):
    return folder / f"{name}.pdf", folder / f"{name}.png"


def texts(figure):
    """Every text that shows."""
    hidden = {id(label) for ax in figure.axes for label in hidden_ticks(ax)}
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
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


@pytest.mark.parametrize("name", NAMES)
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
    figure = drawn[name]
    figure.draw_without_rendering()
    renderer = FigureCanvasAgg(figure).get_renderer()
    shown = [(text.get_text(), inked(text, renderer)) for text in texts(figure)]
    page = figure.bbox
    for text, box in shown:
        inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert inside, f"{text!r} leaves the page"
    for (one, first), (other, second) in itertools.combinations(shown, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), f"{one!r} overlaps {other!r}"


@pytest.mark.parametrize("name", PLOTS)
def test_axes_have_labels_with_units(drawn, name):
    figure = drawn[name]
    labels = {label for ax in panels(figure) for label in (ax.get_xlabel(), ax.get_ylabel()) if label}
    plain = {"condition (cleanest to noisiest)"}
    assert labels
    assert all("(" in label for label in labels - plain), labels
    for ax in panels(figure):
        column = [each for each in panels(figure) if each.get_position().x0 == ax.get_position().x0]
        assert any(each.get_xlabel() for each in column)


@pytest.mark.parametrize("name", ["generalization", "sweep"])
def test_error_bars_are_named_with_their_number(drawn, name):
    assert "mean ± SD over test volumes (3 of planaria (simulated)" in printed(drawn[name])


def marked(ax):
    """Colours of the markers on an axis, by their place."""
    return {
        (float(x), float(y)): to_hex(line.get_color()).upper()
        for line in ax.lines
        for x, y in zip(np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True)
        if line.get_marker() not in ("", "None", None, "_", "|")
    }


def test_a_model_has_one_colour_in_every_figure(drawn, scores):
    colours = figures.palette(STUDY)
    for name in ("generalization", "sweep", "learning_curves"):
        (legend,) = drawn[name].legends
        handles = zip(legend.get_texts(), legend.legend_handles, strict=True)
        found = {text.get_text().split(":")[0]: to_hex(handle.get_color()).upper() for text, handle in handles}
        models = [model for model in STUDY["models"] if model in found]
        assert len(models) > 1
        assert all(found[model] == colours[model] for model in models)
    hours = drawn["runtimes"].axes[0]
    rows = [label.get_text() for label in hours.get_yticklabels()]
    assert all(colour == colours[rows[int(y)]] for (_, y), colour in marked(hours).items() if rows[int(y)] in colours)
    summary = summarise(scores)
    keys = {"metric": "nrmse", "protocol": "paper", "tested_on": "planaria", "condition": "1"}
    part = summary.loc[(summary[list(keys)] == pd.Series(keys)).all(axis=1) & (summary["model"] != "")]
    means = part.set_index("model")["mean"]
    sweep = {round(y, 9): colour for (_, y), colour in marked(drawn["sweep"].axes[0]).items()}
    for model in STUDY["studies"]["batch"]["models"]:
        assert sweep[round(means[model], 9)] == colours[model]


def test_colours_of_models_differ_and_do_not_depend_on_the_figure():
    study = {"models": {name: {} for name in ("mine", "planaria", "yours", "theirs", "planaria-100")}}
    colours = figures.palette(study)
    assert len({colours[model] for model in study["models"]}) == 5
    assert colours["planaria"] == figures.palette(STUDY)["planaria"] == "#0072B2"
    assert {"input", "nlm"} <= set(colours)


@pytest.mark.parametrize("name", ["generalization", "sweep"])
def test_a_panel_shows_one_protocol(drawn, scores, name):
    summary = summarise(scores)
    of_protocol = {p: {round(m, 9) for m in rows["mean"]} for p, rows in summary.groupby("protocol")}
    for ax in panels(drawn[name]):
        values = {round(y, 9) for _, y in marked(ax)}
        assert values
        assert sum(values <= means for means in of_protocol.values()) == 1
    shown = printed(drawn[name])
    assert "Protocol of the CARE paper" in shown
    assert "Protocol of the 2019 study" in shown


def test_conditions_run_from_best_to_worst(drawn):
    foot = [[label.get_text() for label in ax.get_xticklabels()] for ax in drawn["generalization"].axes[-2:]]
    assert foot == [["1", "2"], ["2", "1"]]


def test_a_sweep_shows_the_actual_values_and_its_confounding(drawn):
    ax = drawn["sweep"].axes[-1]
    assert ax.get_xscale() == "log"
    assert ax.get_xticks().tolist() == [2, 4, 16]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "4", "16"]
    assert "saw 768 to 6,144 patches in training" in printed(drawn["sweep"])
    assert len(panels(drawn["sweep"])) == 4  # protocols and metrics; tribolium has but one of its models


def test_a_matched_sweep_says_so_and_a_narrow_one_is_linear(unsaved, scores, tmp_path):
    study = {**STUDY, "models": {name: dict(values) for name, values in STUDY["models"].items()}}
    study["models"]["planaria-steps25"] |= {"steps_per_epoch": 48, "epochs": 8}
    paper = scores[scores["protocol"] == "paper"]
    figure = figures.fig_sweep(paper, study, "steps", *files(tmp_path, "s"))
    assert "Every model saw 1,536 patches in training" in printed(figure)
    assert len(panels(figure)) == 4  # metrics and conditions
    assert figure.axes[0].get_xscale() == "linear"
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["48", "64"]


def test_a_sweep_without_scores_is_refused(scores, tmp_path):
    with pytest.raises(ValueError, match="studies.batch: no scores"):
        figures.fig_sweep(scores[scores["output"] == "input"], STUDY, "batch", *files(tmp_path, "s"))


def test_the_same_data_give_the_same_bytes(drawn, folder, tmp_path):
    histories = {model: folder / f"{model}.csv" for model in STUDY["models"]}
    figures.fig_learning_curves(histories, STUDY, *files(tmp_path, "learning_curves"))
    for again, first in zip(files(tmp_path, "learning_curves"), files(folder, "learning_curves"), strict=True):
        assert again.read_bytes() == first.read_bytes()


def test_one_dataset_one_condition_one_model_and_several_runs(unsaved, tmp_path):
    study = {
        "datasets": {"fish": {"conditions": ["low"]}},
        "models": {"fish": {**BASE, "trained_on": "fish", "epochs": 1}},
        "studies": {"generalization": {"models": ["fish"]}},
    }
    scores = make_scores(study, seeds=("0", "1"), nlm=False)
    figure = figures.fig_generalization(scores, study, *files(tmp_path, "g"))
    assert len(panels(figure)) == 4
    assert "2 training runs a model, averaged first" in printed(figure)
    histories = make_histories(tmp_path, study)
    figures.fig_learning_curves(histories, study, *files(tmp_path, "l"))
    nothing = read_tidy(RESOURCES / "published_runtimes.csv").iloc[:0]
    assert len(figures.fig_runtimes(histories, study, nothing, *files(tmp_path, "r")).axes) == 1
    sections = make_sections(tmp_path / "s.npz", ("low",), nlm=False)
    figures.fig_restoration({("fish", "fish"): sections}, study, *files(tmp_path, "s"))
    figure = figures.fig_patches({"fish": make_patches(tmp_path / "p.npz", (1, 8, 8))}, study, *files(tmp_path, "p"))
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
    figures.fig_patches({"planaria": make_patches(tmp_path / "p.npz")}, STUDY, *files(tmp_path, "p"))
    with Image.open(tmp_path / "p.png") as image:
        assert image.width >= 180 / 25.4 * 200
        assert min(image.info["dpi"]) >= 200
