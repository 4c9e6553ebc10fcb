"""Figures of the study, each as PDF and as PNG, drawn from tables and small example images.

Formats read here, beside those of `statistics`:

- example patches of a dataset, npz: `train_X`, `train_Y`, `validation_X`, `validation_Y`, each
  (n, Z, Y, X) or (n, Y, X), X the input and Y the target.
- example sections of a model on a dataset, npz: `input`, `restored`, `truth` and, where there is
  one, `nlm`, each (conditions, Y, X); `conditions`, their names; `pixel_size_um`, nan if unknown.

Every figure is 180 mm wide and carries the study's note. A model has one colour in all of them.
The same data give the same bytes.
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
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from denoising.statistics import (
    OURS,
    PaperPoint,
    RuntimeLine,
    compared_models,
    condition_names,
    group_line,
    implied_for_paper,
    line_groups,
    our_runtimes,
    published_runtimes,
    summarise,
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
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.4,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
}

# Okabe and Ito's colours, then Tol's muted ones: distinct with any colour vision.
COLOURS = {
    "input": "#7F7F7F",
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
MARKERS = {"o": "circles", "s": "squares", "D": "diamonds", "^": "triangles", "P": "crosses"}
REFERENCES = {"input": "input", "nlm": "non-local means"}
REFERENCE_LINES = {"input": (0, (4, 2)), "nlm": (0, (1, 1.5))}
REFERENCE_MARKERS = {"input": "x", "nlm": "+"}

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
LOSSES = {
    "laplace": "Laplace negative log-likelihood (nats per voxel)",
    "mae": "mean absolute error (fraction of range)",
    "mse": "mean squared error (squared fraction of range)",
}
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
    """The colour of every model and reference, by name; the same in every figure of a study."""
    models = [model for model in study["models"] if model not in COLOURS]
    used = {COLOURS[model] for model in study["models"] if model in COLOURS}
    spare = [colour for colour in SPARE_COLOURS if colour not in used] or list(SPARE_COLOURS)
    return COLOURS | {model: spare[i % len(spare)] for i, model in enumerate(models)}


def markers(study: Study) -> dict[str, str]:
    """The marker of every model and reference: a shape for each dataset trained on."""
    shapes = dict(zip(study["datasets"], itertools.cycle(MARKERS)))
    models = study["models"].items()
    return REFERENCE_MARKERS | {name: shapes.get(m.get("trained_on"), "o") for name, m in models}


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw and save in this module's style, whatever the user's own settings are."""

    @functools.wraps(draw)
    def styled(*args: Any, **kwargs: Any) -> Figure:
        with style.context(["default", STYLE]):
            return draw(*args, **kwargs)

    return styled


