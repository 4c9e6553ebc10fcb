"""Pictures of restored images: sections XY and XZ of the input, the restoration and its error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from denoising.images.headers import SAME
from denoising.restoration.new_images import Restored
from denoising.restoration.viewer_page import LEVELS
from denoising.running.outputs import whole
from denoising.study.names import INPUT

WIDTH = 3.2  # inches of a panel
MOST = 1000  # pixels of a panel's edge; larger sections are thinned out
WINDOW = 256  # pixels of an edge of the window that the viewer shows
GREYS = (0.1, 99.9)  # percentiles of the restoration's section that are black and white
GAMMA = 0.7  # dim structures show beside bright ones


def draw(restored: Restored, title: str, remarks: str, path: Path) -> None:
    """Write a PNG: a column for the input, the restoration and, if there is one, its error.

    Input and restoration share a grey scale, that of the restoration's percentiles 0.1 and 99.9.

    Parameters
    ----------
    restored : Restored
    title : str
    remarks : str
        Written below; may be empty.
    path : Path
    """
    sections = _sections(restored, _thinned)
    first = next(iter(sections.values()))
    heights = [aspect * len(image) / image.shape[1] for image, aspect in first.values()]
    size = (WIDTH * len(sections) + 0.6, WIDTH * sum(heights) + 1.1)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(first), len(sections), squeeze=False, height_ratios=heights)
    low, high = np.percentile(sections["restoration"]["XY"][0], GREYS)
    grey = {"cmap": "gray", "norm": PowerNorm(GAMMA, low, max(high, low + 1e-9), clip=True)}
    for column, (name, rows) in enumerate(sections.items()):
        is_error = name not in ("input", "restoration")
        for ax, (row, (image, aspect)) in zip(axes[:, column], rows.items(), strict=True):
            style = {"cmap": "magma"} if is_error else grey
            shown = ax.imshow(image, aspect=aspect, **style)
            ax.set(xticks=[], yticks=[], title=name if row == "XY" else "")
            if column == 0:
                ax.set_ylabel(row)
        if is_error:
            figure.colorbar(shown, ax=axes[:, column].tolist(), label="in the input's units")
    figure.suptitle(title, fontsize=10)
    if remarks:
        figure.supxlabel(remarks, fontsize=8)
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=110)


def view(restored: Restored, name: str) -> dict[str, Any]:
    """What the viewer shows of an image: a volume and images, as `viewer_page` has them.

    It is a window in the middle of the sections that the picture shows. 0 and 1 are the percentiles
    of the restoration that are black and white there.
    """
    sections = _sections(restored, _middle)
    first = sections["restoration"]["XY"][0]
    low, high = np.percentile(first, GREYS)
    share = 1 / max(high - low, 1e-9)
    encoded = {
        column: {
            row.lower(): LEVELS["image"].encoded((section - low) * share)
            if column in (INPUT, "restoration")
            else LEVELS["scale"].encoded(section * share)
            for row, (section, _) in rows.items()
        }
        for column, rows in sections.items()
    }
    images: dict[str, dict[str, Any]] = {
        column: encoded.pop(column) for column in (INPUT, "restoration")
    }
    for scale in encoded.values():
        images["restoration"]["scale"] = scale
    *depth, height, width = restored.mean[restored.frames.stack(restored.middle)].shape
    corner = [(whole - size) // 2 for whole, size in zip((height, width), first.shape, strict=True)]
    volume = {
        "name": name,
        "planes": [depth[0] // 2 if depth else 0],
        "depth": depth[0] if depth else 1,
        "height": height,
        "size": list(first.shape),
        "corner": corner,
        "aspect": sections["restoration"]["XZ"][1] if depth else 1.0,
        "pixel": restored.header.voxel_size[-1],
        "row": height // 2 - corner[0],
        "is_cut": True,
    }
    return {"volume": volume, "images": images}


def _sections(
    restored: Restored, cut: Callable[[np.ndarray, str], np.ndarray]
) -> dict[str, dict[str, tuple[np.ndarray, float]]]:
    """By column and row: a section of the middle stack in the input's units, and its aspect."""
    norm = restored.normalisation
    images = {"input": (restored.source, SAME), "restoration": (restored.mean, norm.scale)}
    if restored.error is not None:
        name = "predicted scale" if restored.is_scale else "spread of the networks"
        images[name] = (restored.error, norm.of_widths.scale)
    z, _, x = restored.header.voxel_size
    columns = {}
    for name, (array, (gain, offset)) in images.items():
        image = array[restored.frames.stack(restored.middle)]
        rows = {"XY": (image if image.ndim == 2 else image[len(image) // 2], 1.0)}
        if image.ndim == 3:
            rows["XZ"] = (image[:, image.shape[1] // 2], z / x if z and x else 1.0)
        columns[name] = {
            row: (gain * cut(section, row) + offset, aspect)
            for row, (section, aspect) in rows.items()
        }
    return columns


def _thinned(section: np.ndarray, row: str) -> np.ndarray:
    step = max(-(-size // MOST) for size in section.shape)
    return np.asarray(section[::step, ::step], np.float64)


def _middle(section: np.ndarray, row: str) -> np.ndarray:
    """A window in the middle of a plane; of a section XZ all planes, and their middle columns."""
    starts = [max(0, (size - WINDOW) // 2) for size in section.shape]
    rows = slice(None) if row == "XZ" else slice(starts[0], starts[0] + WINDOW)
    return np.asarray(section[rows, starts[1] : starts[1] + WINDOW], np.float64)
