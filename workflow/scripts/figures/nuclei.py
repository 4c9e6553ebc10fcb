"""Nuclei: F1, recall and precision by condition, and the whole curve in the noisiest one."""

import pandas as pd

from denoising.evaluation.scores import OURS, method_of, read_scores, read_tidy, summarise
from denoising.report import score_panels as panels
from denoising.report import style
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS
from denoising.study.names import INPUT

SHARES = ("f1", "recall", "precision")
CURVE = "curve"


def draw_shares(ax, rows):
    """One share by condition: the methods side by side, with their intervals."""
    panels.draw_by_condition(ax, rows, methods, study)
    ax.set_ylim(top=1.02)
    ax.tick_params(labelbottom=rows["metric"].iloc[0] == SHARES[-1])


def draw_curves(ax, rows):
    """Precision against recall of all test volumes together, in the noisiest condition."""
    for method in methods:
        points = rows[rows["method"] == method]
        points = points.groupby("threshold")[["right", "found", "true"]].sum()
        points = points[points["found"] > 0]
        look = {"color": colours[method], "linestyle": "--" if method in BASELINES else "-"}
        ax.plot(points["right"] / points["true"], points["right"] / points["found"], **look)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall")
    dataset = study.datasets[rows["tested_on"].iloc[0]]
    label = dataset.condition_label(dataset.condition_names[-1])
    ax.set_title(f"all contrasts, {label}", size=style.SMALL, color=style.GREY)
    ax.grid(axis="both", color=style.GRID)


with style.drawing(snakemake) as study:
    means = summarise(read_scores(snakemake.input.scores)).assign(source=OURS)
    curves = pd.concat([read_tidy(path) for path in snakemake.input.curves])
    numbers = ["threshold", "right", "found", "true"]
    curves[numbers] = curves[numbers].astype(float)
    datasets = {name: study.datasets[name] for name in study.datasets_with_nuclei}
    noisiest = {name: dataset.condition_names[-1] for name, dataset in datasets.items()}
    curves = curves[curves["condition"] == curves["tested_on"].map(noisiest)]
    rows = pd.concat([means[means["metric"].isin(SHARES)], curves.assign(metric=CURVE)])
    labels = {name: METRICS[name].axis for name in SHARES} | {CURVE: "precision"}
    titles = {name: f"tested on {dataset.label}" for name, dataset in datasets.items()}
    rows = rows.assign(
        method=method_of(rows),
        panel=panels.labelled(rows["metric"], labels),
        title=panels.labelled(rows["tested_on"], titles),
    )

    networks = [name for name in study.with_ensembles(study.models) if name in set(rows["method"])]
    methods = [INPUT, *study.baselines, *networks]
    colours = style.palette(study)
    grid = panels.score_grid(rows, 36.0, sharex=False, sharey="row")
    for (i, j, _), data in grid.facet_data():
        draw = draw_curves if data["metric"].iloc[0] == CURVE else draw_shares
        draw(grid.axes[i, j], data)
    legend = style.entries(methods, study)
    style.finish(grid.figure, snakemake, style.interval_note(means, study), legend)
