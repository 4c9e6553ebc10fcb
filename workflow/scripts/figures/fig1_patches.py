"""Figure 1: a few patches of training and validation, low-SNR input over ground truth."""

import numpy as np
from skimage.util import montage

from denoising.report import image_panels as images
from denoising.report import style

PARTS = {"train": "training", "validation": "validation"}
ROWS = {"X": "low-SNR input", "Y": "ground truth"}


def draw_part(ax, dataset, examples, part):
    """Inputs over ground truths, side by side, on the grey scale of the dataset's ground truth."""
    truths = np.concatenate([examples[f"{name}_Y"] for name in PARTS])
    patches = np.concatenate([examples[f"{part}_{name}"] for name in ROWS])
    if patches.ndim == 4:
        patches = patches[:, patches.shape[1] // 2]
    names = examples[f"{part}_condition"].tolist()
    labels = [dataset.condition_label(name) if name else "" for name in names]
    gap = max(1, patches.shape[-1] // 20)
    shape = (len(ROWS), len(names))
    sheet = montage(patches, fill=np.nan, grid_shape=shape, padding_width=gap)[gap:-gap, gap:-gap]
    images.show(ax, sheet, truths)
    height, width = np.add(patches.shape[1:], gap)
    ax.set_xticks((np.arange(len(names)) + 0.5) * width, labels)
    ax.set_yticks((np.arange(len(ROWS)) + 0.5) * height, ROWS.values(), rotation=90, va="center")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set_title(f"{dataset.label}, {PARTS[part]}", loc="left", weight="bold")
    if dataset.voxel_size:
        images.draw_scale_bar(ax, sheet.shape[1] + gap, dataset.voxel_size[-1])


with style.drawing(snakemake) as study:
    blocks = [np.load(path) for path in snakemake.input.examples]
    figure, axes = style.panels_of(len(blocks), len(PARTS), 54.0)
    for places, name, block in zip(axes, study.patched_datasets, blocks, strict=True):
        for ax, part in zip(places, PARTS, strict=True):
            draw_part(ax, study.datasets[name], block, part)
    note = "Middle planes. All patches of a dataset are on the grey scale of its ground truth."
    style.finish(figure, snakemake, note)
