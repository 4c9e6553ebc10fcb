"""Figures of the study, each as PDF and as PNG, drawn from tables and small example images.

Formats read here, beside those of `statistics`:

- example patches of a dataset, npz: `train_X`, `train_Y`, `validation_X`, `validation_Y`, each
  (n, Z, Y, X) or (n, Y, X), X the input and Y the target.
- example sections of a model on a dataset, npz: `input`, `restored`, `truth` and, where there are
  any, baselines by their names (`nlm`), each (conditions, Y, X); `conditions`, their names;
  `pixel_size_um`, nan if unknown.

Every figure is 180 mm wide and carries the study's note. A model has one colour in all of them, and
so have its runs, its ensemble (open markers) and the model of the second arm that matches it
(diamonds, dash-dotted lines). The same data give the same bytes.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import patheffects, style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from denoising.evaluation.statistics import (
    LABELS,
    OURS,
    PaperPoint,
    RuntimeLine,
    calibration_means,
    compared_models,
    explanation_means,
    group_line,
    implied_for_paper,
    line_groups,
    our_runtimes,
    published_runtimes,
    references,
    settings_of,
    summarise,
    with_ensembles,
)

Study = Mapping[str, Any]
PathLike = str | Path

MM = 1 / 25.4
WIDTH = 180.0
SMALL = 6.0
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.4,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
}

# Okabe and Ito's colours, then Tol's muted ones: distinct with any colour vision. References are grey, brown and black.
COLOURS = {
    "input": "#7F7F7F",
    "gaussian": "#B8977E",
    "median": "#8F6B4F",
    "tv": "#5E4030",
    "wavelet": "#3B4A57",
    "nlm": "#000000",
    "planaria": "#0072B2",
    "planaria-100": "#56B4E9",
    "tribolium": "#D55E00",
    "tribolium-100": "#E69F00",
    "planaria-batch8": "#009E73",
    "planaria-batch32": "#CC79A7",
    "planaria-batch64": "#882255",
    "planaria-steps25": "#999933",
    "planaria-steps100": "#332288",
    "tribolium-steps25": "#661100",
}
SPARE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288")
SPARE_COLOURS += ("#999933", "#882255", "#44AA99", "#AA4499", "#117733", "#661100", "#6699CC")
MARKERS = {"o": "circles", "s": "squares", "^": "triangles", "P": "crosses"}
MATCHED_MARKER, MATCHED_LINE = "d", (0, (5, 1.5, 1, 1.5))
REFERENCE_MARKERS = {
    "input": "x",
    "gaussian": "v",
    "median": ">",
    "tv": "<",
    "wavelet": "*",
    "nlm": "+",
}
INPUT_LINE, BASELINE_LINE, BASELINE_BAND = (0, (4, 2)), (0, (1, 1.5)), "0.88"

PROTOCOLS = {"paper": "Protocol of the CARE paper", "study2019": "Protocol of the 2019 study"}
METRICS = {"nrmse": "NRMSE\n(fraction of range)", "ssim": "SSIM\n(1: equal images)"}
METRIC_NOTE = (
    "NRMSE: in fractions of the truth's range from its 0.1 to its 99.9 percentile, log scale. "
    "SSIM: data range 1 (CARE paper), 2 (2019 study)."
)
VARIED = {
    "batch_size": "batch size (patches)",
    "steps_per_epoch": "steps per epoch (batches)",
    "epochs": "epochs (passes of all steps)",
    "learning_rate": "learning rate at the start (per step)",
    "width": "width (features)",
}
LENGTH = (
    "epochs",
    "steps_per_epoch",
    "batch_size",
)  # how long a training is: their product is the patches it sees
LOSSES = {
    "laplace": "Laplace negative log-likelihood (nats per voxel)",
    "mae": "mean absolute error (fraction of range)",
    "mse": "mean squared error (squared fraction of range)",
}
CALIBRATION = {  # what lies along both axes
    "coverage": ("nominal coverage (share)", "observed coverage\n(share of voxels)"),
    "scale": ("predicted scale (fraction of range)", "mean absolute error\n(fraction of range)"),
}
CALIBRATION_NOTE = (
    "Coverage: share of voxels whose error lies within the interval of the predicted Laplace law. Scale: voxels in ten "
    "equally filled bins of the predicted scale, which should be their mean absolute error; in fractions of the "
    "truth's range from its 0.1 to its 99.9 percentile. Dashed: perfect calibration. Networks below it in coverage, or "
    "above it in scale, are too sure of themselves."
)
MOST_TICKS = 6  # along an axis
LINEAR_TO = 0.01  # changes of a score beyond this are on a log scale
CONTRAST = (1.0, 99.8)
INSET, ZOOM = 0.4, 2.5
SOURCES = {
    OURS: {"marker": "o", "label": "ours"},
    "2019 study": {"marker": "o", "fillstyle": "none", "label": "2019 study"},
    "CARE paper": {"marker": "D", "fillstyle": "none", "label": "CARE paper"},
}


class Panel(NamedTuple):
    """What one panel of scores shows; no condition stands for all of them."""

    protocol: str
    metric: str
    dataset: str
    condition: str = ""


def palette(study: Study) -> dict[str, str]:
    """The colour of every model, ensemble and reference, by name; the same in every figure of a study."""
    matches = matched_models(study)
    models = [model for model in study["models"] if model not in matches]
    used = {COLOURS[model] for model in models if model in COLOURS}
    spare = itertools.cycle(
        [colour for colour in SPARE_COLOURS if colour not in used] or SPARE_COLOURS
    )
    colours = COLOURS | {model: next(spare) for model in models if model not in COLOURS}
    colours |= {model: colours[matched] for model, matched in matches.items()}
    return colours | {ensemble: colours[model] for ensemble, model in study["ensembles"].items()}


def markers(study: Study) -> dict[str, str]:
    """The marker of every model, ensemble and reference: a shape for each dataset trained on, and one for matched."""
    shapes = dict(zip(study["datasets"], itertools.cycle(MARKERS)))
    found = REFERENCE_MARKERS | {
        name: shapes[values["trained_on"]] for name, values in study["models"].items()
    }
    found |= dict.fromkeys(matched_models(study), MATCHED_MARKER)
    return found | {ensemble: found[model] for ensemble, model in study["ensembles"].items()}


def matched_models(study: Study) -> dict[str, str]:
    """The models of the sweeps' second arms, where the number of patches seen is held, with those that they match."""
    sweeps = [each for each in study["studies"].values() if each["matched"]]
    pairs = [pair for each in sweeps for pair in zip(each["matched"], each["models"], strict=True)]
    return {matched: model for matched, model in pairs if matched != model}


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw and save in this module's style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def styled(*args: Any, **kwargs: Any) -> Figure:
        with style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return styled


