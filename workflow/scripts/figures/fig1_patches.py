"""Figure 1: a few patches of training and validation, low-SNR input over ground truth."""

import numpy as np
from matplotlib.figure import Figure

from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

SIDE = 17.5  # mm, of a patch
GAP = 1.0
LEFT = 20.0
HEAD = 9.0  # of a dataset: its name, and the conditions of its patches
ROWS = {"X": "low-SNR input", "Y": "ground truth"}


def planes(patches):
    """The middle planes (n, Y, X) of patches (n, Z, Y, X); flat patches as they are."""
    return patches[:, patches.shape[1] // 2] if patches.ndim == 4 else patches


def draw_dataset(figure, dataset, examples, top):
    """The patches of one dataset, all on the grey scale of its ground truth."""
    truths = np.concatenate([planes(examples[f"{part}_Y"]) for part in ("train", "validation")])
    scale = images.grey_scale(truths)
    images.text_at(figure, LEFT, top + 2, dataset.label, weight="bold", va="center")
    x = LEFT
    for part, title in (("train", "training"), ("validation", "validation")):
        images.text_at(figure, x, top + 5, title, va="center")
        for i, condition in enumerate(examples[f"{part}_condition"]):
            label = dataset.condition_label(str(condition)) if condition else ""
            images.text_at(figure, x, top + HEAD - 1, label, size=style.SMALL)
            for j, name in enumerate(ROWS):
                image = planes(examples[f"{part}_{name}"])[i]
                ax = images.axes_at(figure, x, top + HEAD + j * (SIDE + GAP), SIDE, SIDE)
                images.show(ax, image, scale)
                if x == LEFT and j == 0 and dataset.voxel_size:
                    images.draw_scale_bar(ax, image.shape, dataset.voxel_size[-1], is_left=True)
            x += SIDE + GAP
        x += 4 * GAP
    for j, label in enumerate(ROWS.values()):
        y = top + HEAD + j * (SIDE + GAP) + SIDE / 2
        images.text_at(figure, LEFT - 1.5, y, label, ha="right", va="center")


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    block = HEAD + 2 * (SIDE + GAP) + 2
    height = style.HEAD + 2 + block * len(study.trained_datasets) + style.FOOT
    figure = Figure(figsize=(style.WIDTH * style.MM, height * style.MM))
    for i, name in enumerate(study.trained_datasets):
        with np.load(snakemake.input.examples[i]) as examples:
            draw_dataset(figure, study.datasets[name], examples, style.HEAD + 2 + i * block)
    note = "Middle planes of patches as the network gets them; "
    note += "all patches of a dataset are on the grey scale of its ground truth."
    style.save(figure, snakemake, "Training patches", note)
