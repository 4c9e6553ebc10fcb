"""From the 2019 study's numbers to the CARE paper's on the same restorations, a change per step."""

import numpy as np
import pandas as pd

from denoising.evaluation.ladder_summary import explanation_means
from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import method_of, read_tidy
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.metrics import METRICS, SHOWN
from denoising.study.names import INPUT

STEPS = {
    "2019, roles swapped": "2019 study: input\ntaken for ground truth",
    "2019, roles right": "2019 study's protocol,\nroles as they should be",
    "input rescaled": "+ input fitted\nto the ground truth",
    "SSIM data range 1": "+ SSIM with\ndata range 1",
    "means subtracted (paper)": "+ means subtracted:\nCARE paper's protocol",
}
SPREAD = 0.25  # of a step, over which its conditions stand


def draw_series(ax, rows, published, line, nudge):
    """One method in one condition, step by step, and its published values at both ends."""
    method = rows["method"].iloc[0]
    look = {"color": colours[method], "marker": shapes[method]}
    y = rows["row"] + nudge
    reach = np.nan_to_num([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
    ax.plot(rows["mean"], y, color=colours[method], linestyle=line)
    ax.errorbar(rows["mean"], y, xerr=reach, **look, **panels.BARS)
    for source, mark in panels.PUBLISHED.items():
        means = published.loc[published["source"].str.startswith(source), "mean"]
        end = y.max() if source == "CARE paper" else y.min()
        ax.plot(means, [end] * len(means), **look, **mark)


def line_of(place, count):
    """Line style and label of a condition, by its place among `count` from clean to noisy."""
    if place == 0:
        return "-", "cleanest condition"
    return (":", "noisiest") if place == count - 1 else ("--", "between")


def draw_panel(ax, ours, published):
    """All methods and conditions on one test set."""
    names = study.datasets[ours["tested_on"].iloc[0]].condition_names
    nudges = np.linspace(-SPREAD / 2, SPREAD / 2, len(names)) if len(names) > 1 else [0.0]
    for (method, condition), rows in ours.groupby(["method", "condition"], sort=False):
        place = names.index(condition)
        known = (published["method"] == method) & (published["condition"] == condition)
        line, label = line_of(place, len(names))
        lines[line] = label
        draw_series(ax, rows, published[known], line, nudges[place])


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    means = explanation_means(read_tidy(snakemake.input.explanation))
    means["method"] = method_of(means)
    means["row"] = means["step"] - means.groupby("tested_on")["step"].transform("min")
    datasets = [name for name in study.datasets if name in set(means["tested_on"])]
    published = read_tidy(snakemake.input.published)
    published = pd.concat([published_scores(published, study, name) for name in datasets])
    lines = {}
    colours = style.palette(study) | {INPUT: style.GREY}
    shapes = style.markers(study) | {INPUT: "X"}

    facets = {
        "row": "tested_on",
        "row_order": datasets,
        "col": "metric",
        "col_order": SHOWN,
    }
    grid = style.grid_of(means, 52.0, sharex="col", sharey="row", **facets)
    for (i, j, _), ours in grid.facet_data():
        ax = grid.axes[i, j]
        published_rows = published[published["tested_on"] == datasets[i]]
        draw_panel(
            ax,
            ours.sort_values("row"),
            published_rows[published_rows["metric"] == grid.col_names[j]],
        )
        labels = ours.drop_duplicates("row").set_index("row")["label"].sort_index()
        ax.set_yticks(labels.index, labels.replace(STEPS))
        ax.set_ylim(labels.index.max() + 0.5, -0.5)
        ax.grid(axis="x", color=style.GRID)
        ax.set(ylabel="", xlabel=METRICS[SHOWN[j]].axis if i == len(datasets) - 1 else "")
        grid.axes[i, 0].set_title(study.datasets[datasets[i]].label, loc="left", weight="bold")

    methods = [INPUT, *(name for name in study.models if name in set(means["method"]))]
    legend = [style.entry(name, color=colours[name], marker=shapes[name]) for name in methods]
    if len(lines) > 1:
        legend += [style.entry(label, linestyle=line) for line, label in sorted(lines.items())]
    legend += panels.published_entries(published)
    note = style.interval_note(means["n"], study, over_trainings=False)
    note += " Each step keeps the changes of the steps above it."
    style.finish(grid.figure, snakemake, note, legend)