@_styled
def fig_patches(examples: Mapping[str, PathLike], study: Study, pdf_path: PathLike, png_path: PathLike) -> Figure:
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
        (model, dataset) to the npz of its example sections (see the module). Models of one dataset
        stand side by side, and must show the same section.
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
    sizes = {d: _panel_size(block, left, gap, 218.0, head, len(blocks)) for d, block in blocks.items()}
    heights = {d: head + len(b.names) * (sizes[d][1] + gap) for d, b in blocks.items()}
    inset = any(_busiest(block.columns["target"]) for block in blocks.values())
    lines = [_contrast_note() + (" Insets, enlarged from the small frames, as their panels." if inset else "")]
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
def fig_generalization(scores: pd.DataFrame, study: Study, pdf_path: PathLike, png_path: PathLike) -> Figure:
    """Each model on each test set: NRMSE and SSIM by condition, a row a protocol and metric.

    Parameters
    ----------
    scores : DataFrame
        The tidy scores (see `statistics`). The models are those of `statistics.compared_models`.
    study : mapping
        The resolved study: `datasets`, `models`, `studies` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    models = compared_models(scores, study)
    summary = _keyed(summarise(scores), models)
    datasets = [name for name in study["datasets"] if name in set(summary["tested_on"])]
    grid = _grid(summary, [[Panel("", "", dataset) for dataset in datasets]])
    keys = [key for key in (*REFERENCES, *models) if key in set(summary["key"])]
    lines = [_error_bars(summary, study), _marker_note(models, study) + " " + METRIC_NOTE]
    figure = _page(30.0 * len(grid) + 18, [*lines, study.get("note", "")])
    axes = figure.subplots(len(grid), len(grid[0]), squeeze=False)
    for row, places in zip(grid, axes, strict=True):
        for panel, ax in zip(row, places, strict=True):
            conditions = condition_names(study, panel.dataset)
            _draw_conditions(ax, _of(summary, panel), keys, conditions, study)
    _scale_rows(axes, grid, summary)
    _title_panels(axes, grid, lambda panel: f"tested on {_label(study, panel.dataset)}")
    several = any(len(condition_names(study, dataset)) > 1 for dataset in datasets)
    _label_feet(axes, grid, "condition (cleanest to noisiest)" if several else "condition")
    _legend(figure, [_series_handle(key, study) for key in keys])
    return _save(figure, pdf_path, png_path)


@_styled
def fig_sweep(scores: pd.DataFrame, study: Study, name: str, pdf_path: PathLike, png_path: PathLike) -> Figure:
    """Scores against the value that the study `name` varies, by condition.

    Parameters
    ----------
    scores, study, pdf_path, png_path
        As in `fig_generalization`.
    name : str
        A key of `study["studies"]` with `varies`, a number in each of its `models`.

    Returns
    -------
    Figure
        As saved.
    """
    sweep = study["studies"][name]
    models = sorted(sweep["models"], key=lambda model: study["models"][model][sweep["varies"]])
    summary = _keyed(summarise(scores), models)
    datasets = _swept(summary, study)
    if not datasets:
        raise ValueError(f"studies.{name}: no scores of its models {models}; evaluate them first")
    summary = summary[summary["tested_on"].isin(datasets)]
    rows = [[Panel("", "", dataset, each) for each in condition_names(study, dataset)] for dataset in datasets]
    grid = _grid(summary, rows)
    order = " Columns: conditions, the cleanest on the left." if any(len(row) > 1 for row in rows) else ""
    lines = [_error_bars(summary, study) + order]
    lines += [_samples_note(models, study), METRIC_NOTE]
    figure = _page(30.0 * len(grid) + 18, [*lines, study.get("note", "")])
    axes = figure.subplots(len(grid), max(len(row) for row in grid), squeeze=False)
    for row, places in zip(grid, axes, strict=True):
        for panel, ax in zip(row, places, strict=False):
            _draw_sweep(ax, _of(summary, panel), models, sweep["varies"], study)
    _scale_rows(axes, grid, summary)
    _title_panels(axes, grid, lambda panel: f"{_label(study, panel.dataset)}, condition {panel.condition}")
    _label_feet(axes, grid, VARIED.get(sweep["varies"], sweep["varies"].replace("_", " ")))
    keys = [key for key in REFERENCES if key in set(summary["key"])]
    _legend(figure, [_series_handle(key, study, sweep["varies"]) for key in [*keys, *models]])
    return _save(figure, pdf_path, png_path)


@_styled
def fig_learning_curves(
    histories: Mapping[str, PathLike], study: Study, pdf_path: PathLike, png_path: PathLike
) -> Figure:
    """Training loss, validation loss and learning rate by epoch; a row a dataset trained on.

    Parameters
    ----------
    histories : mapping
        Model to the path of its `history.csv` (epoch, loss, val_loss, learning_rate).
    study : mapping
        The resolved study: `datasets`, `models`, `studies` and `note` are read.
    pdf_path, png_path : path
        The files written; their folders are made.

    Returns
    -------
    Figure
        As saved.
    """
    models = [model for model in study["models"] if model in histories]
    runs = {model: pd.read_csv(histories[model]) for model in models}
    groups: dict[str, list[str]] = {}
    for model in models:
        groups.setdefault(study["models"][model]["trained_on"], []).append(model)
    losses = {study["models"][model].get("loss", "") for model in models}
    loss = LOSSES.get(losses.pop(), "loss") if len(losses) == 1 else "loss"
    unit = " (nats per voxel)" if "nats" in loss else ""
    curves = {"loss": f"training loss{unit}", "val_loss": f"validation loss{unit}"}
    curves["learning_rate"] = "learning rate (per step)"
    cut = any(_loss_limits([runs[model] for model in members])[2] for members in groups.values())
    lines = [f"Loss: {loss}; training averaged over an epoch, validation after it."]
    lines[0] += " The first epochs lie above the frame." if cut else ""
    figure = _page(46.0 * len(groups) + 16, [*lines, study.get("note", "")])
    axes = figure.subplots(len(groups), len(curves), squeeze=False, sharex=True)
    for (dataset, members), row in zip(groups.items(), axes, strict=True):
        for (column, name), ax in zip(curves.items(), row, strict=True):
            for model in members:
                _draw_curve(ax, runs[model], column, model, study)
            ax.set_ylabel(name)
        row[0].set_title(f"Trained on {_label(study, dataset)}", loc="left", weight="bold")
        _scale_curves(row, [runs[model] for model in members])
    for ax in axes[-1]:
        ax.set_xlabel("training time (epochs)")
        ax.set_xlim(left=0)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
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
        Model to the path of its `history.csv` (seconds of each epoch).
    study : mapping
        The resolved study: `models` and `note` are read.
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
    lines = ["Lines: least squares through runs alike in all but steps per epoch."]
    lines[0] += " Diamonds: where the published lines reach the CARE paper's hours."
    lines[0] += " Ours: median time of an epoch; another machine than the published ones."
    groups = [line_groups(theirs), line_groups(ours)]
    figure = _page(104.0, [*lines, study.get("note", "")])
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


def _legend(figure: Figure, handles: list[Line2D]) -> None:
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
    look = {"vmin": limits[0], "vmax": limits[1], "interpolation": "antialiased" if finer else "nearest"}
    ax.imshow(image, cmap="gray", aspect="auto", **look)


def _section_columns(examples: Mapping[tuple[str, str], PathLike], dataset: str, study: Study) -> _Block:
    """The example sections of all models shown on one dataset."""
    columns: dict[str, np.ndarray] = {}
    first: _Block | None = None
    for (model, tested), path in examples.items():
        if tested != dataset:
            continue
        with np.load(path) as archive:
            names, order = _condition_order(archive["conditions"], dataset, study)
            for key in ("input", "nlm"):
                if key in archive and REFERENCES[key] not in columns:
                    columns[REFERENCES[key]] = archive[key][order]
            columns[model] = archive["restored"][order]
            target, pixel = archive["truth"][order], float(archive["pixel_size_um"])
        first = first or _Block(names, {}, pixel)
        if names != first.names or target.shape != columns[REFERENCES["input"]].shape:
            raise ValueError(
                f"{path}: sections of conditions {names} and shape {target.shape} differ from those "
                f"of another model on {dataset}; make all examples of a dataset alike"
            )
    shown = {name: columns.pop(name) for name in REFERENCES.values() if name in columns}
    return _Block(first.names, {**shown, **columns, "target": target}, first.pixel_size)


def _condition_order(found: np.ndarray, dataset: str, study: Study) -> tuple[list[str], list[int]]:
    """Names of the conditions, best first, and where they are in `found`."""
    found = [str(name) for name in found]
    names = [name for name in condition_names(study, dataset) if name in found]
    names += [name for name in found if name not in names]
    return names, [found.index(name) for name in names]


def _panel_size(block: _Block, left: float, gap: float, page: float, head: float, blocks: int) -> tuple[float, float]:
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
    quality = {0: " (cleanest)", len(block.names) - 1: " (noisiest)"} if len(block.names) > 1 else {}
    for j, (column, images) in enumerate(block.columns.items()):
        x = corner[0] + j * (size[0] + gap)
        plain = column in ("target", *REFERENCES.values())
        title = column if plain else f"restored by\n{column}"
        _text_at(figure, x + size[0] / 2, corner[1] - 1, title, ha="center", linespacing=1.1)
        for i, image in enumerate(images):
            ax = _axes_at(figure, x, corner[1] + i * (size[1] + gap), *size)
            limits = _show(ax, image)
            _draw_inset(ax, image, frame, limits)
            if i == 0 and j == 0:
                _draw_scale_bar(ax, image.shape, block.pixel_size, left=frame is None or _on_left(image, frame))
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


def _draw_inset(ax: Axes, image: np.ndarray, frame: tuple[slice, slice] | None, limits: tuple[float, float]) -> None:
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
    text = ax.text(ends[0 if left else 1], y - 0.02 * height, f"{length:g} µm", color="white", fontsize=6)
    text.set(ha="left" if left else "right", va="bottom", path_effects=edge)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


# Scores


def _keyed(summary: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """The means of the references and of `models`, with `key`: the model, or the reference."""
    key = summary["model"].where(summary["output"] == "network", summary["output"])
    return summary.assign(key=key)[key.isin([*REFERENCES, *models])]


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
        return [[row[0]._replace(protocol=each, metric=metric) for each in protocols] for row, metric in across]
    down = [(row, each, metric) for row in rows for each in protocols for metric in metrics]
    return [[panel._replace(protocol=each, metric=metric) for panel in row] for row, each, metric in down]


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
    spread = shown["sd"].fillna(0)
    low, high = (shown["mean"] - spread).min(), (shown["mean"] + spread).max()
    if metric != "nrmse":
        margin = 0.08 * ((high - low) or 1)
        ax.set_ylim(low - margin, high + margin)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        return
    if low <= 0:
        low = 0.5 * shown["mean"].min()
    factor = max((high / low) ** 0.1, 1.02)
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(low / factor, high * factor)
    far = high / low > 4.5
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)) if far else MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


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


def _draw_conditions(ax: Axes, shown: pd.DataFrame, keys: Sequence[str], conditions: list[str], study: Study) -> None:
    """One series a key over the conditions, side by side."""
    colours, shapes = palette(study), markers(study)
    step = 0.7 / max(len(keys), 2)
    for i, key in enumerate(keys):
        series = shown[shown["key"] == key].set_index("condition").reindex(conditions)
        x = np.arange(len(conditions)) + (i - (len(keys) - 1) / 2) * step
        look = {"color": colours[key], "marker": shapes[key], "markersize": 3.5}
        ax.errorbar(x, series["mean"], series["sd"], linestyle="", elinewidth=0.8, capsize=1.5, **look)
    for edge in range(1, len(conditions)):
        ax.axvline(edge - 0.5, color="0.8", linewidth=0.5)
    ax.set_xticks(range(len(conditions)), conditions)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.5, len(conditions) - 0.5)


def _draw_sweep(ax: Axes, shown: pd.DataFrame, models: Sequence[str], varies: str, study: Study) -> None:
    """Scores of `models` against the varied value, and the references as lines across."""
    colours, shapes = palette(study), markers(study)
    for key, line in REFERENCE_LINES.items():
        for mean in shown.loc[shown["key"] == key, "mean"]:
            ax.axhline(mean, color=colours[key], linestyle=line, linewidth=1.0)
    series = shown[shown["output"] == "network"].set_index("key")
    series = series.reindex([model for model in models if model in series.index])
    values = [study["models"][model][varies] for model in series.index]
    ax.plot(values, series["mean"], color="0.6", linewidth=0.8, zorder=1.5)
    for value, (model, row) in zip(values, series.iterrows(), strict=True):
        look = {"color": colours[model], "marker": shapes[model], "markersize": 4}
        ax.errorbar(value, row["mean"], row["sd"], elinewidth=0.8, capsize=2, zorder=3, **look)
    _scale_values(ax, [study["models"][model][varies] for model in models])


def _scale_values(ax: Axes, values: Sequence[float]) -> None:
    """An x axis with a tick at each value: log2 where the values span a factor of 4 or more."""
    values = sorted(set(values))
    if values[0] > 0 and values[-1] / values[0] >= 4:
        ax.set_xscale("log", base=2)
        margin = (values[-1] / values[0]) ** 0.1
        ax.set_xlim(values[0] / margin, values[-1] * margin)
    else:
        ax.margins(x=0.12)
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.xaxis.set_minor_locator(NullLocator())


def _swept(summary: pd.DataFrame, study: Study) -> list[str]:
    """The test sets on which a sweep can be seen: those with the most of its models."""
    tested = summary[summary["output"] == "network"].groupby("tested_on")["model"].nunique()
    return [name for name in study["datasets"] if len(tested) and tested.get(name) == tested.max()]


def _error_bars(summary: pd.DataFrame, study: Study) -> str:
    """What markers and bars are, with the numbers of volumes and runs."""
    counts = summary.groupby("tested_on", sort=False)["n"].max()
    volumes = ", ".join(f"{n} of {_label(study, dataset)}" for dataset, n in counts.items())
    runs = int(summary["seeds"].max())
    several = f"{runs} training runs a model, averaged first" if runs > 1 else "one training run a model"
    return f"Markers and error bars: mean ± SD over test volumes ({volumes}); {several}."


def _marker_note(models: Sequence[str], study: Study) -> str:
    """What each marker's shape stands for."""
    shapes = {markers(study)[model]: study["models"][model]["trained_on"] for model in models}
    names = [f"{MARKERS[shape]}, trained on {_label(study, name)}" for shape, name in shapes.items()]
    text = "; ".join(names)
    return f"{text[0].upper()}{text[1:]}."


