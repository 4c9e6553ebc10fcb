"""Figure 2: one section of a test volume as input, by the best filter, restored, and as truth."""

import numpy as np
from matplotlib import pyplot as plt

from denoising.evaluation.moments import least_squares_fit, mean_squared_error, moments_of
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

TALLEST = 225.0  # mm


def columns_of(examples, run):
    """Title to sections (conditions, Y, X): the ground truth is last."""
    training = study.training_of(study.runs[run].model)
    network = f"network trained on\n{study.datasets[training.trained_on].label}"
    columns = {"input": examples["input"]}
    if "baseline" in examples:
        label = str(examples["baseline_label"]).replace(", ", ",\n")
        columns[f"best on validation patches:\n{label}"] = examples["baseline"]
    return {**columns, network: examples["restored"], "ground truth": examples["truth"]}


def draw_panel(ax, image, truth, title, window):
    """One section: the input on its own grey scale, the others on that of the ground truth."""
    scale = images.grey_scale(truth)
    if title != "ground truth":
        # By least squares, as in scores
        moments = moments_of(truth, image)
        fit = least_squares_fit(moments)
        fitted = fit.gain * image + fit.offset
        low, high = np.percentile(truth, TRUTH_PERCENTILES)
        nrmse = np.sqrt(mean_squared_error(moments, fit)) / (high - low)
        is_left = window is not None and window.is_left and not window.is_upper
        images.write_on(ax, f"NRMSE {nrmse:.3f}", is_left, is_upper=True)
        image = image if title == "input" else fitted
        scale = images.grey_scale(image) if title == "input" else scale
    images.show(ax, image, scale, window)


def draw_dataset(axes, dataset, examples):
    """The sections of one dataset: conditions down, methods across."""
    window = images.window_of(examples["truth"].mean(axis=0))
    for j, (title, sections) in enumerate(columns_of(examples, run_of[dataset.name]).items()):
        axes[0, j].set_title(title)
        for ax, image, truth in zip(axes[:, j], sections, examples["truth"], strict=True):
            draw_panel(ax, image, truth, title, window)
    for ax, condition in zip(axes[:, 0], examples["conditions"], strict=True):
        ax.set_ylabel(f"{dataset.label}\n{dataset.condition_label(str(condition))}")
    below = {"transform": axes[-1, 0].transAxes, "va": "top", "in_layout": False}
    axes[-1, 0].text(0, -0.03, f"middle section of {examples['volume']}", **below)
    axes[-1, -1].set_xlabel(" \n ")  # room for these words, which are wider than a column
    # In a corner that holds neither the inset nor its window
    is_left = window is None or window.is_left == window.is_upper
    width = examples["truth"].shape[-1]
    images.draw_scale_bar(axes[0, 0], width, float(examples["pixel_size_um"]), is_left)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    run_of = {name: study.example_run(name) for name in study.tested_datasets}
    blocks = [dict(np.load(path)) for path in snakemake.input.examples]
    counts = [len(block["conditions"]) for block in blocks]
    columns = max(4 if "baseline" in block else 3 for block in blocks)
    _, tall, wide = blocks[0]["truth"].shape
    height = min(sum(counts) * (style.WIDTH / columns * tall / wide + 8), TALLEST)
    size = (style.WIDTH * style.MM, height * style.MM)
    figure, axes = plt.subplots(sum(counts), columns, figsize=size, squeeze=False)
    for name, block, last in zip(run_of, blocks, np.cumsum(counts), strict=True):
        rows = axes[last - len(block["conditions"]) : last]
        draw_dataset(rows, study.datasets[name], block)
    note = "Input on its own grey scale; the others are fitted to the ground truth, as in scores, "
    note += "and on its scale. NRMSE: of the section shown. Insets: the framed windows."
    style.finish(figure, snakemake, note, compress=True)