@_styled
def fig_patches(
    examples: Mapping[str, PathLike], study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Example patches of training and validation, inputs over targets.

    Parameters
    ----------
    examples : mapping
        Dataset to the npz of its example patches (see the module).
    study : mapping
        The resolved study: `datasets` (labels) and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    blocks = {dataset: _patch_rows(path) for dataset, path in examples.items()}
    count = max(len(images) for rows in blocks.values() for images in rows.values())
    left, gap, head = 20.0, 1.0, 6.0
    side = min((WIDTH - left - 2 - gap * (count - 1)) / count, 24.0)
    heights = [head + sum(side * _aspect(r) + gap for r in b.values()) + 3 for b in blocks.values()]
    lines = ["Patches as the network gets them: for 3D patches the middle plane.", _contrast_note()]
    figure = _page(sum(heights), [*lines, study.get("note", "")], layout=None)
    top = 0.0
    for (dataset, rows), height in zip(blocks.items(), heights, strict=True):
        _text_at(figure, left, top + head - 2, _label(study, dataset), weight="bold")
        y = top + head
        for i, (name, images) in enumerate(rows.items()):
            tall = side * _aspect(images)
            _text_at(figure, left - 1.5, y + tall / 2, name, ha="right", va="center")
            for j, image in enumerate(images):
                _show(_axes_at(figure, left + j * (side + gap), y, side, tall), image)
            y += tall + gap + (2.0 if i == 1 else 0.0)
        top += height
    return _save(figure, pdf_path, png_path)


@_styled
def fig_restoration(
    examples: Mapping[tuple[str, str], PathLike],
    study: Study,
    pdf_path: PathLike,
    png_path: PathLike,
) -> Figure:
    """One test section a dataset: conditions down; input, restorations and target across.

    Parameters
    ----------
    examples : mapping
        (run, dataset) to the npz of its example sections (see the module). Runs of one dataset stand
        side by side, and must show the same section.
    study, pdf_path, png_path
        As in `fig_patches`.

    Returns
    -------
    Figure
        As saved.

    Raises
    ------
    ValueError
        If the sections of one dataset differ in conditions or shape.
    """
    datasets = dict.fromkeys(dataset for _, dataset in examples)
    blocks = {dataset: _section_columns(examples, dataset, study) for dataset in datasets}
    left, gap, head = 6.0, 1.2, 11.0
    sizes = {
        d: _panel_size(block, left, gap, 218.0, head, len(blocks)) for d, block in blocks.items()
    }
    heights = {d: head + len(b.names) * (sizes[d][1] + gap) for d, b in blocks.items()}
    inset = any(_busiest(block.columns["target"]) for block in blocks.values())
    lines = [
        _contrast_note()
        + (" Insets, enlarged from the small frames, as their panels." if inset else "")
    ]
    figure = _page(sum(heights.values()), [*lines, study.get("note", "")], layout=None)
    top = 0.0
    for dataset, block in blocks.items():
        used = len(block.columns) * (sizes[dataset][0] + gap) - gap
        start = left + max(0.0, (WIDTH - left - 2 - used) / 2)
        _text_at(figure, start, top + 4, _label(study, dataset), weight="bold")
        _draw_block(figure, block, (start, top + head), sizes[dataset], gap)
        top += heights[dataset]
    return _save(figure, pdf_path, png_path)


@_styled
def fig_generalization(
    scores: pd.DataFrame, study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Each model on each test set: NRMSE and SSIM by condition, a row a protocol and metric.

    Parameters
    ----------
    scores : DataFrame
        The tidy scores (see `statistics`). The models are those of `statistics.compared_models`, with
        their ensembles.
    study : mapping
        The resolved study: `datasets`, `models`, `ensembles`, `baselines`, `studies` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    models = with_ensembles(compared_models(scores, study), study)
    summary = _keyed(summarise(scores), models, study)
    datasets = [name for name in study["datasets"] if name in set(summary["tested_on"])]
    grid = _grid(summary, [[Panel("", "", dataset) for dataset in datasets]])
    keys = [key for key in (*references(study), *models) if key in set(summary["key"])]
    lines = [_error_bars(summary, study), _marker_note(keys, study) + " " + METRIC_NOTE]
    figure = _page(30.0 * len(grid) + 18, [*lines, study.get("note", "")])
    axes = figure.subplots(len(grid), len(grid[0]), squeeze=False)
    for row, places in zip(grid, axes, strict=True):
        for panel, ax in zip(row, places, strict=True):
            conditions = study["datasets"][panel.dataset]["conditions"]
            _draw_conditions(ax, _of(summary, panel), keys, conditions, study)
    _scale_rows(axes, grid, summary)
    _title_panels(axes, grid, lambda panel: f"tested on {_label(study, panel.dataset)}")
    several = any(len(study["datasets"][dataset]["conditions"]) > 1 for dataset in datasets)
    _label_feet(axes, grid, "condition (cleanest to noisiest)" if several else "condition")
    handles = [_series_handle(key, study) for key in keys if key not in study["ensembles"]]
    _legend(figure, handles + _ensemble_handles(keys, study))
    return _save(figure, pdf_path, png_path)


@_styled
def fig_sweep(
    scores: pd.DataFrame, study: Study, name: str, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Scores against the value that the study `name` varies, by condition.

    A second arm, in which the number of patches seen is held, stands beside the study's own.

    Parameters
    ----------
    scores, study, pdf_path, png_path
        As in `fig_generalization`.
    name : str
        A key of `study["studies"]` with `varies`, a number in each of its `models` and `matched`.

    Returns
    -------
    Figure
        As saved.

    Raises
    ------
    ValueError
        If there are no scores of its models.
    """
    sweep = study["studies"][name]
    varies, arms = sweep["varies"], [arm for arm in (sweep["models"], sweep["matched"]) if arm]
    models = with_ensembles(dict.fromkeys(itertools.chain(*arms)), study)
    summary = _keyed(summarise(scores), models, study)
    datasets = _swept(summary, study)
    if not datasets:
        raise ValueError(f"studies.{name}: no scores of its models {models}; evaluate them first")
    summary = summary[summary["tested_on"].isin(datasets)]
    conditions = {dataset: study["datasets"][dataset]["conditions"] for dataset in datasets}
    grid = _grid(
        summary,
        [[Panel("", "", dataset, each) for each in conditions[dataset]] for dataset in datasets],
    )
    order = (
        " Markers of one value stand side by side." if len(models) > len(sweep["models"]) else ""
    )
    order += (
        " Columns: conditions, the cleanest on the left."
        if max(map(len, conditions.values())) > 1
        else ""
    )
    order += _band_note(set(summary["key"]), study)
    lines = [_error_bars(summary, study) + order, *_arm_notes(sweep, study), METRIC_NOTE]
    figure = _page(30.0 * len(grid) + 18, [*lines, study.get("note", "")])
    axes = figure.subplots(len(grid), max(len(row) for row in grid), squeeze=False)
    for row, places in zip(grid, axes, strict=True):
        for panel, ax in zip(row, places, strict=False):
            _draw_sweep(ax, _of(summary, panel), arms, varies, study)
    _scale_rows(axes, grid, summary)
    _title_panels(
        axes, grid, lambda panel: f"{_label(study, panel.dataset)}, condition {panel.condition}"
    )
    _label_feet(axes, grid, VARIED.get(varies, varies.replace("_", " ")))
    handles = _reference_handles(set(summary["key"]), study)
    handles += [_series_handle(key, study, varies) for key in sweep["models"]]
    _legend(figure, handles + _arm_handles(sweep, study) + _ensemble_handles(models, study))
    return _save(figure, pdf_path, png_path)


@_styled
def fig_learning_curves(
    histories: Mapping[str, PathLike], study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Training loss, validation loss and learning rate against the patches seen, which compare all runs.

    A row a dataset trained on, for the models of the studies that vary nothing, and a row a sweep.

    Parameters
    ----------
    histories : mapping
        Run to the path of its `history.csv` (epoch, samples_seen, loss, val_loss, learning_rate).
    study : mapping
        The resolved study: `datasets`, `models`, `runs`, `studies` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    runs: dict[str, list[pd.DataFrame]] = {}
    for run, path in histories.items():
        runs.setdefault(study["runs"][run]["model"], []).append(pd.read_csv(path))
    models = [model for model in study["models"] if model in runs]
    rows = _curve_rows(models, study)
    losses = {study["models"][model]["loss"] for model in models}
    loss = LOSSES.get(losses.pop(), "loss") if len(losses) == 1 else "loss"
    unit = "\n(nats per voxel)" if "nats" in loss else ""
    curves = {"loss": f"training loss{unit}", "val_loss": f"validation loss{unit}"}
    curves["learning_rate"] = "learning rate\n(per step)"
    shown = {
        title: [run for model in members for run in runs[model]] for title, members in rows.items()
    }
    line = f"Loss: {loss}; training averaged over an epoch, validation after it."
    line += (
        " The first epochs lie above the frame."
        if any(_loss_limits(each)[2] for each in shown.values())
        else ""
    )
    line += " Patches seen: repeats counted. Markers: the last epoch."
    line += (
        " A line a training: those of a model differ in their seed."
        if len(histories) > len(models)
        else ""
    )
    figure = _page(42.0 * len(rows) + 18, [line, study.get("note", "")])
    axes = figure.subplots(len(rows), len(curves), squeeze=False, sharex=True)
    for (title, members), row in zip(rows.items(), axes, strict=True):
        for (column, name), ax in zip(curves.items(), row, strict=True):
            for model in members:
                _draw_curves(ax, runs[model], column, model, study)
            ax.set_ylabel(name)
        row[0].set_title(title, loc="left", weight="bold")
        _scale_curves(row, shown[title])
    for ax in axes[-1]:
        ax.set_xlabel("patches seen (log scale)")
    _scale_samples(axes[0, 0], list(itertools.chain(*shown.values())))
    _legend(figure, [_curve_handle(model, study) for model in models])
    return _save(figure, pdf_path, png_path)


@_styled
def fig_runtimes(
    histories: Mapping[str, PathLike],
    study: Study,
    published: pd.DataFrame,
    pdf_path: PathLike,
    png_path: PathLike,
) -> Figure:
    """Training time of every run, and time of an epoch against steps with its line.

    Parameters
    ----------
    histories : mapping
        Run to the path of its `history.csv` (see `statistics`).
    study : mapping
        The resolved study: `models`, `runs`, `studies` and `note` are read.
    published : DataFrame
        `resources/published_runtimes.csv`, as `statistics.read_tidy` gives it.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    theirs, ours = published_runtimes(published), our_runtimes(histories, study)
    groups = [line_groups(theirs), line_groups(ours)]
    line = (
        "Lines: least squares through runs alike in all but steps per epoch. "
        if any(groups)
        else ""
    )
    line += (
        "Diamonds: where the published lines reach the CARE paper's hours. " if groups[0] else ""
    )
    line += "Ours: median time of an epoch, a point a training. " if groups[1] else ""
    line += "Ours and the published ones are of different machines." if len(theirs) else ""
    rows = {*ours["model"], *theirs["model"]}
    figure = _page(
        max(104.0 if any(groups) else 40.0, 26 + 5.2 * len(rows)), [line, study.get("note", "")]
    )
    right = [i for i, found in enumerate(groups) if found]
    mosaic = [["hours", f"line{i}"] for i in right] or [["hours"]]
    axes = figure.subplot_mosaic(mosaic)
    _draw_hours(axes["hours"], pd.concat([theirs, ours]), study)
    titles = ("Time of an epoch, published", "Time of an epoch, ours")
    for i in right:
        _draw_lines(axes[f"line{i}"], groups[i], published, study)
        axes[f"line{i}"].set_title(titles[i], loc="left", weight="bold")
    _legend(figure, _source_handles([*ours["source"], *theirs["source"]]))
    return _save(figure, pdf_path, png_path)


@_styled
def fig_calibration(
    calibration: pd.DataFrame, study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Whether networks know their error: observed against nominal coverage, and error against predicted scale.

    Two rows a test set, a column a condition.

    Parameters
    ----------
    calibration : DataFrame
        As `statistics.read_calibration` gives it. The models are those of `statistics.compared_models`,
        or all where these have no calibration.
    study : mapping
        The resolved study: `datasets`, `models`, `studies`, `ensembles` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    compared = compared_models(calibration, study)
    models = compared or [model for model in study["models"] if model in set(calibration["model"])]
    means = calibration_means(calibration[calibration["model"].isin(models)])
    datasets = [name for name in study["datasets"] if name in set(means["tested_on"])]
    rows = [(dataset, kind) for dataset in datasets for kind in CALIBRATION]
    columns = max(len(study["datasets"][dataset]["conditions"]) for dataset in datasets)
    averaged = ", the trainings of a model averaged" if study["ensembles"] else ""
    lines = [
        f"Lines and bands: mean and its 95 % bootstrap interval over test volumes ({_volumes(means, study)}){averaged}."
    ]
    lines += [CALIBRATION_NOTE, study.get("note", "")]
    figure = _page(38.0 * len(rows) + 18, lines)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (dataset, kind), places in zip(rows, axes, strict=True):
        shown = means[(means["tested_on"] == dataset) & (means["kind"] == kind)]
        conditions = study["datasets"][dataset]["conditions"]
        for condition, ax in zip(conditions, places, strict=False):
            _draw_calibration(ax, shown[shown["condition"] == condition], models, study)
            _scale_calibration(ax, shown, kind)
            if kind == "coverage":
                ax.set_title(f"{_label(study, dataset)}, condition {condition}")
        places[0].set_ylabel(CALIBRATION[kind][1])
        for ax in places[len(conditions) :]:
            ax.set_axis_off()
    for column in axes.T:
        figure.align_ylabels(column)
    _legend(figure, [_curve_handle(model, study) for model in models])
    return _save(figure, pdf_path, png_path)


@_styled
def fig_explanation(
    explanation: pd.DataFrame, study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """From the 2019 study's numbers to the CARE paper's, one change a step: a row a test set, a column a metric.

    Parameters
    ----------
    explanation : DataFrame
        `results/explanation.csv`, as `statistics.read_tidy` gives it.
    study : mapping
        The resolved study: `datasets`, `models`, `studies`, `ensembles` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    means = explanation_means(explanation)
    datasets = [name for name in study["datasets"] if name in set(means["tested_on"])]
    steps = [means.loc[means["tested_on"] == dataset, "step"].nunique() for dataset in datasets]
    lines = [
        "Markers and error bars: mean, or mean change from the step above over the same volumes, and its 95 %"
    ]
    lines[0] += (
        f" bootstrap interval over test volumes ({_volumes(means, study)}), for the one training shown."
    )
    lines[0] += (
        " Every step keeps the changes of those above it; no marker of a change: it changes nothing."
    )
    lines[0] += (
        " Conditions: the cleanest solid and highest of its step, the noisiest dotted and lowest."
    )
    lines[0] += (
        " NRMSE: in fractions of the range, from the 0.1 to the 99.9 percentile, of what is taken for truth; log scale."
    )
    figure = _page(sum(8.0 * count + 11 for count in steps) + 14, [*lines, study.get("note", "")])
    axes = figure.subplots(
        len(datasets), 2 * len(METRICS), squeeze=False, height_ratios=[count + 1 for count in steps]
    )
    changes = means.assign(
        mean=means["change"].replace(0, np.nan), low=means["change_low"], high=means["change_high"]
    )
    for dataset, places in zip(datasets, axes, strict=True):
        conditions = study["datasets"][dataset]["conditions"]
        for (metric, drawn), ax in zip(
            itertools.product(METRICS, (means, changes)), places, strict=True
        ):
            every, joined = drawn[drawn["metric"] == metric], drawn is means
            _draw_steps(ax, every[every["tested_on"] == dataset], conditions, study, joined)
            _scale_values_across(
                ax, every, "symlog" if not joined else "log" if metric == "nrmse" else "linear"
            )
        places[0].set_title(_label(study, dataset), loc="left", weight="bold")
        for ax in places[1:]:
            ax.tick_params(labelleft=False)
    for metric, (ax, beside) in zip(METRICS, axes[-1].reshape(-1, 2), strict=True):
        ax.set_xlabel(METRICS[metric])
        beside.set_xlabel(f"change of {metric.upper()}\n(linear to ±{LINEAR_TO:g}, log beyond)")
    used = [model for model in study["models"] if model in set(means["model"])]
    handles = [_step_handle(key, study) for key in ("input", *used)]
    _legend(figure, handles)
    return _save(figure, pdf_path, png_path)


def _label(study: Study, dataset: str) -> str:
    return str(study["datasets"].get(dataset, {}).get("label") or dataset)


# Pages, text and files


def _page(height: float, lines: Iterable[str], layout: str | None = "constrained") -> Figure:
    """A page with `height` mm for panels over `lines` of small print."""
    text = "\n".join(_wrapped(line) for line in lines if line)
    foot = 2.5 + (text.count("\n") + 1) * SMALL * 1.25 / 72 / MM
    total = height + foot
    figure = Figure(figsize=(WIDTH * MM, total * MM), layout=layout)
    if layout == "constrained":
        rect = (0.004, foot / total, 0.992, height / total - 0.004)
        figure.get_layout_engine().set(rect=rect, h_pad=1.2 * MM, w_pad=1.0 * MM)
    x, y = 1.5 / WIDTH, 1.0 / total
    figure.text(x, y, text, fontsize=SMALL, color="0.3", va="bottom", linespacing=1.25)
    return figure


def _wrapped(text: str) -> str:
    """Small print in lines that fit the page."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        wide = _text_width(longer, SMALL) > (WIDTH - 4) * MM * 72
        lines = [*lines, word] if wide and lines[-1] else [*lines[:-1], longer]
    return "\n".join(lines)


def _text_width(text: str, size: float) -> float:
    """Width of a line of text in points."""
    font = FontProperties(family=STYLE["font.family"], size=size)
    return text_to_path.get_text_width_height_descent(text, font, False)[0]


def _axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at `x`, `y` mm from the page's upper left corner."""
    total = figure.get_figheight() / MM
    return figure.add_axes((x / WIDTH, 1 - (y + height) / total, width / WIDTH, height / total))


def _text_at(figure: Figure, x: float, y: float, text: str, **kwargs: Any) -> None:
    """Text at `x`, `y` mm from the page's upper left corner."""
    figure.text(x / WIDTH, 1 - y / (figure.get_figheight() / MM), text, **kwargs)


def _legend(figure: Figure, handles: list[Line2D | Patch]) -> None:
    """A legend above the panels, in as many columns as fit the page, five at most."""
    size = STYLE["legend.fontsize"]
    around = size * (STYLE["legend.handlelength"] + STYLE["legend.columnspacing"] + 1)
    widest = max(_text_width(handle.get_label(), size) for handle in handles) + around
    fit = max(1, min(5, int((WIDTH - 4) * MM * 72 / widest)))
    rows = math.ceil(len(handles) / fit)
    figure.legend(handles=handles, loc="outside upper center", ncols=math.ceil(len(handles) / rows))


def _save(figure: Figure, pdf_path: PathLike, png_path: PathLike) -> Figure:
    """Write both files whole, without a date."""
    metadata = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
    for kind, path in (("pdf", Path(pdf_path)), ("png", Path(png_path))):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        figure.savefig(partial, format=kind, metadata=metadata[kind])
        partial.replace(path)
        figure.set_layout_engine("none")  # laid out once, so that both files are alike
    return figure


# Ticks


def _plain(value: float) -> str:
    return f"{value:g}"


def _few_ticks(
    axis: Axis, wanted: Iterable[Sequence[float]] = (), name: Callable[[float], str] = _plain
) -> None:
    """Ticks whose labels never overlap: the first of the sets `wanted` that has room, else a few round numbers."""
    axis.set_major_locator(_RoomyLocator(wanted, name))
    axis.set_major_formatter(FuncFormatter(lambda value, _: name(value)))
    axis.set_minor_locator(NullLocator())


class _RoomyLocator(Locator):
    """The ticks of `_few_ticks`, chosen as late as drawing, when the length of the axis is known."""

    def __init__(self, wanted: Iterable[Sequence[float]], name: Callable[[float], str]) -> None:
        self.wanted, self.name = list(wanted), name

    def __call__(self) -> np.ndarray:
        return self.tick_values(*sorted(self.axis.get_view_interval()))

    def tick_values(self, low: float, high: float) -> np.ndarray:
        for ticks in self.wanted:
            if self._has_room(inside := _within(ticks, low, high)):
                return inside
        sets = [
            _within(ticks, low, high)
            for ticks in _round_numbers(low, high, self.axis.get_scale() == "log")
        ]
        roomy = [ticks for ticks in sets if len(ticks) <= MOST_TICKS and self._has_room(ticks)]
        return max(roomy, key=len, default=np.array([]))

    def _has_room(self, ticks: Sequence[float]) -> bool:
        """Whether the labels of rising `ticks` differ and stand clear of each other."""
        across, box, size = (
            self.axis.axis_name == "x",
            self.axis.axes.bbox,
            STYLE["xtick.labelsize"],
        )
        length = (box.width if across else box.height) * 72 / self.axis.get_figure(root=True).dpi
        names = list(map(self.name, ticks))
        sizes = np.array([_text_width(name, size) if across else size for name in names])
        first, last, *places = self.axis.get_transform().transform(
            [*self.axis.get_view_interval(), *ticks]
        )
        apart = np.abs(np.diff(places) / (last - first)) * length
        return len(set(names)) == len(names) and bool(
            (apart > (sizes[1:] + sizes[:-1]) / 2 + size / 2).all()
        )


def _within(ticks: Iterable[float], low: float, high: float) -> np.ndarray:
    return np.array([tick for tick in ticks if low <= tick <= high], float)


def _round_numbers(low: float, high: float, log: bool) -> Iterable[Sequence[float]]:
    """Sets of round numbers around `low` to `high`: on a log scale its own before evenly spaced ones."""
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        yield from (
            [digit * 10.0**power for power in powers for digit in digits]
            for digits in ((1, 2, 5), (1, 3))
        )
        yield from (
            [10.0**power for power in powers if power % step == 0] for step in range(1, len(powers))
        )
    yield from (
        MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high) for count in range(5, 0, -1)
    )


# Images


class _Block(NamedTuple):
    """The sections of one dataset: rows by condition, columns by what they show."""

    names: list[str]
    columns: dict[str, np.ndarray]
    pixel_size: float


def _contrast_note() -> str:
    low, high = CONTRAST
    return f"Grey scale of each panel from its own {low:g} to its own {high:g} percentile."


def _aspect(images: np.ndarray) -> float:
    return images.shape[-2] / images.shape[-1]


def _patch_rows(path: PathLike) -> dict[str, np.ndarray]:
    """Middle planes of the example patches in an npz, by row label."""
    with np.load(path) as archive:
        return {
            f"{label}\n{name}": _planes(archive[f"{part}_{array}"])
            for part, label in (("train", "training"), ("validation", "validation"))
            for array, name in (("X", "input"), ("Y", "target"))
        }


def _planes(patches: np.ndarray) -> np.ndarray:
    """(n, Z, Y, X) to the middle planes (n, Y, X); (n, Y, X) as it is."""
    return patches[:, patches.shape[1] // 2] if patches.ndim == 4 else patches


def _show(ax: Axes, image: np.ndarray) -> tuple[float, float]:
    """Draw an image in grey between its percentiles, which are returned."""
    low, high = (float(value) for value in np.percentile(image, CONTRAST))
    high = high if high > low else low + 1
    _grey(ax, image, (low, high), ax.get_position().width)
    ax.set_axis_off()
    return low, high


def _grey(ax: Axes, image: np.ndarray, limits: tuple[float, float], share: float) -> None:
    """An image on axes that span a `share` of the page: pixels as they are, or averaged if finer than print."""
    finer = image.shape[1] > share * WIDTH * MM * 300
    look = {
        "vmin": limits[0],
        "vmax": limits[1],
        "interpolation": "antialiased" if finer else "nearest",
    }
    ax.imshow(image, cmap="gray", aspect="auto", **look)


def _section_columns(
    examples: Mapping[tuple[str, str], PathLike], dataset: str, study: Study
) -> _Block:
    """The example sections of all models shown on one dataset."""
    columns: dict[str, np.ndarray] = {}
    first: _Block | None = None
    for (model, tested), path in examples.items():
        if tested != dataset:
            continue
        with np.load(path) as archive:
            names, order = _condition_order(archive["conditions"], dataset, study)
            for key, label in references(study).items():
                if key in archive and label not in columns:
                    columns[label] = archive[key][order]
            columns[model] = archive["restored"][order]
            target, pixel = archive["truth"][order], float(archive["pixel_size_um"])
        first = first or _Block(names, {}, pixel)
        if names != first.names or target.shape != columns[LABELS["input"]].shape:
            raise ValueError(
                f"{path}: sections of conditions {names} and shape {target.shape} differ from those "
                f"of another model on {dataset}; make all examples of a dataset alike"
            )
    shown = {name: columns.pop(name) for name in references(study).values() if name in columns}
    return _Block(first.names, {**shown, **columns, "target": target}, first.pixel_size)


def _condition_order(found: np.ndarray, dataset: str, study: Study) -> tuple[list[str], list[int]]:
    """Names of the conditions, best first, and where they are in `found`."""
    found = [str(name) for name in found]
    names = [name for name in study["datasets"][dataset]["conditions"] if name in found]
    names += [name for name in found if name not in names]
    return names, [found.index(name) for name in names]


def _panel_size(
    block: _Block, left: float, gap: float, page: float, head: float, blocks: int
) -> tuple[float, float]:
    """Width and height in mm of a block's panels, so that `blocks` like it fit a page."""
    width = (WIDTH - left - 2 - gap * (len(block.columns) - 1)) / len(block.columns)
    aspect = _aspect(next(iter(block.columns.values())))
    most = (page / blocks - head) / len(block.names) - gap
    height = min(width * aspect, most)
    return height / aspect, height


def _draw_block(
    figure: Figure,
    block: _Block,
    corner: tuple[float, float],
    size: tuple[float, float],
    gap: float,
) -> None:
    """Draw a block of sections with its upper left panel at `corner` (mm)."""
    frame = _busiest(block.columns["target"])
    quality = (
        {0: " (cleanest)", len(block.names) - 1: " (noisiest)"} if len(block.names) > 1 else {}
    )
    for j, (column, images) in enumerate(block.columns.items()):
        x = corner[0] + j * (size[0] + gap)
        plain = column in ("target", *LABELS.values())
        title = column if plain else f"restored by\n{column}"
        _text_at(figure, x + size[0] / 2, corner[1] - 1, title, ha="center", linespacing=1.1)
        for i, image in enumerate(images):
            ax = _axes_at(figure, x, corner[1] + i * (size[1] + gap), *size)
            limits = _show(ax, image)
            _draw_inset(ax, image, frame, limits)
            if i == 0 and j == 0:
                _draw_scale_bar(
                    ax, image.shape, block.pixel_size, left=frame is None or _on_left(image, frame)
                )
    for i, name in enumerate(block.names):
        y = corner[1] + i * (size[1] + gap) + size[1] / 2
        text = f"condition {name}{quality.get(i, '')}"
        _text_at(figure, corner[0] - 1, y, text, rotation=90, ha="right", va="center", fontsize=6.5)


def _busiest(images: np.ndarray) -> tuple[slice, slice] | None:
    """The window of the inset: where the target varies most; None where images are too small."""
    height, width = images.shape[-2:]
    tall, wide = (round(size * INSET / ZOOM) for size in (height, width))
    if min(tall, wide) < 8:
        return None
    image = images.mean(axis=0)
    step = max(1, min(tall, wide) // 4)
    corners = [
        (y, x)
        for y in range(tall // 2, height - tall - tall // 2 + 1, step)
        for x in range(wide // 2, width - wide - wide // 2 + 1, step)
    ]
    y, x = max(corners, key=lambda at: image[at[0] : at[0] + tall, at[1] : at[1] + wide].std())
    return slice(y, y + tall), slice(x, x + wide)


def _on_left(image: np.ndarray, frame: tuple[slice, slice]) -> bool:
    """Whether the frame is in the left half; the inset is in the other."""
    return (frame[1].start + frame[1].stop) / 2 < image.shape[1] / 2


def _draw_inset(
    ax: Axes, image: np.ndarray, frame: tuple[slice, slice] | None, limits: tuple[float, float]
) -> None:
    """Enlarge `frame` in the corner farthest from it."""
    if frame is None:
        return
    rows, columns = frame
    x = 1 - INSET if _on_left(image, frame) else 0.0
    y = 0.0 if (rows.start + rows.stop) / 2 < image.shape[0] / 2 else 1 - INSET
    inset = ax.inset_axes((x, y, INSET, INSET))
    _grey(inset, image[frame], limits, INSET * ax.get_position().width)
    inset.set(xticks=[], yticks=[])
    inset.grid(False)
    for spine in inset.spines.values():
        spine.set(visible=True, color=COLOURS["tribolium-100"], linewidth=0.8)
    box = {"fill": False, "edgecolor": COLOURS["tribolium-100"], "linewidth": 0.6}
    corner = (columns.start - 0.5, rows.start - 0.5)
    ax.add_patch(Rectangle(corner, columns.stop - columns.start, rows.stop - rows.start, **box))


def _draw_scale_bar(ax: Axes, shape: tuple[int, int], pixel_size: float, left: bool) -> None:
    """A bar of a round length, about a fifth of the panel, where the pixel size is known."""
    if not np.isfinite(pixel_size) or pixel_size <= 0:
        return
    height, width = shape
    room = width * pixel_size * 0.25
    power = 10.0 ** np.floor(np.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    start = 0.04 * width if left else 0.96 * width - length / pixel_size
    ends, y = (start, start + length / pixel_size), 0.95 * height
    edge = [patheffects.withStroke(linewidth=2.4, foreground="black")]
    ax.plot(ends, (y, y), color="white", linewidth=1.6, solid_capstyle="butt", path_effects=edge)
    # From the bar's outer end inwards: a short bar's label would otherwise leave the panel
    text = ax.text(
        ends[0 if left else 1], y - 0.02 * height, f"{length:g} µm", color="white", fontsize=6
    )
    text.set(ha="left" if left else "right", va="bottom", path_effects=edge)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


# Scores


def _keyed(summary: pd.DataFrame, models: Sequence[str], study: Study) -> pd.DataFrame:
    """The means of the references and of `models`, with `key`: the model, or the reference."""
    key = summary["model"].where(summary["output"] == "network", summary["output"])
    return summary.assign(key=key)[key.isin([*references(study), *models])]


def _of(summary: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """What `summary` holds for a panel."""
    for name, value in zip(("protocol", "metric", "tested_on", "condition"), panel, strict=True):
        if value:
            summary = summary[summary[name] == value]
    return summary


def _grid(summary: pd.DataFrame, rows: list[list[Panel]]) -> list[list[Panel]]:
    """Panels for every protocol and metric of each row of `rows`: protocols never share one.

    A row of one panel has the protocols side by side instead.
    """
    protocols = [name for name in PROTOCOLS if name in set(summary["protocol"])]
    metrics = [name for name in METRICS if name in set(summary["metric"])]
    if all(len(row) == 1 for row in rows):
        across = [(row, metric) for row in rows for metric in metrics]
        return [
            [row[0]._replace(protocol=each, metric=metric) for each in protocols]
            for row, metric in across
        ]
    down = [(row, each, metric) for row in rows for each in protocols for metric in metrics]
    return [
        [panel._replace(protocol=each, metric=metric) for panel in row]
        for row, each, metric in down
    ]


def _scale_rows(axes: np.ndarray, grid: list[list[Panel]], summary: pd.DataFrame) -> None:
    """Scale and label the y axes: panels of one protocol and metric in a row share their scale."""
    for column in axes.T:
        column[0].figure.align_ylabels(column)
    for row, places in zip(grid, axes, strict=True):
        for ax in places[len(row) :]:
            ax.set_axis_off()
        shared = not _across(row)
        for i, (panel, ax) in enumerate(zip(row, places, strict=False)):
            alike = _of(summary, panel._replace(condition="", dataset=""))
            wanted = {each.dataset for each in row} if shared else {panel.dataset}
            _scale(ax, panel.metric, alike[alike["tested_on"].isin(wanted)])
            first = i == 0 or not shared
            ax.set_ylabel(METRICS[panel.metric] if first else "")
            ax.tick_params(labelleft=first)


def _across(row: list[Panel]) -> bool:
    """Whether a row has the protocols side by side."""
    return row[0].protocol != row[-1].protocol


def _scale(ax: Axes, metric: str, shown: pd.DataFrame) -> None:
    """Scale the y axis of a metric to everything shown, error bars included."""
    spread = shown["sd_seeds"].fillna(0)
    low = np.fmin(shown["mean"] - spread, shown["low"]).min()
    high = np.fmax(shown["mean"] + spread, shown["high"]).max()
    if metric != "nrmse":
        margin = 0.08 * ((high - low) or 1)
        ax.set_ylim(low - margin, high + margin)
        _few_ticks(ax.yaxis)
        return
    low = max(low, 0.2 * shown["mean"].min())  # an interval can reach to 0 and beyond
    factor = max((high / low) ** 0.1, 1.02)
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(low / factor, high * factor)
    _few_ticks(ax.yaxis)


def _label_feet(axes: np.ndarray, grid: list[list[Panel]], label: str) -> None:
    """Tick labels under the last panel that shows one thing, and the axis' name under the lowest."""
    for i, row in enumerate(grid):
        below = grid[i + 1] if i + 1 < len(grid) else []
        for j, panel in enumerate(row):
            lowest = j >= len(below)
            last = lowest or panel._replace(metric="") != below[j]._replace(metric="")
            axes[i, j].tick_params(labelbottom=last)
            axes[i, j].set_xlabel(label if lowest else "")


def _title_panels(axes: np.ndarray, grid: list[list[Panel]], name: Callable[[Panel], str]) -> None:
    """Name each column where it changes what it shows, and the protocol in bold above it."""
    for i, row in enumerate(grid):
        for j, panel in enumerate(row):
            above = grid[i - 1][j] if i and j < len(grid[i - 1]) else None
            if above and panel._replace(metric="") == above._replace(metric=""):
                continue
            axes[i, j].set_title(name(panel))
            if j == 0 or _across(row):
                axes[i, j].set_title(PROTOCOLS[panel.protocol] + "\n", loc="left", weight="bold")


def _draw_conditions(
    ax: Axes, shown: pd.DataFrame, keys: Sequence[str], conditions: list[str], study: Study
) -> None:
    """One series a key over the conditions, side by side."""
    step = 0.7 / 2 if len(keys) < 3 else 0.84 / len(keys)
    for i, key in enumerate(keys):
        series = shown[shown["key"] == key].set_index("condition").reindex(conditions)
        x = np.arange(len(conditions)) + (i - (len(keys) - 1) / 2) * step
        _draw_means(ax, x, series, 3.2, _look(key, study))
    for edge in range(1, len(conditions)):
        ax.axvline(edge - 0.5, color="0.8", linewidth=0.5)
    ax.set_xticks(range(len(conditions)), conditions)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.5, len(conditions) - 0.5)


def _draw_sweep(
    ax: Axes, shown: pd.DataFrame, arms: Sequence[Sequence[str]], varies: str, study: Study
) -> None:
    """Scores of each arm's models against the varied value, the references across."""
    _draw_references(ax, shown, study)
    series = shown[shown["output"] == "network"].set_index("key")
    models = with_ensembles(dict.fromkeys(itertools.chain(*arms)), study)
    places = _dodged({model: settings_of(model, study)[varies] for model in models})
    for arm, line in zip(arms, ("-", MATCHED_LINE), strict=False):
        found = [model for model in arm if model in series.index]
        look = {"color": "0.6", "linewidth": 0.8, "zorder": 1.5}
        ax.plot(
            [places[model] for model in found], series.loc[found, "mean"], linestyle=line, **look
        )
    for key in series.index:
        _draw_means(ax, [places[key]], series.loc[[key]], 3.5, _look(key, study) | {"zorder": 3})
    _scale_values(ax, [study["models"][model][varies] for model in arms[0]])


def _draw_references(ax: Axes, shown: pd.DataFrame, study: Study) -> None:
    """The input as a line across; of the baselines the best as a line, the others as a band that ends with it."""
    means = shown.set_index("key")["mean"]
    if "input" in means:
        ax.axhline(means["input"], color=COLOURS["input"], linestyle=INPUT_LINE, linewidth=1.0)
    baselines = means[means.index.isin(study["baselines"])]
    if not len(baselines):
        return
    low, high = baselines.min(), baselines.max()
    if len(baselines) > 1:
        ax.axhspan(low, high, color=BASELINE_BAND, linewidth=0, zorder=0.5)
    best = low if (shown["metric"] == "nrmse").all() else high
    ax.axhline(best, color=COLOURS["nlm"], linestyle=BASELINE_LINE, linewidth=1.0)


def _draw_means(
    ax: Axes, x: Sequence[float], series: pd.DataFrame, size: float, look: dict[str, Any]
) -> None:
    """Means with their intervals, and beside the markers, where there are several trainings, bars over these."""
    bars = {"elinewidth": 0.8, "capsize": 1.5, "markeredgewidth": 0.8}
    ax.errorbar(x, series["mean"], _reach(series), linestyle="", markersize=size, **bars, **look)
    # By points, not by data, so that the bar clears the marker on any scale
    beside = ax.transData + ScaledTranslation((size / 2 + 1.4) / 72, 0, ax.figure.dpi_scale_trans)
    for place, mean, sd in zip(x, series["mean"], series["sd_seeds"], strict=True):
        if np.isfinite(sd):
            bar = {"linewidth": 1.4, "solid_capstyle": "butt", "transform": beside, "zorder": 3}
            ax.plot([place, place], [mean - sd, mean + sd], color=look["color"], **bar)


def _reach(series: pd.DataFrame) -> np.ndarray:
    """How far the intervals reach below and above their means, (2, n)."""
    return np.stack([series["mean"] - series["low"], series["high"] - series["mean"]])


def _dodged(values: Mapping[str, float]) -> dict[str, float]:
    """Where each key stands on the x axis of `_scale_values`: at its value, side by side with others of that value."""
    distinct = sorted(set(values.values()))
    to, back = (np.log2, np.exp2) if _far_apart(distinct) else (float, float)
    step = 0.19 * min(np.diff([to(value) for value in distinct]), default=1.0)
    places = {}
    for value in distinct:
        alike = [key for key in values if values[key] == value]
        places |= {
            key: float(back(to(value) + (i - (len(alike) - 1) / 2) * step))
            for i, key in enumerate(alike)
        }
    return places


def _far_apart(values: Sequence[float]) -> bool:
    """Whether sorted values span a factor of 4 or more, and so belong on a log axis."""
    return values[0] > 0 and values[-1] / values[0] >= 4


def _scale_values(ax: Axes, values: Sequence[float]) -> None:
    """An x axis with a tick at each value that has room: log2 where the values span a factor of 4 or more."""
    values = sorted(set(values))
    if _far_apart(values):
        ax.set_xscale("log", base=2)
    ax.margins(x=0.1)
    _few_ticks(ax.xaxis, [values[::step] for step in range(1, len(values) + 1)])


def _swept(summary: pd.DataFrame, study: Study) -> list[str]:
    """The test sets on which a sweep can be seen: those with the most of its models."""
    tested = summary[summary["output"] == "network"].groupby("tested_on")["model"].nunique()
    return [name for name in study["datasets"] if len(tested) and tested.get(name) == tested.max()]


def _error_bars(summary: pd.DataFrame, study: Study) -> str:
    """What markers and bars are, with the numbers of volumes and runs."""
    volumes = _volumes(summary, study)
    runs = summary.loc[summary["key"].isin(study["models"]), "seeds"]
    number = f"{runs.max()}" if runs.min() == runs.max() else f"{runs.min()} to {runs.max()}"
    text = f"Markers and error bars: mean and its 95 % bootstrap interval over test volumes ({volumes})"
    if runs.max() == 1:
        return text + "; one training run a model."
    text += f" and {number} training runs a model. Thick bars beside them: ± SD between the runs, of their"
    text += " means over test volumes."
    opened = " Open markers: ensembles, the mean of the restorations of a model's runs; their intervals are over"
    opened += " volumes alone."
    return text + (opened if set(summary["key"]) & set(study["ensembles"]) else "")


def _volumes(summary: pd.DataFrame, study: Study) -> str:
    """How many test volumes there are of each test set."""
    counts = summary.groupby("tested_on")["n"].max()
    return ", ".join(
        f"{counts[name]} of {_label(study, name)}" for name in study["datasets"] if name in counts
    )


def _marker_note(keys: Sequence[str], study: Study) -> str:
    """What each marker's shape stands for."""
    found, matched = markers(study), matched_models(study)
    own = {
        found[key]: study["models"][key]["trained_on"]
        for key in keys
        if key in study["models"].keys() - matched
    }
    names = [f"{MARKERS[shape]}, trained on {_label(study, name)}" for shape, name in own.items()]
    names += ["diamonds, trained on as many patches as their sweep's base"] * any(
        key in matched for key in keys
    )
    text = "; ".join(names)
    return f"{text[0].upper()}{text[1:]}."


def _arm_notes(sweep: Mapping[str, Any], study: Study) -> list[str]:
    """For each arm of a sweep, how many patches its models saw in training."""
    note = _samples_note(sweep["models"], study)
    if not sweep["matched"]:
        return [f"{note[0].upper()}{note[1:]}."]
    settings = [study["models"][model] for model in sweep["matched"]]
    changed = "steps_per_epoch" if sweep["varies"] == "batch_size" else "epochs"
    amount = f"{_span([each[changed] for each in settings])} {changed.replace('_', ' ')}"
    updates = (
        f"{_span([each['epochs'] * each['steps_per_epoch'] for each in settings])} weight updates"
    )
    matched = f"{_samples_note(sweep['matched'], study)}, in {amount} ({updates})"
    return [f"Solid line: {note}. Dash-dotted line, diamonds and {sweep['base']}: {matched}."]


def _samples_note(models: Sequence[str], study: Study) -> str:
    """How many patches models saw in training, and whether that is the same for all."""
    seen = [math.prod(study["models"][model][key] for key in LENGTH) for model in models]
    who = "the models" if len(set(seen)) > 1 else "every model"
    confounded = (
        ": the varied value and the amount of training are confounded" if len(set(seen)) > 1 else ""
    )
    return f"{who} saw {_span(seen)} patches in training, repeats counted{confounded}"


def _span(numbers: Iterable[int]) -> str:
    """Whole numbers as "4 to 16", or as one number if all are the same."""
    return " to ".join(f"{number:,}" for number in sorted({min(numbers), max(numbers)}))


def _look(key: str, study: Study) -> dict[str, Any]:
    """Colour and marker of a model or reference; those of an ensemble are its model's, open."""
    open_marker = {"markerfacecolor": "white"} if key in study["ensembles"] else {}
    return {"color": palette(study)[key], "marker": markers(study)[key]} | open_marker


def _series_handle(key: str, study: Study, varies: str = "") -> Line2D:
    """The legend of a model or reference: for a sweep with its value, else with its training."""
    look = {"markersize": 4} | _look(key, study)
    if key in LABELS:
        return Line2D([], [], label=LABELS[key], linestyle="", **look)
    settings = study["models"][key]
    about = (
        f"{varies.replace('_', ' ')} {settings[varies]:g}"
        if varies
        else _count(settings["epochs"], "epoch")
    )
    return Line2D([], [], linestyle="", label=f"{key}: {about}", **look)


def _reference_handles(keys: set[str], study: Study) -> list[Line2D | Patch]:
    """A sweep's legend of the input and the baselines that were scored."""
    found = [name for name in study["baselines"] if name in keys]
    handles: list[Line2D | Patch] = []
    if "input" in keys:
        handles.append(
            Line2D([], [], color=COLOURS["input"], linestyle=INPUT_LINE, label="input (mean)")
        )
    if found:
        label = (
            f"{references(study)[found[0]]} (mean)" if len(found) == 1 else "best baseline (mean)"
        )
        handles.append(Line2D([], [], color=COLOURS["nlm"], linestyle=BASELINE_LINE, label=label))
    return handles + [Patch(color=BASELINE_BAND, linewidth=0, label="other baselines")] * (
        len(found) > 1
    )


def _band_note(keys: set[str], study: Study) -> str:
    """Which baselines a sweep's band stands for."""
    found = [label for name, label in references(study).items() if name in keys and name != "input"]
    return f" Baselines: {', '.join(found)}." if len(found) > 1 else ""


def _arm_handles(sweep: Mapping[str, Any], study: Study) -> list[Line2D]:
    """The legend of a sweep's two arms, if there are two: what each holds."""
    if not sweep["matched"]:
        return []
    held = " and ".join(key.replace("_", " ") for key in LENGTH if key != sweep["varies"])
    marker = markers(study)[sweep["models"][0]]
    look = {"color": "0.5", "linewidth": 0.8, "markersize": 3}
    own = Line2D([], [], label=f"{held} held", linestyle="-", marker=marker, **look)
    return [
        own,
        Line2D(
            [], [], label="patches seen held", linestyle=MATCHED_LINE, marker=MATCHED_MARKER, **look
        ),
    ]


def _ensemble_handles(keys: Iterable[str], study: Study) -> list[Line2D]:
    """The legend of all ensembles, if any of `keys` is one."""
    look = {
        "marker": "o",
        "markerfacecolor": "white",
        "markersize": 4,
        "linestyle": "",
        "color": "0.3",
    }
    label = "open: ensemble of a model's trainings"
    return (
        [Line2D([], [], label=label, **look)] if set(study["ensembles"]).intersection(keys) else []
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Learning curves


def _curve_rows(models: Sequence[str], study: Study) -> dict[str, list[str]]:
    """Models by the title of the row that shows them: by dataset, and for those of a sweep by sweep too."""
    rows: dict[str, list[str]] = {}
    for each in sorted(study["studies"].values(), key=lambda each: bool(each["varies"])):
        about = (
            f"{each['varies'].replace('_', ' ').capitalize()}, trained on"
            if each["varies"]
            else "Trained on"
        )
        for model in (model for model in models if model in {*each["models"], *each["matched"]}):
            row = rows.setdefault(
                f"{about} {_label(study, study['models'][model]['trained_on'])}", []
            )
            row += [model] if model not in row else []
    return rows


def _curve_look(model: str, study: Study) -> dict[str, Any]:
    line = MATCHED_LINE if model in matched_models(study) else "-"
    marker = {"markersize": 4, "markeredgewidth": 0.4, "markeredgecolor": "white"}
    return _look(model, study) | marker | {"linestyle": line}


def _draw_curves(ax: Axes, runs: list[pd.DataFrame], column: str, model: str, study: Study) -> None:
    """One column of a model's runs, thinner where there are several, with the model's marker at the end."""
    # A learning rate holds from the end of the epoch before
    look = {"drawstyle": "steps-pre" if column == "learning_rate" else "default", "markevery": [-1]}
    for run in runs:
        width = 1.0 if len(runs) == 1 else 0.6
        ax.plot(
            run["samples_seen"], run[column], linewidth=width, **look, **_curve_look(model, study)
        )


def _settled(run: pd.DataFrame) -> pd.DataFrame:
    """A run's losses without the first twentieth of its epochs."""
    return run.loc[run["epoch"] > max(1, len(run) // 20), ["loss", "val_loss"]]


def _loss_limits(runs: Iterable[pd.DataFrame]) -> tuple[float, float, bool]:
    """Limits for losses, and whether early epochs lie above them."""
    runs = list(runs)
    every = pd.concat([run[["loss", "val_loss"]] for run in runs]).to_numpy()
    later = pd.concat([_settled(run) for run in runs]).to_numpy()
    later = later if np.isfinite(later).any() else every
    low, high, most = np.nanmin(every), np.nanmax(later), np.nanmax(every)
    cut = most - low > 2 * (high - low)
    high = high if cut else most
    margin = 0.05 * ((high - low) or 1)
    return low - margin, high + margin, bool(cut)


def _scale_curves(row: Sequence[Axes], runs: list[pd.DataFrame]) -> None:
    """One scale for both losses of a row; a tick at each learning rate, if they are few."""
    low, high, _ = _loss_limits(runs)
    for ax in row[:2]:
        ax.set_ylim(low, high)
        _few_ticks(ax.yaxis)
    rates = np.unique([float(f"{rate:.3g}") for run in runs for rate in run["learning_rate"]])
    row[2].set_yscale("log")
    row[2].set_ylim(rates.min() / 1.3, rates.max() * 1.3)
    _few_ticks(row[2].yaxis, [rates] if len(rates) <= MOST_TICKS else [])


def _scale_samples(ax: Axes, runs: list[pd.DataFrame]) -> None:
    """A log axis of the patches seen, with few ticks, for all panels that share it."""
    first, last = (
        min(run["samples_seen"].min() for run in runs),
        max(run["samples_seen"].max() for run in runs),
    )
    ax.set_xscale("log")
    ax.set_xlim(first / 1.2, last * 1.2)
    _few_ticks(ax.xaxis, name=_short_number)


def _short_number(value: float) -> str:
    """A number as 500, 10k or 1M."""
    size, letter = (1e6, "M") if value >= 1e6 else (1e3, "k") if value >= 1e3 else (1, "")
    return f"{value / size:g}{letter}"


def _curve_handle(model: str, study: Study) -> Line2D:
    return Line2D([], [], label=model, **_curve_look(model, study))


# Calibration


def _draw_calibration(ax: Axes, shown: pd.DataFrame, models: Sequence[str], study: Study) -> None:
    """What was observed against what was expected, a line and a band a model."""
    for i, model in enumerate(models):
        series = shown[shown["model"] == model].sort_values("expected")
        look = _curve_look(model, study) | {"markersize": 3}
        every = (
            (i % 4, 4) if len(series) > 10 else 1
        )  # so that the markers of lines that meet do not
        ax.plot(series["expected"], series["mean"], markevery=every, zorder=3, **look)
        ax.fill_between(
            series["expected"],
            series["low"],
            series["high"],
            color=look["color"],
            alpha=0.2,
            linewidth=0,
        )


def _scale_calibration(ax: Axes, shown: pd.DataFrame, kind: str) -> None:
    """The same scale along both axes, for everything shown in a row, and the diagonal."""
    low, high = 0.0, 1.0
    if kind == "scale":
        values = shown[["expected", "mean", "low", "high"]].to_numpy()
        values = values[values > 0]
        low, high = values.min() / 1.15, values.max() * 1.15
        ax.set(xscale="log", yscale="log")
    ax.plot([low, high], [low, high], color="0.6", linewidth=0.8, linestyle=INPUT_LINE, zorder=1)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel=CALIBRATION[kind][0])
    for axis in (ax.xaxis, ax.yaxis):
        _few_ticks(axis, [] if kind == "scale" else [[0, 0.25, 0.5, 0.75, 1], [0, 0.5, 1]])
    ax.grid(True, axis="both")


# From one protocol to the other


def _draw_steps(
    ax: Axes, shown: pd.DataFrame, conditions: Sequence[str], study: Study, joined: bool
) -> None:
    """The means of a test set from step to step, downwards: a line an output and condition, or changes from 0."""
    labels = shown.drop_duplicates("step").set_index("step")["label"].sort_index()
    rows = {step: row for row, step in enumerate(labels.index)}
    shifts = np.linspace(-0.18, 0.18, len(conditions)) if len(conditions) > 1 else [0.0]
    lines = itertools.cycle(("-", (0, (4, 1.5)), (0, (1, 1))))
    for condition, shift, line in zip(conditions, shifts, lines, strict=False):
        for output, series in shown[shown["condition"] == condition].groupby("output", sort=False):
            look = _look("input" if output == "input" else series["model"].iloc[0], study)
            y = series["step"].map(rows) + shift
            bars = {
                "elinewidth": 0.8,
                "capsize": 1.5,
                "markeredgewidth": 0.8,
                "markersize": 3.2,
                "linewidth": 0.8,
            }
            ax.errorbar(
                series["mean"],
                y,
                xerr=_reach(series),
                linestyle=line if joined else "",
                **bars,
                **look,
            )
    if not joined:
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=1)
    ax.set_yticks(list(rows.values()), list(labels))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    for edge in range(1, len(rows)):
        ax.axhline(edge - 0.5, color="0.9", linewidth=0.5)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")


def _scale_values_across(ax: Axes, shown: pd.DataFrame, scale: str) -> None:
    """Scale an x axis to everything shown, error bars included: the same for all test sets."""
    low, high = (
        np.fmin(shown["mean"], shown["low"]).min(),
        np.fmax(shown["mean"], shown["high"]).max(),
    )
    if scale == "log":
        low = max(low, 0.2 * shown["mean"].min())
        ax.set_xscale("log")
        factor = max((high / low) ** 0.05, 1.01)
        ax.set_xlim(low / factor, high * factor)
        _few_ticks(ax.xaxis)
        return
    if scale == "symlog":
        ax.set_xscale("symlog", linthresh=LINEAR_TO)
        low, high = 1.3 * min(low, -LINEAR_TO), 1.3 * max(high, LINEAR_TO)
        ax.set_xlim(low, high)
        powers = [[LINEAR_TO * 10**power for power in range(first, 3)] for first in range(4)]
        _few_ticks(ax.xaxis, [[*(-each for each in reversed(part)), 0, *part] for part in powers])
        return
    margin = 0.05 * ((high - low) or 1)
    ax.set_xlim(low - margin, high + margin)
    _few_ticks(ax.xaxis)


def _step_handle(key: str, study: Study) -> Line2D:
    label = LABELS.get(key, f"restored by {key}")
    return Line2D(
        [], [], label=label, linestyle="-", linewidth=0.8, markersize=4, **_look(key, study)
    )


# Runtimes


def _source_look(source: str) -> dict[str, Any]:
    return SOURCES.get(source.split(",")[0], {"marker": "s", "fillstyle": "none", "label": source})


def _source_handles(sources: Iterable[str]) -> list[Line2D]:
    """A legend's entry for each source that has runs."""
    looks = {look["label"]: look for look in map(_source_look, sources)}
    return [
        Line2D([], [], color="0.3", linestyle="", markersize=4.5, **look) for look in looks.values()
    ]


def _colour(model: str, study: Study) -> str:
    """A model's colour, grey for one that is in no study of ours."""
    return palette(study).get(model, "0.5")


def _draw_hours(ax: Axes, runs: pd.DataFrame, study: Study) -> None:
    """A row a model, a dot a run, hours on a log axis."""
    models = list(dict.fromkeys([*study["models"], *runs["model"]]))
    models = [model for model in models if model in set(runs["model"])]
    for _, run in runs.iterrows():
        look = {"color": _colour(run["model"], study), **_source_look(run["source"])}
        ax.plot(run["hours"], models.index(run["model"]), linestyle="", markersize=4.5, **look)
    ax.set_xscale("log")
    low, high = runs["hours"].min(), runs["hours"].max()
    ax.set_xlim(low / (high / low) ** 0.05 / 1.1, high * (high / low) ** 0.05 * 1.1)
    _few_ticks(ax.xaxis)
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.grid(True, axis="both")
    ax.set_xlabel("training time (hours, log scale)")
    ax.set_title("Training time", loc="left", weight="bold")


def _draw_lines(
    ax: Axes, groups: list[pd.DataFrame], published: pd.DataFrame, study: Study
) -> None:
    """Seconds per epoch against steps per epoch, the line of each group, and the paper's hours."""
    paper = [implied_for_paper(group, published) for group in groups]
    names = _line_names(groups)
    handles = [_draw_line(ax, *each, study) for each in zip(groups, paper, names, strict=True)]
    for points, above in zip(paper, (True, *[False] * len(paper)), strict=False):
        _name_points(ax, points, above)
    ax.legend(handles=handles, loc="upper left")
    ax.set(xlabel="steps per epoch (batches)", ylabel="time of an epoch (s)")
    ax.set_xlim(0, ax.get_xlim()[1] * (1.2 if any(paper) else 1.0))
    room = (
        0.06 + 0.12 * len(groups) + (0.2 if any(paper) else 0)
    )  # of the legend, and of the paper's points
    ax.set_ylim(0, ax.get_ylim()[1] / (1 - min(room, 0.7)))
    _few_ticks(ax.xaxis)


def _draw_line(
    ax: Axes, group: pd.DataFrame, paper: list[PaperPoint], name: str, study: Study
) -> Line2D:
    """Draw the runs of a group, its line and the paper's points on it; returns the legend's entry."""
    colour = _colour(group.loc[group["steps_per_epoch"].idxmax(), "model"], study)
    look = _source_look(group["source"].iloc[0]) | {"label": None, "linestyle": ""}
    for _, run in group.iterrows():
        place = (run["steps_per_epoch"], run["seconds_per_epoch"])
        ax.plot(*place, color=_colour(run["model"], study), markersize=4.5, zorder=3, **look)
    for point in paper:
        ax.plot(point.steps, point.seconds, "D", color=colour, fillstyle="none", markersize=4.5)
    line = group_line(group)
    ends = np.array([0, 1.04 * max([*group["steps_per_epoch"], *(point.steps for point in paper)])])
    ax.plot(ends, line.overhead_seconds + line.seconds_per_step * ends, color=colour, zorder=1)
    return Line2D([], [], color=colour, label=f"{name}: {_equation(line)}")


def _name_points(ax: Axes, points: list[PaperPoint], above: bool) -> None:
    """Write beside each point, on the upper left or the lower right of its line."""
    side = {"xytext": (-5, 3), "ha": "right", "va": "bottom"}
    if not above:
        side = {"xytext": (5, -3), "ha": "left", "va": "top"}
    for point in points:
        text = f"{point.steps:,.0f} steps\nif {point.epochs} epochs"
        place = (point.steps, point.seconds)
        ax.annotate(text, place, textcoords="offset points", color="0.3", fontsize=6, **side)


def _line_names(groups: list[pd.DataFrame]) -> list[str]:
    """What tells the lines of a panel apart: dataset, batch size or epochs."""
    first = pd.DataFrame([group.iloc[0] for group in groups])
    parts = {
        "trained_on": first["trained_on"],
        "batch_size": first["batch_size"].map("batch size {:g}".format),
        "epochs": first["epochs"].map("{:g} epochs".format),
    }
    wanted = [name for name in parts if first[name].nunique() > 1] or ["trained_on"]
    return [", ".join(each) for each in zip(*(parts[name] for name in wanted), strict=True)]


def _equation(line: RuntimeLine) -> str:
    return (
        f"{_two_digits(line.overhead_seconds)} s + {_two_digits(line.seconds_per_step)} s × steps"
    )


def _two_digits(value: float) -> str:
    """A number with two digits, or without decimals if it is larger, or as good as zero."""
    digits = 1 - int(np.floor(np.log10(abs(value)))) if abs(value) > 1e-6 else 0
    return f"{value:z.{max(digits, 0)}f}"
