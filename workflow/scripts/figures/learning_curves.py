"""Loss of every training against the patches that it has seen, a row per question."""

import pandas as pd
import seaborn as sns
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from denoising.report import style
from denoising.running.logs import open_log

CURVES = {"loss": "training loss", "val_loss": "validation loss"}
UNITS = {"laplace": "nats per voxel", "mae": "fraction of range", "mse": "squared fraction"}
ABOVE = 0.9  # quantile of the losses after which a panel ends


def questions():
    """Title of each row to its models and their names: those of an organism, then each sweep's."""
    swept = {name for sweep in study.sweeps.values() for name in sweep.all_models}
    rows = {}
    for name, model in study.models.items():
        if name in study.compared_models or name not in swept:
            title = f"trained on {study.datasets[model.trained_on].label}"
            rows.setdefault(title, {})[name] = f"{model.training.epochs} epochs"
    for sweep in study.sweeps.values():
        words = sweep.varies.replace("_", " ")
        rows[f"sweep of {words} ({sweep.figure})"] = {
            name: f"{words} {getattr(study.training_of(name), sweep.varies):g}"
            + (", same patches" if name in study.matched_models else "")
            for name in sweep.all_models
        }
    return rows


def read_history(run, path):
    """Losses of one run, tidy: a row per epoch and curve, with the epoch whose weights count."""
    history = pd.read_csv(path)
    best = history.loc[history["val_loss"].idxmin(), "epoch"]
    long = history.melt(["epoch", "samples_seen"], list(CURVES), "curve", "value")
    return long.assign(run=run, model=study.runs[run].model, is_best=long["epoch"] == best)


def line_of(name):
    return (0, (3, 1)) if name in study.matched_models else "-"


def draw_panel(ax, data):
    """A line per training, a ring at the epoch whose weights are kept."""
    for name, rows in data.groupby("model", sort=False):
        look = {"ax": ax, "legend": False, "color": colours[name], "linestyle": line_of(name)}
        sns.lineplot(rows, x="samples_seen", y="value", units="run", estimator=None, **look)
    best = data[data["is_best"]]
    edges = best["model"].map(colours).tolist()
    ax.scatter(best["samples_seen"], best["value"], s=16, c="white", edgecolors=edges, zorder=3)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    histories = zip(study.runs, snakemake.input.histories, strict=True)
    losses = pd.concat([read_history(run, path) for run, path in histories])
    colours = style.palette(study)
    rows = questions()
    tables = [losses[losses["model"].isin(rows[title])].assign(title=title) for title in rows]
    facets = {"row": "title", "row_order": list(rows), "col": "curve", "col_order": list(CURVES)}
    grid = style.grid_of(pd.concat(tables), 36.0, sharey="row", **facets)
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)
    losses_used = {model.training.loss for model in study.models.values()}
    unit = f"\n({UNITS[losses_used.pop()]})" if len(losses_used) == 1 else ""
    for (title, models), axes, table in zip(rows.items(), grid.axes, tables, strict=True):
        axes[0].set_title(title, loc="left", weight="bold")
        low = table["value"].min()
        high = table["value"].quantile(ABOVE)
        axes[0].set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        entries = [
            style.entry(label, color=colours[name], linestyle=line_of(name))
            for name, label in models.items()
        ]
        axes[-1].legend(handles=entries, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for ax, curve in zip(axes, CURVES.values(), strict=True):
            ax.set_ylabel(f"{curve}{unit}", visible=True)
            ax.yaxis.set_major_locator(MaxNLocator(5))
            ax.set_xscale("log")
            ax.xaxis.set(major_locator=LogLocator(numticks=6), minor_locator=NullLocator())
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.grid(axis="y", color=style.GRID)
    for ax in grid.axes[-1]:
        ax.set_xlabel("patches seen, repeats counted")
    note = "Rings: the epoch with the lowest validation loss, whose weights are kept. "
    note += "Training loss is averaged over an epoch; the first epochs may lie above a panel."
    style.finish(grid.figure, snakemake, note)
