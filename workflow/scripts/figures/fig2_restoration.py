"""Figure 2: one section of a test volume as input, by the best filter, restored, and as truth."""

import numpy as np
from matplotlib.figure import Figure

from denoising.report import image_panels as images
from denoising.report import style
from denoising.running.logs import open_log

GAP = 1.2  # mm
LEFT = 6.0
HEAD = 11.0  # of a dataset: its name, and the titles of the columns
TALLEST = 218.0  # mm that all panels may take


def columns_of(examples, run):
    """Title to sections (conditions, Y, X): the ground truth is last."""
    training = study.training_of(study.runs[run].model)
    network = f"network trained on\n{study.datasets[training.trained_on].label}"
    columns = {"input": examples["input"]}
    if "baseline" in examples:
        label = str(examples["baseline_label"]).replace(", ", ",\n")
        columns[f"best filter: {label}"] = examples["baseline"]
    return {**columns, network: examples["restored"], "ground truth": examples["truth"]}


def draw_panel(ax, image, truth, title, window):
    """One section: the input on its own grey scale, the others on that of the ground truth."""
    scale = images.grey_scale(truth)
    if title != "ground truth":
        # By least squares, as in scores
        gain, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
        fitted = gain * image + offset
        low, high = np.percentile(truth, images.CONTRAST)
        nrmse = np.sqrt(np.mean((fitted - truth) ** 2)) / (high - low)
        x, across = (0.03, "left") if window and window.is_left else (0.97, "right")
        look = {"transform": ax.transAxes, "ha": across, "va": "top"}
        ax.text(x, 0.97, f"NRMSE {nrmse:.3f}", **look, **images.WORDS)
        image = image if title == "input" else fitted
        scale = images.grey_scale(image) if title == "input" else scale
    images.show(ax, image, scale)
    if window:
        images.draw_inset(ax, image, window, scale)


def draw_dataset(figure, dataset, examples, top):
    """The sections of one dataset: conditions down, methods across."""
    columns = columns_of(examples, study.example_run(dataset.name))
    start = LEFT + (style.WIDTH - LEFT - 2 - len(columns) * (width + GAP)) / 2
    window = images.window_of(examples["truth"].mean(axis=0))
    label = f"{dataset.label}, middle section of {examples['volume']}"
    images.text_at(figure, start, top + 2, label, weight="bold", va="center")
    for j, (title, sections) in enumerate(columns.items()):
        x = start + j * (width + GAP)
        images.text_at(figure, x + width / 2, top + HEAD - 1, title, ha="center")
        for i, image in enumerate(sections):
            ax = images.axes_at(figure, x, top + HEAD + i * (height + GAP), width, height)
            draw_panel(ax, image, examples["truth"][i], title, window)
            if i == j == 0:
                # In a corner that holds neither the inset nor its window
                is_left = window is None or window.is_left == window.is_upper
                images.draw_scale_bar(ax, image.shape, examples["pixel_size_um"], is_left)
    for i, condition in enumerate(examples["conditions"]):
        y = top + HEAD + i * (height + GAP) + height / 2
        label = dataset.condition_label(str(condition))
        images.text_at(figure, start - 1, y, label, rotation=90, ha="right", va="center")


with open_log(snakemake.log[0]):
    style.use_theme()
    study = snakemake.params.study
    blocks = {}
    for name, path in zip(study.tested_datasets, snakemake.input.examples, strict=True):
        with np.load(path) as archive:
            blocks[name] = dict(archive)
    rows = sum(len(block["conditions"]) for block in blocks.values())
    count = max(4 if "baseline" in block else 3 for block in blocks.values())
    _, tall, wide = next(iter(blocks.values()))["truth"].shape
    widest = (style.WIDTH - LEFT - 2) / count - GAP
    height = min(widest * tall / wide, (TALLEST - HEAD * len(blocks)) / rows - GAP)
    width = height * wide / tall
    total = HEAD * len(blocks) + rows * (height + GAP) + style.HEAD + style.FOOT + 4
    figure = Figure(figsize=(style.WIDTH * style.MM, total * style.MM))
    top = style.HEAD + 2
    for name, block in blocks.items():
        draw_dataset(figure, study.datasets[name], block, top)
        top += HEAD + len(block["conditions"]) * (height + GAP) + 1
    note = "Input on its own grey scale; the others are fitted to the ground truth, as in scores, "
    note += "and on its scale. NRMSE: of the section shown. Insets: the framed windows."
    style.save(figure, snakemake, "Restorations", note)