def _samples_note(models: Sequence[str], study: Study) -> str:
    """Whether a sweep's models saw equally many training patches."""
    settings = [study["models"][model] for model in models]
    seen = [s["epochs"] * s["steps_per_epoch"] * s["batch_size"] for s in settings]
    if len(set(seen)) == 1:
        return f"Every model saw {seen[0]:,} patches in training, repeats counted."
    return (
        f"The models saw {min(seen):,} to {max(seen):,} patches in training, repeats counted: the varied value and the "
        "amount of training are confounded."
    )


def _series_handle(key: str, study: Study, varies: str = "") -> Line2D:
    """The legend of a model or reference: for a sweep with its value, else with its training."""
    look = {"color": palette(study)[key], "marker": markers(study)[key], "markersize": 4}
    if key in REFERENCES:
        look |= {"marker": "", "linestyle": REFERENCE_LINES[key]} if varies else {"linestyle": ""}
        return Line2D([], [], label=REFERENCES[key] + (" (mean)" if varies else ""), **look)
    settings = study["models"][key]
    about = f"{varies.replace('_', ' ')} {settings[varies]:g}" if varies else _count(settings["epochs"], "epoch")
    return Line2D([], [], linestyle="", label=f"{key}: {about}", **look)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# Learning curves


def _line_styles(study: Study) -> dict[str, Any]:
    """Solid, and a dash pattern for the models of each sweep that no plain study has."""
    patterns = [(0, (4, 1.2)), (0, (1.2, 1.0)), (0, (5, 1, 1, 1))]
    studies = study.get("studies", {}).values()
    plain = {model for each in studies if not each.get("varies") for model in each["models"]}
    found: dict[str, Any] = {}
    for i, each in enumerate(each for each in studies if each.get("varies")):
        found |= {m: patterns[i % 3] for m in each["models"] if m not in plain and m not in found}
    return {model: found.get(model, "-") for model in study["models"]}


