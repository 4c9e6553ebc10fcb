"""Figure 1: a few patches of training and validation, low-SNR input over ground truth."""

import numpy as np
from matplotlib import pyplot as plt

from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

PARTS = {"train": "training", "validation": "validation"}
ROWS = {"X": "low-SNR input", "Y": "ground truth"}


def draw_part(ax, dataset, examples, part):
    """Inputs over ground truths, side by side, on the grey scale of the dataset's ground truth."""
    scale = images.grey_scale(np.concatenate([examples[f"{name}_Y"] for name in PARTS]))
    pairs = np.stack([examples[f"{part}_{name}"] for name in ROWS])
    if pairs.ndim == 5:
        pairs = pairs[:, :, pairs.shape[2] // 2]
    gap = max(1, pairs.shape[-1] // 20)
    pairs = np.pad(pairs, [(0, 0), (0, 0), (0, gap), (0, gap)], constant_values=np.nan)
    rows, columns, height, width = pairs.shape
    sheet = pairs.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    images.show(ax, sheet[:-gap, :-gap], scale)
    names = examples[f"{part}_condition"].tolist()
    labels = [dataset.condition_label(name) if name else "" for name in names]
    ax.set_xticks((np.arange(columns) + 0.5) * width, labels)
    ax.set_yticks((np.arange(rows) + 0.5) * height, ROWS.values(), rotation=90, va="center")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set_title(f"{dataset.label}, {PARTS[part]}", loc="left", weight="bold")
    if dataset.voxel_size:
        images.draw_scale_bar(ax, sheet.shape[1], dataset.voxel_size[-1])


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    blocks = [np.load(path) for path in snakemake.input.examples]
    size = (style.WIDTH * style.MM, 54 * len(blocks) * style.MM)
    figure, axes = plt.subplots(len(blocks), len(PARTS), figsize=size, squeeze=False)
    for places, name, block in zip(axes, study.trained_datasets, blocks, strict=True):
        for ax, part in zip(places, PARTS, strict=True):
            draw_part(ax, study.datasets[name], block, part)
    note = "Middle planes of patches as the network gets them; "
    note += "all patches of a dataset are on the grey scale of its ground truth."
    style.finish(figure, snakemake, note, compress=True)
