"""Learning curves of the 2019 study by its own records, a row per question; ours beside them if
they are of the same images.
"""

import pandas as pd
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from denoising.evaluation.published_records import best_epochs, curve_summary, read_histories
from denoising.report import style

# Title of each row: the records that it shows, with their names
ROWS = {
    "planaria, replication": {
        "planaria-1": "100 epochs",
        "planaria-2": "200 epochs, first",
        "planaria-3": "200 epochs, second",
        "planaria-4": "200 epochs, third",
    },
    "planaria, batch size": {
        "planaria-batch8": "batch 8",
        "planaria-1": "batch 16",
        "planaria-batch32": "batch 32",
        "planaria-batch64": "batch 64",
    },
    "planaria, steps per epoch": {
        "planaria-steps25": "25 steps",
        "planaria-steps100": "100 steps",
        "planaria-1": "400 steps",
    },
    "tribolium, replication": {"beetle-1": "100 epochs", "beetle-2": "200 epochs"},
    "tribolium, steps per epoch": {"beetle-step25": "25 steps", "beetle-1": "400 steps"},
}
AXES = {"epoch": "epoch", "samples_seen": "patches seen, repeats counted"}
HEIGHT = 36.0  # mm of a row
SHOWN = 0.8  # of the losses of a row: the first epochs lie above its panels
OURS = {"linestyle": (0, (3, 1)), "linewidth": 1.3}
UNKNOWN = "0.1"  # colour of our models that the 2019 study has not
FAINT = 0.45  # opacity of the records beside ours
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}


def our_histories():
    """Losses of our runs on the same images, by run; none if the study only reads records."""
    runs = [run for run in study.trainings if real_organism(run)]
    paths = getattr(snakemake.input, "histories", [])
    histories = {}
    for run, path in zip(runs, paths, strict=bool(paths)):
        training = study.training_of(study.runs[run].model)
        # Other losses have other units
        if training.loss == "laplace":
            histories[run] = pd.read_csv(path)
    return histories


def real_organism(run):
    """The organism whose published images a run is trained on; None for simulated ones."""
    dataset = study.datasets[study.models[study.runs[run].model].trained_on]
    return None if dataset.is_simulated else dataset.published


def ours_in(title):
    """Our runs of a row: those that the 2019 study has a model of, and, in the first row of their
    organism, those that it has not.
    """
    models = set(records.loc[records["record"].isin(ROWS[title]), "model"])
    known = set(records["model"])
    rows = [name for name in ROWS if name.startswith(real_name(title))]
    chosen = []
    for run, history in histories.items():
        model = study.runs[run].model
        is_here = model in models or (model not in known and title == rows[0])
        if real_organism(run) == real_name(title) and is_here:
            chosen.append((model, history))
    return chosen


def real_name(title):
    return title.split(",")[0]


def draw_record(ax, rows, x, colour):
    """A training: dotted its loss, solid its validation loss, a ring where that is lowest."""
    if not histories:
        ax.plot(rows[x], rows["loss"], color=colour, linestyle=":", linewidth=0.7)
    ax.plot(rows[x], rows["val_loss"], color=colour, alpha=FAINT if histories else 1)
    best = best_epochs(rows).iloc[0]
    ring = {"s": 16, "c": "white", "edgecolors": [colour], "zorder": 3}
    ax.scatter(best[x], best["val_loss"], **ring)
    last = rows.iloc[-1]
    if last["epoch"] < last["epochs"]:
        ax.plot(last[x], last["val_loss"], color=colour, marker="X", markersize=5, zorder=4)


def mark_overfitting(ax, rows, colour):
    """How far an overfitting training rose above its lowest validation loss, at its end."""
    last = rows.iloc[-1]
    if last["record"] in overfitting.index:
        words = f"rose by {overfitting.loc[last['record'], 'rise']:.3f}"
        place = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        end = (last["epoch"], last["val_loss"])
        ax.annotate(words, end, color=colour, size=style.SMALL, bbox=BEHIND, **place)


def set_limits(axes, rows, ours):
    """From the lowest loss to where `SHOWN` of the losses are below, and to where these begin."""
    lowest = [history["val_loss"].min() for _, history in ours]
    shown = ["val_loss"] if histories else ["loss", "val_loss"]
    low = min([rows[shown].min(axis=None), *lowest])
    high = max([rows[shown].stack().quantile(SHOWN), *lowest])
    margin = 0.08 * (high - low)
    axes[0].set_ylim(low - margin, high + margin)
    axes[0].set_xlim(0, 1.02 * rows["epoch"].max())
    if rows["record"].isin(overfitting.index).any():
        axes[0].set_xlim(0, 1.3 * rows["epoch"].max())
    seen = rows.loc[rows["loss"] < high, "samples_seen"]
    axes[1].set_xscale("log")
    axes[1].set_xlim(0.8 * seen.min(), 1.25 * seen.max())


with style.drawing(snakemake) as study:
    records = read_histories(snakemake.input.records)
    summary = curve_summary(records).set_index("record")
    overfitting = summary[summary["overfits"]]
    histories = our_histories()
    figure, grid = style.panels_of(len(ROWS), len(AXES), HEIGHT, sharey="row")
    for (title, shown), axes in zip(ROWS.items(), grid, strict=True):
        ours = ours_in(title)
        entries = []
        colours = {}
        for colour, (record, label) in zip(style.COLOURS, shown.items(), strict=False):
            rows = records[records["record"] == record]
            colours.setdefault(rows["model"].iloc[0], colour)
            entries.append(style.entry(label, color=colour, linestyle="-"))
            for ax, x in zip(axes, AXES, strict=True):
                draw_record(ax, rows, x, colour)
            mark_overfitting(axes[0], rows, colour)
        for model, history in ours:
            for ax, x in zip(axes, AXES, strict=True):
                ax.plot(history[x], history["val_loss"], color=colours.get(model, UNKNOWN), **OURS)
        set_limits(axes, records[records["record"].isin(shown)], ours)
        axes[0].set_title(title, loc="left", weight="bold")
        axes[0].set_ylabel("Laplace loss\n(nats per voxel)")
        axes[0].yaxis.set_major_locator(MaxNLocator(5))
        axes[1].xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
        axes[1].xaxis.set_major_formatter(EngFormatter(sep=""))
        axes[-1].legend(handles=entries, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for ax in axes:
            ax.grid(axis="y", color=style.GRID)
    for ax, label in zip(grid[-1], AXES.values(), strict=True):
        ax.set_xlabel(label)
    legend = [
        style.entry("validation loss", linestyle="-"),
        style.entry("ours", **OURS) if histories else style.entry("training loss", linestyle=":"),
        style.entry("lowest validation loss", marker="o", markerfacecolor="white"),
        style.entry("record ends early", marker="X"),
    ]
    note = (
        "Overfitting: how far the validation loss at the end is above its lowest value. The first "
    )
    note += "epochs lie above a panel."
    style.finish(figure, snakemake, note, legend)