def _draw_curve(ax: Axes, run: pd.DataFrame, column: str, model: str, study: Study) -> None:
    look = {"color": palette(study)[model], "linestyle": _line_styles(study)[model]}
    drawstyle = "steps-mid" if column == "learning_rate" else "default"
    marker = "." if len(run) == 1 else ""
    ax.plot(run["epoch"], run[column], drawstyle=drawstyle, marker=marker, **look)
    if column == "learning_rate":
        ax.set_yscale("log")


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
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    rates = np.unique([float(f"{rate:.3g}") for run in runs for rate in run["learning_rate"]])
    row[2].set_ylim(rates.min() / 1.3, rates.max() * 1.3)
    row[2].yaxis.set_major_locator(FixedLocator(rates) if len(rates) < 7 else LogLocator(10, subs=(1, 2, 5)))
    row[2].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    row[2].yaxis.set_minor_locator(NullLocator())


def _curve_handle(model: str, study: Study) -> Line2D:
    look = {"color": palette(study)[model], "linestyle": _line_styles(study)[model]}
    return Line2D([], [], label=model, **look)


# Runtimes


def _source_look(source: str) -> dict[str, Any]:
    return SOURCES.get(source.split(",")[0], {"marker": "s", "fillstyle": "none", "label": source})


def _source_handles(sources: Iterable[str]) -> list[Line2D]:
    """A legend's entry for each source that has runs."""
    looks = {look["label"]: look for look in map(_source_look, sources)}
    return [Line2D([], [], color="0.3", linestyle="", markersize=4.5, **look) for look in looks.values()]


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
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.grid(True, axis="both")
    ax.set_xlabel("training time (hours, log scale)")
    ax.set_title("Training time", loc="left", weight="bold")


