"""Whether networks know their error: observed coverage and error against the predicted ones."""

import seaborn as sns

from denoising.evaluation.calibration_summary import calibration_means, read_calibration
from denoising.report import style
from denoising.report.score_panels import by_condition
from denoising.running.logs import open_log
from denoising.study.names import PREDICTED, RESCALED

AXES = {
    "coverage": ("nominal coverage\n(share)", "observed coverage\n(share of voxels)"),
    "scale": ("predicted error\n(fraction of range)", "mean absolute error\n(fraction of range)"),
}
SIDES = {"coverage": ("too cautious", "too sure"), "scale": ("too sure", "too cautious")}
LINES = {
    PREDICTED: {"linestyle": "--", "linewidth": 0.6, "markersize": 0},
    RESCALED: {"markersize": 3, "markeredgewidth": 0.3},
}


def draw_panel(ax, data, kind):
    """The diagonal of perfect calibration, and per model a dashed line for its intervals as
    predicted, and a line with its band for the rescaled ones.
    """
    top = 1.0 if kind == "coverage" else 1.05 * data[["expected", "mean", "high"]].max().max()
    ax.plot([0, top], [0, top], color=style.GREY)
    for (name, intervals), rows in data.groupby(["model", "intervals"], sort=False):
        look = looks[name] | LINES[intervals] | {"markevery": 2 if kind == "coverage" else 1}
        sns.lineplot(rows, x="expected", y="mean", ax=ax, **look)
        if intervals == RESCALED:
            band = (rows["expected"], rows["low"], rows["high"])
            ax.fill_between(*band, color=looks[name]["color"], alpha=0.15)
    look = {"transform": ax.transAxes, "size": style.SMALL, "color": style.GREY, "style": "italic"}
    above, below = SIDES[kind]
    ax.text(0.05, 0.95, above, va="top", **look)
    ax.text(0.95, 0.05, below, ha="right", **look)
    ax.set(xlim=(0, top), ylim=(0, top), xlabel=AXES[kind][0], box_aspect=1)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    paths = dict(zip(study.calibrated, snakemake.input.calibration, strict=True))
    means = calibration_means(read_calibration(paths, study))
    compared = study.with_ensembles(study.compared_models)
    models = [name for name in compared if name in set(means["model"])]
    means = means[means["model"].isin(models or study.with_ensembles(study.models))]
    # Factors are meant for volumes like those of the training; the table shows other test sets too
    trained_on = means["model"].map(lambda name: study.training_of(name).trained_on)
    is_own = means["tested_on"] == trained_on
    means = means[is_own] if is_own.any() else means
    looks = style.looks(study)

    means, titles = by_condition(means, study, ends_only=True)
    height = min(46.0, style.WIDTH / len(titles))
    facets = {"row": "kind", "row_order": list(AXES), "col": "title", "col_order": titles}
    grid = style.grid_of(means, height, sharex=False, sharey=False, **facets)
    for (i, j, _), rows in grid.facet_data():
        draw_panel(grid.axes[i, j], rows, grid.row_names[i])
        grid.axes[0, j].set_title(titles[j])
        grid.axes[i, j].set_ylabel("" if j else AXES[grid.row_names[i]][1])

    note = style.interval_note(means["n"], study, over_trainings=False)
    note += " Diagonal: perfect calibration."
    legend = style.method_entries(means["model"].unique(), study)
    legend += [
        style.entry("intervals as predicted", linestyle="--", linewidth=0.6),
        style.entry("rescaled by conformal factors", linestyle="-"),
    ]
    style.finish(grid.figure, snakemake, note, legend)
