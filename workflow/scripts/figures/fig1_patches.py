"""Figure 1: a few patches of training and validation, low-SNR input over ground truth."""

import numpy as np
from matplotlib import pyplot as plt

from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

PARTS = {"train": "training", "validation": "validation"}
ROWS = {"X": "low-SNR input", "Y": "ground truth"}


def planes(patches):
    """The middle planes (n, Y, X) of patches (n, Z, Y, X); flat patches as they are."""
    return patches[:, patches.shape[1] // 2] if patches.ndim == 4 else patches


def draw_dataset(axes, dataset, examples):
    """The patches of one dataset, all on the grey scale of its ground truth."""
    scale = images.grey_scale(np.concatenate([planes(examples[f"{part}_Y"]) for part in PARTS]))
    for (part, title), first in zip(PARTS.items(), (0, gap + 1), strict=True):
        for row, (name, label) in zip(axes, ROWS.items(), strict=True):
            row[0].set_ylabel(label)
            for ax, image in zip(row[first:], planes(examples[f"{part}_{name}"]), strict=False):
                images.show(ax, image, scale)
        for ax, condition in zip(axes[0, first:], examples[f"{part}_condition"], strict=False):
            quality = f"\n{dataset.condition_label(str(condition))}" if condition else ""
            ax.set_title(f"{title}{quality}")
    # Above the two lines of the other titles
    axes[0, 0].set_title(f"{dataset.label}\n\n", loc="left", weight="bold")
    if dataset.voxel_size:
        width = examples["train_Y"].shape[-1]
        images.draw_scale_bar(axes[0, 0], width, dataset.voxel_size[-1], is_left=True)


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    blocks = [dict(np.load(path)) for path in snakemake.input.examples]
    # The column that parts training from validation
    gap = max(len(block["train_condition"]) for block in blocks)
    widths = [1] * gap + [0.2] + [1] * max(len(block["validation_condition"]) for block in blocks)
    size = (style.WIDTH * style.MM, 50 * len(blocks) * style.MM)
    shape = (len(ROWS) * len(blocks), len(widths))
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, width_ratios=widths)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], frame_on=False)
    for i, (name, block) in enumerate(zip(study.trained_datasets, blocks, strict=True)):
        draw_dataset(axes[2 * i : 2 * i + 2], study.datasets[name], block)
    note = "Middle planes of patches as the network gets them; "
    note += "all patches of a dataset are on the grey scale of its ground truth."
    style.finish(figure, snakemake, note, compress=True)