def _draw_lines(ax: Axes, groups: list[pd.DataFrame], published: pd.DataFrame, study: Study) -> None:
    """Seconds per epoch against steps per epoch, the line of each group, and the paper's hours."""
    paper = [implied_for_paper(group, published) for group in groups]
    handles = [_draw_line(ax, group, points, study) for group, points in zip(groups, paper, strict=True)]
    for points, above in zip(paper, (True, *[False] * len(paper)), strict=False):
        _name_points(ax, points, above)
    ax.legend(handles=handles, loc="upper left")
    ax.set(xlabel="steps per epoch (batches)", ylabel="time of an epoch (s)")
    ax.set_xlim(0, ax.get_xlim()[1] * (1.2 if any(paper) else 1.0))
    ax.set_ylim(0, ax.get_ylim()[1] * (1.1 + (0.3 if any(paper) else 0.12) * len(groups)))


def _draw_line(ax: Axes, group: pd.DataFrame, paper: list[PaperPoint], study: Study) -> Line2D:
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
    return Line2D([], [], color=colour, label=_line_label(group, line, study))


def _name_points(ax: Axes, points: list[PaperPoint], above: bool) -> None:
    """Write beside each point, on the upper left or the lower right of its line."""
    side = {"xytext": (-5, 3), "ha": "right", "va": "bottom"}
    if not above:
        side = {"xytext": (5, -3), "ha": "left", "va": "top"}
    for point in points:
        text = f"{point.steps:,.0f} steps\nif {point.epochs} epochs"
        place = (point.steps, point.seconds)
        ax.annotate(text, place, textcoords="offset points", color="0.3", fontsize=6, **side)


def _line_label(group: pd.DataFrame, line: RuntimeLine, study: Study) -> str:
    """A line's name and equation."""
    step, overhead = line
    first = group.iloc[0]
    name = _label(study, first["trained_on"]) if first["source"] == OURS else first["trained_on"]
    return f"{name}: {_two_digits(overhead)} s + {_two_digits(step)} s × steps"


def _two_digits(value: float) -> str:
    """A number with two digits, or without decimals if it is larger."""
    digits = 1 - int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:.{max(digits, 0)}f}"
