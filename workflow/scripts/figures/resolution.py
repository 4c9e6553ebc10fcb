"""Resolution: how true and how complete details are, from coarse to fine ones, in XY and in Z."""

import pandas as pd

from denoising.evaluation.comparisons import best_baseline
from denoising.evaluation.resolution import LEAST_CORRELATION, LEAST_TRANSFER
from denoising.evaluation.resolution_summary import curve_means
from denoising.evaluation.scores import method_of, read_scores, read_tidy
from denoising.report import style
from denoising.report.score_panels import by_condition, filter_entries, labelled, score_grid
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT

# Direction and metric to the label of a row
LABELS = {
    ("xy", "correlation"): "correlation\nwith truth, XY",
    ("xy", "transfer"): "transfer\nof truth, XY",
    ("z", "correlation"): "correlation\nwith truth, Z",
    ("z", "transfer"): "transfer\nof truth, Z",
}
LEVELS = {"correlation": LEAST_CORRELATION, "transfer": LEAST_TRANSFER}
TOPS = {"correlation": 1.02, "transfer": 1.6}
PERIODS = (20, 10, 5, 3, 2, 1.5, 1, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1)
APART = 0.12  # of an axis, at least, between two labels


def draw_panel(ax, data):
    """A line with its band per method, and the level below which details are counted as lost."""
    metric = data["metric"].iloc[0]
    ax.axhline(LEVELS[metric], color="0.3", linestyle=":")
    for name, rows in data.groupby("method", sort=False):
        ax.plot(rows["frequency"], rows["mean"], **looks[name])
        band = {"color": looks[name]["color"], "alpha": 0.12, "linewidth": 0}
        ax.fill_between(rows["frequency"], rows["low"], rows["high"], **band)
    ax.set(ylim=(-0.1, TOPS[metric]), xlim=(0, data["frequency"].max()))
    unit = "µm" if study.datasets[data["tested_on"].iloc[0]].voxel_size else "voxel"
    if metric == "correlation":
        label_periods(ax, unit)
    else:
        ax.set_xlabel(f"frequency (cycles per {unit})")


def label_periods(ax, unit):
    """The periods of details along the upper edge."""
    upper = ax.secondary_xaxis("top")
    last = ax.get_xlim()[1]
    ticks = {}
    for period in (period for period in PERIODS if 1 / period <= last):
        if 1 / period - max(ticks, default=0) >= APART * last:
            ticks[1 / period] = f"{period:g}"
    upper.set_xticks(list(ticks), list(ticks.values()))
    upper.tick_params(length=2, pad=1, labelsize=style.SMALL)
    ax.tick_params(labelbottom=False)
    upper.set_xlabel(f"period ({unit})", size=style.SMALL, labelpad=2)


with style.drawing(snakemake) as study:
    scores = read_scores(snakemake.input.scores)
    curves = pd.concat([read_tidy(path) for path in snakemake.input.curves])
    curves = curves.assign(method=method_of(curves))
    best = {name: best_baseline(scores, name) for name in study.tested_datasets}
    is_best = curves["method"] == curves["tested_on"].map(best)
    curves = curves[is_best | ~curves["method"].isin(BASELINES)]
    means = by_condition(curve_means(curves), study, ends_only=True)
    keys = zip(means["direction"], means["metric"], strict=True)
    means = means.assign(panel=labelled(keys, LABELS))
    networks = [name for name in study.with_ensembles(study.models) if name in set(means["method"])]
    looks = {
        name: {"color": colour, "linestyle": "-"} for name, colour in style.palette(study).items()
    }
    looks |= {name: looks[name] | {"linestyle": "-."} for name in study.ensembles}
    # On top, as the curve of a blurred image hides that of the image
    looks[INPUT] = {"color": "0.3", "linestyle": "--", "zorder": 3}

    grid = score_grid(means, 32.0, sharex=False, sharey="row")
    for (i, j, _), data in grid.facet_data():
        draw_panel(grid.axes[i, j], data)
    legend = [style.entry(INPUT, **looks[INPUT])]
    legend += filter_entries(means, study, linestyle="-", marker="")
    legend += [style.entry(style.model_label(name, study), **looks[name]) for name in networks]
    note = style.interval_note(means, study) + " Dotted: 1/7 and 1/2."
    style.finish(grid.figure, snakemake, note, legend)
