"""Figure 2: one section of a test volume as input, by the best filter, restored, and as truth."""

import numpy as np
from matplotlib import pyplot as plt

from denoising.evaluation.moments import nrmse, scale_to
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

TALLEST = 225.0  # mm


def draw_panel(ax, image, truth, name, window):
    """One section: the input on its own grey scale, the others on that of the ground truth."""
    target, fitted = scale_to(truth, image)  # as in scores
    if name == "input":
        images.show(ax, image, images.grey_scale(image), window)
    else:
        images.show(ax, fitted, images.grey_scale(target), window)
    if name != "truth":
        error = nrmse(target, fitted) / np.ptp(np.percentile(truth, TRUTH_PERCENTILES))
        images.write_on(ax, 0.92, f"NRMSE {error:.3f}")


def draw_dataset(axes, dataset, examples):
    """The sections of one dataset: conditions down, methods across."""
    run = study.runs[study.example_run(dataset.name)]
    trained_on = study.datasets[study.models[run.model].trained_on].label
    columns = {"input": "input"}
    if "baseline" in examples:
        label = str(examples["baseline_label"]).replace(", ", ",\n")
        columns["baseline"] = f"best on validation patches:\n{label}"
    columns |= {"restored": f"network trained on\n{trained_on}", "truth": "ground truth"}
    window = images.window_of(examples["truth"].mean(axis=0))
    for places, (name, title) in zip(axes.T, columns.items(), strict=True):
        places[0].set_title(title)
        for ax, image, truth in zip(places, examples[name], examples["truth"], strict=True):
            draw_panel(ax, image, truth, name, window)
    for ax, condition in zip(axes[:, 0], examples["conditions"].tolist(), strict=True):
        ax.set_ylabel(f"{dataset.label}\n{dataset.condition_label(condition)}")
    # Wider than a column, so it stands in the room of an empty label
    axes[-1, -1].set_xlabel(" \n ")
    below = {"transform": axes[-1, 0].transAxes, "va": "top", "in_layout": False}
    axes[-1, 0].text(0, -0.03, f"middle section of {examples['volume']}", **below)
    width = examples["truth"].shape[-1]
    images.draw_scale_bar(axes[0, 0], width, float(examples["pixel_size_um"]))


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    blocks = [np.load(path) for path in snakemake.input.examples]
    counts = [len(block["conditions"]) for block in blocks]
    columns = 4 if study.baselines else 3
    _, tall, wide = blocks[0]["truth"].shape
    height = min(sum(counts) * (style.WIDTH / columns * tall / wide + 8), TALLEST)
    size = (style.WIDTH * style.MM, height * style.MM)
    figure, axes = plt.subplots(sum(counts), columns, figsize=size, squeeze=False)
    rows = np.split(axes, np.cumsum(counts)[:-1])
    for places, name, block in zip(rows, study.tested_datasets, blocks, strict=True):
        draw_dataset(places, study.datasets[name], block)
    note = "Input on its own grey scale; the others are fitted to the ground truth, as in scores, "
    note += "and on its scale. NRMSE: of the section shown. Insets: the framed windows."
    style.finish(figure, snakemake, note, compress=True)
