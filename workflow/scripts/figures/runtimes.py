"""Training time of every run, ours apart from the published, and time per epoch against steps."""

import numpy as np
import seaborn as sns

from denoising.evaluation.published import published_runtimes
from denoising.evaluation.runtimes import group_line, line_groups, our_runtimes
from denoising.evaluation.scores import read_tidy
from denoising.report import style

UNITS = {"s": 1, "min": 60, "h": 3600}


def draw_times(ax, rows, title):
    """A point per training, a row per model, in the largest unit with a median of 1 or more."""
    seconds = rows["hours"] * 3600
    unit = [name for name, size in UNITS.items() if seconds.median() >= size or size == 1][-1]
    source = rows["source"].str.split(",").str[0].rename("")
    look = {"size": 4, "jitter": False, "legend": source.nunique() > 1}
    sns.stripplot(x=seconds / UNITS[unit], y=rows["model"], hue=source, ax=ax, **look)
    ax.set(xlabel=f"training time ({unit})", ylabel="", title=title, xlim=(0, None))


def draw_lines(ax, groups):
    """Time per epoch against steps per epoch, with a line through each group of runs."""
    for colour, group in zip(style.COLOURS, groups, strict=False):
        trained_on, batch, epochs = group[["trained_on", "batch_size", "epochs"]].iloc[0]
        rate = group_line(group).seconds_per_step
        label = f"{trained_on}, batch size {batch:g},\n{epochs:g} epochs: {rate:.2g} s per step"
        look = {"label": label, "color": colour, "ci": None, "line_kws": {"linewidth": 0.8}}
        sns.regplot(group, x="steps_per_epoch", y="seconds_per_epoch", ax=ax, **look)
    ax.set(xlabel="steps per epoch (batches)", ylabel="time per epoch (s)")
    ax.set(xlim=(0, None), ylim=(0, None))
    ax.legend(loc="upper left")


with style.drawing(snakemake) as study:
    histories = dict(zip(study.trainings, snakemake.input.histories, strict=True))
    published = published_runtimes(read_tidy(snakemake.input.published), study)
    tables = {"this study": our_runtimes(histories, study), "published": published}
    tables = {title: rows for title, rows in tables.items() if len(rows)}
    groups = {title: line_groups(rows) for title, rows in tables.items()}
    columns = 2 if any(groups.values()) else 1
    heights = [12 + 4.2 * max(rows["model"].nunique(), 4) for rows in tables.values()]
    figure, axes = style.panels_of(len(tables), columns, np.mean(heights), height_ratios=heights)
    for places, (title, rows) in zip(axes, tables.items(), strict=True):
        draw_times(places[0], rows, title)
        if groups[title]:
            draw_lines(places[1], groups[title])
        elif columns == 2:
            places[1].set_axis_off()
    for ax in axes.flat:
        ax.grid(axis="both")
    note = "A point per training. Times of different machines do not compare."
    if columns == 2:
        note += " Lines: least squares through runs alike in all but their steps per epoch."
    style.finish(figure, snakemake, note)
