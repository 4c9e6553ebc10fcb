"""Figure 2: one section of a test volume as input, by the best filter, restored, and as truth."""

import numpy as np

from denoising.evaluation.moments import nrmse, scale_to
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.report import image_panels as images
from denoising.report import style
from denoising.study.networks import trained_on_label

TALLEST = 225.0  # mm


def draw_panel(ax, image, truth, name, window):
    """One section: the input on its own grey scale, the others on that of the ground truth."""
    target, fitted = scale_to(truth, image)  # as in scores
    shown = (image, image) if name == "input" else (fitted, target)
    images.show(ax, *shown, window)
    if name != "truth":
        error = nrmse(target, fitted) / np.ptp(np.percentile(truth, TRUTH_PERCENTILES))
        images.write_on(ax, 0.92, f"NRMSE {error:.3f}")


def draw_dataset(axes, dataset, examples):
    """The sections of one dataset: conditions down, methods across."""
    run = study.runs[study.example_run(dataset.name)]
    columns = {"input": "input"}
    if "baseline" in examples:
        label = str(examples["baseline_label"]).replace(", ", ",\n")
        columns["baseline"] = f"best on validation patches:\n{label}"
    columns |= {
        "restored": f"network trained\n{trained_on_label(run.model, study)}",
        "truth": "ground truth",
    }
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
    pixel_size = float(examples["pixel_size_um"])
    images.draw_scale_bar(axes[0, 0], examples["truth"].shape[-1], pixel_size)


with style.drawing(snakemake) as study:
    blocks = [np.load(path) for path in snakemake.input.examples]
    counts = [len(block["conditions"]) for block in blocks]
    columns = 4 if study.baselines else 3
    _, tall, wide = blocks[0]["truth"].shape
    height = min(style.WIDTH / columns * tall / wide + 8, TALLEST / sum(counts))
    figure, axes = style.panels_of(sum(counts), columns, height)
    rows = np.split(axes, np.cumsum(counts)[:-1])
    for places, name, block in zip(rows, study.tested_datasets, blocks, strict=True):
        draw_dataset(places, study.datasets[name], block)
    note = "Input on its own grey scale, the others on the ground truth's. NRMSE: of this section."
    style.finish(figure, snakemake, note)
