"""Costs of the 2019 study's epochs: their time against steps and batch size, the steps that the
CARE paper's time means, and the rates of the hardware.
"""

import numpy as np
import seaborn as sns

from denoising.evaluation.published_records import read_histories
from denoising.evaluation.published_times import SWEEPS, epoch_times, steps_for_paper, sweep_line
from denoising.evaluation.runtimes import PAPER_STEPS_SAID
from denoising.evaluation.scores import read_tidy
from denoising.report import style

LINE, VALIDATION, PAPER, SAID = (style.COLOURS[i] for i in (0, 1, 2, 3))
HEIGHT = 56.0  # mm of a row


def draw_sweep(ax, fit, label):
    """Medians, their line, and how much of its overhead the validation takes."""
    per_value = fit.rows["patches"] / fit.rows[fit.varies] / fit.batch_size
    x = np.array([0, fit.rows[fit.varies].max() * 1.08])
    steps = x * per_value.iloc[0]
    y = fit.line.overhead_seconds + fit.line.seconds_per_step * steps
    ax.fill_between(x, 0, fit.validation_seconds, color=VALIDATION, alpha=0.35, linewidth=0)
    ax.plot(x, y, color=LINE)
    ax.plot(fit.rows[fit.varies], fit.rows["seconds_per_epoch"], "o", color=LINE, markersize=4)
    ax.set(xlabel=label, ylabel="time per epoch (s)", xlim=x, ylim=(0, None))
    ax.set_xticks(fit.rows[fit.varies])
    words = f"overhead {fit.line.overhead_seconds:.1f} s,\n"
    words += f"validation {fit.validation_seconds:.1f} s"
    ax.text(0.05, 0.93, words, transform=ax.transAxes, va="top")


def draw_paper(ax, fit, runtimes):
    """The line of steps, drawn out to the CARE paper's time in 200 and in 100 epochs."""
    steps = steps_for_paper(fit.line, runtimes)
    x = np.array([0, max(steps.values()) * 1.08])
    ax.plot(x, fit.line.overhead_seconds + fit.line.seconds_per_step * x, color=LINE)
    ax.plot(fit.rows["steps_per_epoch"], fit.rows["seconds_per_epoch"], "o", color=LINE, ms=4)
    for epochs, value in steps.items():
        y = fit.line.overhead_seconds + fit.line.seconds_per_step * value
        ax.plot(value, y, "D", color=PAPER, markersize=5)
        place = {"xytext": (-6, 0), "textcoords": "offset points", "ha": "right"}
        ax.annotate(f"{value:,.0f} steps\nin {epochs} epochs", (value, y), **place)
    ax.axvline(PAPER_STEPS_SAID, color=SAID, linestyle="--")
    ax.set(xlabel="steps per epoch (batches of 16)", ylabel="time per epoch (s)")
    ax.set(xlim=x, ylim=(0, None))


def draw_rates(ax, times):
    """Patches per second and arithmetic per second of every record."""
    rows = times.sort_values(["trained_on", "patches", "record"])
    sns.stripplot(
        rows, x="teraflop_per_second", y="record", ax=ax, color=LINE, size=4, jitter=False
    )
    top = rows["teraflop_per_second"].max()
    for place, value in enumerate(rows["samples_per_second"]):
        ax.text(top * 1.14, place, f"{value:.0f} patches/s", va="center", size=style.SMALL)
    ax.set(xlabel="arithmetic (TFLOP per second)", ylabel="", xlim=(0, top * 1.45))
    ax.set_xticks(range(int(top) + 2))
    ax.grid(color=style.GRID)


with style.drawing(snakemake) as study:
    histories = read_histories(snakemake.input.records)
    times = epoch_times(histories, read_tidy(snakemake.input.sizes))
    steps, batches = (sweep_line(times, varies) for varies in SWEEPS)
    figure, axes = style.panels_of(2, 2, HEIGHT)
    draw_sweep(axes[0, 0], steps, "steps per epoch (batches of 16)")
    draw_sweep(axes[0, 1], batches, "batch size (patches), 400 steps per epoch")
    draw_paper(axes[1, 0], steps, read_tidy(snakemake.input.published))
    draw_rates(axes[1, 1], times)
    for ax in axes.flat[:3]:
        ax.grid(axis="y", color=style.GRID)
    legend = [
        style.entry("median over epochs, line of least squares", color=LINE, marker="o", ls="-"),
        style.entry(
            "validation, at a third of a training patch's time", color=VALIDATION, lw=4, ls="-"
        ),
        style.entry("CARE paper's 30h06", color=PAPER, marker="D"),
        style.entry(f'"around {PAPER_STEPS_SAID}" (2019 study)', color=SAID, linestyle="--"),
    ]
    note = "One GTX 1080. Lines and validation are of planaria, batches of 16 or 400 steps. "
    note += "Right: the whole epoch, validation included."
    style.finish(figure, snakemake, note, legend)
