"""Panels of images: grey scales, insets and scale bars."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

GAMMA = 0.7  # of grey scales: dim structures show beside bright ones
CONTRAST = (0.1, 99.9)  # percentiles that are black and white
INSET = 0.36  # side of an inset, as a fraction of its panel's
ZOOM = 2.5
FRAME: dict[str, Any] = {"edgecolor": "#E69F00", "linewidth": 0.8, "alpha": 1}
EDGE = [patheffects.withStroke(linewidth=2.0, foreground="black")]


class Window(NamedTuple):
    """Part of a section that an inset enlarges: its pixels, and the half that it lies in."""

    rows: slice
    columns: slice
    is_left: bool
    is_upper: bool


def grey_scale(image: np.ndarray) -> PowerNorm:
    """From black at the lower to white at the upper of `CONTRAST`'s percentiles."""
    low, high = np.percentile(image, CONTRAST)
    return PowerNorm(GAMMA, low, high if high > low else low + 1, clip=True)


def show(ax: Axes, image: np.ndarray, scale: PowerNorm, window: Window | None = None) -> None:
    """Draw an image (Y, X), and enlarge the window in the corner that is farthest from it."""
    ax.imshow(image, cmap="gray", norm=scale, interpolation="auto")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if window:
        corner = (1 - INSET if window.is_left else 0.0, 0.0 if window.is_upper else 1 - INSET)
        inset = ax.inset_axes((*corner, INSET, INSET), xticks=[], yticks=[])
        inset.imshow(image[window.rows, window.columns], cmap="gray", norm=scale, aspect="auto")
        inset.spines[:].set(visible=True, color=FRAME["edgecolor"], linewidth=0.8)
        height = window.rows.stop - window.rows.start
        width = window.columns.stop - window.columns.start
        ax.indicate_inset((window.columns.start, window.rows.start, width, height), **FRAME)


def window_of(truth: np.ndarray) -> Window | None:
    """The window of most texture in ground truth (Y, X), away from its brightest spots.

    None where the image is too small for an inset.
    """
    height, width = (round(size * INSET / ZOOM) for size in truth.shape)
    if min(height, width) < 8:
        return None
    is_bright = truth > np.percentile(truth, 99.5)
    windows = [
        (slice(row, row + height), slice(column, column + width))
        for row in range(height // 2, truth.shape[0] - height, max(1, height // 4))
        for column in range(width // 2, truth.shape[1] - width, max(1, width // 4))
    ]
    dark = [window for window in windows if not is_bright[window].any()]
    rows, columns = max(dark or windows, key=lambda window: float(truth[window].std()))
    is_left = columns.start + width / 2 < truth.shape[1] / 2
    return Window(rows, columns, is_left, rows.start + height / 2 < truth.shape[0] / 2)


def write_on(ax: Axes, text: str, is_left: bool, is_upper: bool) -> None:
    """White words in a corner of a panel."""
    x, across = (0.03, "left") if is_left else (0.97, "right")
    y, along = (0.97, "top") if is_upper else (0.06, "bottom")
    look: dict[str, Any] = {
        "color": "white",
        "size": 6,
        "path_effects": EDGE,
        "transform": ax.transAxes,
    }
    ax.text(x, y, text, ha=across, va=along, **look)


def draw_scale_bar(ax: Axes, width: int, pixel_size: float, is_left: bool) -> None:
    """A bar of a round length below; `width` of the image in pixels of `pixel_size` micrometres."""
    if not np.isfinite(pixel_size) or pixel_size <= 0:
        return
    room = width * pixel_size * 0.25
    power = 10.0 ** np.floor(np.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    share = length / pixel_size / width
    ends = [0.03, 0.03 + share] if is_left else [0.97 - share, 0.97]
    look: dict[str, Any] = {
        "color": "white",
        "linewidth": 1.6,
        "path_effects": EDGE,
        "transform": ax.transAxes,
    }
    ax.plot(ends, [0.04, 0.04], **look)
    write_on(ax, f"{length:g} µm", is_left, is_upper=False)
