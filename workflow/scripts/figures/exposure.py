"""Scores against exposure, and the lead of each network over the strongest filter there."""

import pandas as pd
from matplotlib.ticker import MaxNLocator, NullLocator

from denoising.evaluation.leads import leads, over_filters, smallest_leads
from denoising.evaluation.scores import method_of, read_scores, summarise
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.study.exposures import exposed_datasets, own_models
from denoising.study.metrics import METRICS, SHOWN

OPEN = {"linestyle": "", "markerfacecolor": "white", "zorder": 5}
NUDGE = 1.02  # factor of an exposure, so that methods do not hide one another
PANELS = {
    ("nrmse", "score"): METRICS["nrmse"].axis,
    ("nrmse", "lead"): "lead in NRMSE",
    ("ssim", "score"): METRICS["ssim"].axis,
    ("ssim", "lead"): "lead in SSIM",
}


def exposures_of(rows):
    places = zip(rows["tested_on"], rows["condition"], strict=True)
    return [study.datasets[name].exposures[condition] for name, condition in places]


def draw_strongest(ax, rows):
    """At each exposure the filter that is the strongest there, joined by a line."""
    rows = rows.drop_duplicates("condition").sort_values("x")
    ax.plot(rows["x"], rows["reference_value"], color=style.GREY, linestyle=":")
    for name, places in rows.groupby("reference", sort=False):
        ax.plot(places["x"], places["reference_value"], linestyle="", zorder=4, **looks[name])


def draw_networks(ax, rows, names):
    """Means or leads with their intervals; a lead whose interval holds 0 is open."""
    for i, name in enumerate(names):
        own = rows[rows["method"] == name].sort_values("x")
        own = own.assign(x=own["x"] * NUDGE ** (2 * i - len(names) + 1))
        panels.draw_means(ax, own["x"], own, **looks[name] | {"linestyle": "-"})
        is_open = (own["kind"] == "lead") & (own["low"] <= 0) & (own["high"] >= 0)
        undecided = own[is_open]
        ax.plot(undecided["x"], undecided["mean"], **looks[name], **OPEN)


def draw_panel(ax, data):
    """Networks beside input and filters, or their leads; both over the exposures of a dataset."""
    dataset, metric, kind = data[["tested_on", "metric", "kind"]].iloc[0]
    if kind == "lead":
        ax.axhline(0, color=style.GREY)
    else:
        panels.draw_input(ax, data, study.datasets[dataset].exposures)
        is_here = (smallest["tested_on"] == dataset) & (smallest["metric"] == metric)
        draw_strongest(ax, smallest[is_here])
    draw_networks(ax, data, networks[dataset])
    ax.yaxis.set_major_locator(MaxNLocator(4))


def finish_exposures(ax, dataset):
    """A logarithmic axis with a tick at every condition, in percent of the ground truth."""
    values = list(dataset.exposures.values())
    places = dataset.exposures.items()
    labels = [f"{100 * x:.2g}\n{dataset.condition_label(name)}" for name, x in places]
    room = (max(values) / min(values)) ** 0.12
    ax.set_xscale("log")
    ax.set_xlim(min(values) / room, max(values) * room)
    ax.set_xticks(values, labels)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("exposure (% of the ground truth's)")


def finish_row(axes, metric, kind):
    """Grey where a filter is ahead, or room for the score of the input."""
    low, high = axes[0].get_ylim()
    room = 0.15 * (high - low)
    if kind == "lead":
        low, high = min(low, -room), max(high, room)
        for ax in axes:
            ax.axhspan(low, 0, color="0.95", zorder=0)
    elif METRICS[metric].best == "low":
        high += room
    else:
        low -= room
    axes[0].set_ylim(low, high)


with style.drawing(snakemake) as study:
    scores = read_scores(snakemake.input.scores)
    scores = scores[(scores["protocol"] == study.protocols[0]) & scores["metric"].isin(SHOWN)]
    datasets = exposed_datasets(study)
    scores = scores[scores["tested_on"].isin(datasets)]
    networks = {name: study.with_ensembles(own_models(study, name)) for name in datasets}
    shown = [name for names in networks.values() for name in names]
    looks = style.looks(study)

    means = summarise(scores)
    means = means.assign(method=method_of(means), kind="score")
    smallest = smallest_leads(over_filters(leads(scores, study, shown)))
    smallest = smallest.rename(columns={"lead": "mean"}).assign(kind="lead")
    rows = pd.concat([means, smallest], ignore_index=True)
    keys = zip(rows["metric"], rows["kind"], strict=True)
    rows = rows.assign(x=exposures_of(rows), panel=panels.labelled(keys, PANELS))
    titles = {name: study.datasets[name].label for name in datasets}
    rows = rows.assign(title=panels.labelled(rows["tested_on"], titles))
    smallest = rows[rows["kind"] == "lead"]

    grid = panels.score_grid(rows, 28.0, sharex="col", sharey="row")
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)
    for ax, name in zip(grid.axes[-1], datasets, strict=True):
        finish_exposures(ax, study.datasets[name])
    for (metric, kind), axes in zip(PANELS, grid.axes, strict=True):
        finish_row(axes, metric, kind)

    filters = [name for name in looks if name in set(smallest["reference"])]
    legend = style.entries(filters, study, "strongest filter: ", linestyle=":")
    legend += style.entries(shown, study, linestyle="-")
    note = style.interval_note(means, study)
    note += " Grey: the strongest filter leads. Open: the interval of the lead holds 0."
    style.finish(grid.figure, snakemake, note, legend)
