"""Nuclei: F1, recall and precision by condition, and the whole curve in the noisiest one."""

import numpy as np
import pandas as pd

from denoising.evaluation.scores import method_of, read_scores, read_tidy, summarise
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.running.logs import open_log
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS
from denoising.study.names import INPUT

SPREAD = 0.8  # of the place of one condition: over it stand its methods
SHARES = ("f1", "recall", "precision")
CURVE = "curve"


def draw_shares(ax, rows, dataset):
    """One share by condition: the methods side by side, with their intervals."""
    places = {name: i for i, name in enumerate(dataset.condition_names)}
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(methods))
    for method, offset in zip(methods, offsets, strict=True):
        chosen = rows[rows["method"] == method]
        panels.draw_means(ax, chosen["condition"].map(places) + offset, chosen, **looks[method])
    ax.set_xticks(list(places.values()), [dataset.condition_label(name) for name in places])
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set_ylim(top=1.02)
    ax.tick_params(labelbottom=rows["metric"].iloc[0] == SHARES[-1])


def draw_curves(ax, rows, dataset):
    """Precision against recall of all test volumes together, in the noisiest condition."""
    for method in methods:
        points = rows[rows["method"] == method]
        points = points.groupby("threshold")[["right", "found", "true"]].sum()
        points = points[points["found"] > 0]
        line = "--" if method in BASELINES else "-"
        ax.plot(
            points["right"] / points["true"],
            points["right"] / points["found"],
            color=looks[method]["color"],
            linestyle=line,
        )
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall")
    label = dataset.condition_label(dataset.condition_names[-1])
    ax.set_title(f"all contrasts, {label}", size=style.SMALL, color=style.GREY)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    means = summarise(read_scores(snakemake.input.scores))
    curves = pd.concat([read_tidy(path) for path in snakemake.input.curves])
    numbers = ["threshold", "right", "found", "true"]
    curves[numbers] = curves[numbers].astype(float)
    datasets = [study.datasets[name] for name in study.datasets_with_nuclei]
    noisiest = {dataset.name: dataset.condition_names[-1] for dataset in datasets}
    curves = curves[curves["condition"] == curves["tested_on"].map(noisiest)]
    rows = pd.concat([means[means["metric"].isin(SHARES)], curves.assign(metric=CURVE)])
    rows = rows.assign(method=method_of(rows))

    networks = [name for name in study.with_ensembles(study.models) if name in set(rows["method"])]
    methods = [INPUT, *study.baselines, *networks]
    looks = style.looks(study)

    facets = {"row": "metric", "row_order": [*SHARES, CURVE]}
    facets |= {"col": "tested_on", "col_order": [dataset.name for dataset in datasets]}
    grid = style.grid_of(rows, 36.0, sharex=False, sharey="row", **facets)
    for (i, j, _), data in grid.facet_data():
        ax = grid.axes[i, j]
        is_curve = grid.row_names[i] == CURVE
        (draw_curves if is_curve else draw_shares)(ax, data, datasets[j])
        label = "precision" if is_curve else METRICS[grid.row_names[i]].axis
        ax.set_ylabel(label if j == 0 else "")
        ax.grid(axis="both" if is_curve else "y", color=style.GRID)
    for ax, dataset in zip(grid.axes[0], datasets, strict=True):
        ax.set_title(f"tested on {dataset.label}")

    legend = style.method_entries(methods, study)
    style.finish(grid.figure, snakemake, style.interval_note(means["n"], study), legend)
