"""Training time of every run, ours apart from the published, and time per epoch against steps."""

import seaborn as sns
from matplotlib import pyplot as plt

from denoising.evaluation.published import published_runtimes
from denoising.evaluation.runtimes import group_line, line_groups, our_runtimes
from denoising.evaluation.scores import read_tidy
from denoising.report import style
from denoising.running.logs import open_log

UNITS = {"s": 1, "min": 60, "h": 3600}


def unit_of(seconds):
    """The largest unit in which the median time is 1 or more."""
    return [name for name, size in UNITS.items() if seconds.median() >= size or size == 1][-1]


def draw_times(ax, rows, title):
    """A point per training, a row per model."""
    unit = unit_of(rows["hours"] * 3600)
    times = rows.assign(time=rows["hours"] * 3600 / UNITS[unit])
    times["source"] = times["source"].str.split(",").str[0]
    sns.stripplot(times, x="time", y="model", hue="source", ax=ax, size=4, jitter=False)
    ax.set(xlabel=f"training time ({unit})", ylabel="", title=title, xlim=(0, None))
    ax.grid(color=style.GRID)
    ax.get_legend().set_title("")
    if times["source"].nunique() == 1:
        ax.get_legend().remove()


def draw_lines(ax, rows):
    """Time per epoch against steps per epoch, with a line through three points or more."""
    unit = unit_of(rows["seconds_per_epoch"].dropna())
    for colour, group in zip(style.COLOURS, line_groups(rows), strict=False):
        first = group.iloc[0]
        name = f"{first['trained_on']}, batch size {first['batch_size']:g},\n"
        name += f"{first['epochs']:g} epochs: {group_line(group).seconds_per_step:.2g} s per step"
        x = group["steps_per_epoch"]
        y = group["seconds_per_epoch"] / UNITS[unit]
        look = {"scatter_kws": {"s": 12}, "line_kws": {"linewidth": 0.8}}
        sns.regplot(x=x, y=y, ax=ax, ci=None, color=colour, label=name, **look)
    ax.set(xlabel="steps per epoch (batches)", ylabel=f"time per epoch ({unit})")
    ax.set(xlim=(0, None), ylim=(0, None))
    ax.legend(loc="upper left")
    ax.grid(color=style.GRID)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    histories = dict(zip(study.runs, snakemake.input.histories, strict=True))
    tables = {
        "this study": our_runtimes(histories, study),
        "published": published_runtimes(read_tidy(snakemake.input.published), study),
    }
    tables = {name: rows for name, rows in tables.items() if len(rows)}
    lined = [name for name, rows in tables.items() if line_groups(rows)]
    counts = [max(rows["model"].nunique(), 4) for rows in tables.values()]
    size = (style.WIDTH * style.MM, sum(12 + 4.2 * count for count in counts) * style.MM)
    figure, axes = plt.subplots(
        len(tables), 2 if lined else 1, figsize=size, squeeze=False, height_ratios=counts
    )
    for (name, rows), places in zip(tables.items(), axes, strict=True):
        draw_times(places[0], rows, name)
        if name in lined:
            draw_lines(places[1], rows)
        for ax in places[1:][name in lined :]:
            ax.set_axis_off()
    note = "A point per training. Times of different machines do not compare."
    if lined:
        note += " Lines: least squares through runs alike in all but their steps per epoch."
    style.finish(figure, snakemake, note)
