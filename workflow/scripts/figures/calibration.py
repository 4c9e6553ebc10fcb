"""Whether networks know their error: observed coverage and error against the predicted ones."""

import seaborn as sns
from matplotlib.ticker import MaxNLocator

from denoising.evaluation.calibration_summary import calibration_means, read_calibration
from denoising.report import style
from denoising.report.score_panels import condition_titles
from denoising.running.logs import open_log

AXES = {
    "coverage": ("nominal coverage\n(share)", "observed coverage\n(share of voxels)"),
    "scale": ("predicted scale\n(fraction of range)", "mean absolute error\n(fraction of range)"),
}
# Corners of a panel: x, y and alignment
LOWER_RIGHT = (0.95, 0.05, "right", "bottom")
UPPER_LEFT = (0.05, 0.95, "left", "top")


def draw_panel(ax, data, kind):
    """The diagonal of perfect calibration, and a line with its band per model."""
    top = 1.0 if kind == "coverage" else 1.05 * data[["expected", "observed", "high"]].max().max()
    ax.plot([0, top], [0, top], color=style.GREY, linestyle="--", linewidth=0.7)
    for name, rows in data.groupby("model", sort=False):
        look = {"color": colours[name], "marker": shapes[name], "markersize": 3}
        sns.lineplot(rows, x="expected", y="observed", ax=ax, **look)
        ax.fill_between(
            rows["expected"], rows["low"], rows["high"], color=colours[name], alpha=0.15
        )
    corners = [LOWER_RIGHT, UPPER_LEFT] if kind == "coverage" else [UPPER_LEFT, LOWER_RIGHT]
    look = {"transform": ax.transAxes, "size": style.SMALL, "color": style.GREY, "style": "italic"}
    for (x, y, across, along), text in zip(corners, ("too sure", "too cautious"), strict=True):
        ax.text(x, y, text, ha=across, va=along, **look)
    ax.set(xlim=(0, top), ylim=(0, top), xlabel=AXES[kind][0], ylabel=AXES[kind][1])
    ax.set_box_aspect(1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(3))


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    paths = dict(zip(study.calibrated, snakemake.input.calibration, strict=True))
    means = calibration_means(read_calibration(paths, study)).rename(columns={"mean": "observed"})
    models = [name for name in study.compared_models if name in set(means["model"])]
    means = means[means["model"].isin(models or study.models)]
    colours = style.palette(study)
    shapes = style.markers(study)

    columns = condition_titles(study, dict.fromkeys(means["tested_on"]), ends_only=True)
    keys = zip(means["tested_on"], means["condition"], strict=True)
    means = means.assign(title=list(map(columns.get, keys))).dropna(subset="title")
    titles = list(columns.values())
    height = min(46.0, style.WIDTH / len(titles))
    facets = {"row": "kind", "row_order": list(AXES), "col": "title", "col_order": titles}
    grid = style.grid_of(means, height, sharex=False, sharey=False, **facets)
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data, grid.row_names[i])
        grid.axes[0, j].set_title(titles[j])
        grid.axes[i, j].set_ylabel(grid.axes[i, j].get_ylabel() if j == 0 else "")

    legend = [
        style.entry(style.model_label(name, study), color=colours[name], marker=shapes[name])
        for name in dict.fromkeys(means["model"])
    ]
    note = style.interval_note(means["n"], study, over_trainings=False)
    note += " Dashed: perfect calibration."
    style.finish(grid.figure, snakemake, note, legend)
