"""Whether networks know their error: observed coverage and error against the predicted ones."""

from denoising.evaluation.calibration_summary import own_calibration_means, read_calibration
from denoising.report import style
from denoising.report.score_panels import by_condition, labelled, score_grid
from denoising.study.names import PREDICTED, RESCALED

AXES = {
    "coverage": ("nominal coverage\n(share)", "observed coverage\n(share of voxels)"),
    "scale": ("predicted error\n(fraction of range)", "mean absolute error\n(fraction of range)"),
}
SIDES = {"coverage": ("too cautious", "too sure"), "scale": ("too sure", "too cautious")}
LINES = {
    PREDICTED: {"linestyle": "--", "linewidth": 0.6, "markersize": 0},
    RESCALED: {"markersize": 3, "markeredgewidth": 0.3, "markeredgecolor": "white"},
}


def draw_panel(ax, data):
    """The diagonal of perfect calibration, and per model a dashed line for its intervals as
    predicted, and a line with its band for the rescaled ones.
    """
    kind = data["kind"].iloc[0]
    top = 1.0 if kind == "coverage" else 1.05 * data[["expected", "mean", "high"]].max().max()
    ax.plot([0, top], [0, top], color=style.GREY)
    for (name, intervals), rows in data.groupby(["model", "intervals"], sort=False):
        look = looks[name] | LINES[intervals] | {"markevery": 2 if kind == "coverage" else 1}
        ax.plot(rows["expected"], rows["mean"], **look)
        if intervals == RESCALED:
            band = (rows["expected"], rows["low"], rows["high"])
            ax.fill_between(*band, color=looks[name]["color"], alpha=0.15)
    look = {"transform": ax.transAxes, "size": style.SMALL, "color": style.GREY, "style": "italic"}
    above, below = SIDES[kind]
    ax.text(0.05, 0.95, above, va="top", **look)
    ax.text(0.95, 0.05, below, ha="right", **look)
    ax.set(xlim=(0, top), ylim=(0, top), xlabel=AXES[kind][0], box_aspect=1)


with style.drawing(snakemake) as study:
    paths = dict(zip(study.calibrated, snakemake.input.calibration, strict=True))
    means = own_calibration_means(read_calibration(paths, study), study)
    means = by_condition(means, study, ends_only=True)
    means["panel"] = labelled(means["kind"], {kind: label for kind, (_, label) in AXES.items()})
    looks = style.looks(study)
    height = min(46.0, style.WIDTH / means["title"].nunique())
    grid = score_grid(means, height, sharex=False, sharey=False)
    for (i, j, _), rows in grid.facet_data():
        draw_panel(grid.axes[i, j], rows)

    note = style.interval_note(means, study) + " Diagonal: perfect calibration."
    legend = style.entries(means["model"].unique(), study)
    legend.append(style.entry("intervals as predicted", **LINES[PREDICTED]))
    legend.append(style.entry("rescaled by conformal factors", linestyle="-"))
    style.finish(grid.figure, snakemake, note, legend)
