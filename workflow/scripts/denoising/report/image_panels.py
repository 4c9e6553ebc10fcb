"""Panels of images: grey scales, insets and scale bars."""

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

GAMMA = 0.7  # of grey scales: dim structures show beside bright ones
CONTRAST = (0.1, 99.9)  # percentiles that are black and white
INSET = 0.36  # side of an inset, as a fraction of its panel's
ZOOM = 2.5
FRAME = "#E69F00"
EDGE = [patheffects.withStroke(linewidth=2.0, foreground="black")]
Window = tuple[slice, slice]  # rows and columns of a section that an inset enlarges


def show(ax: Axes, image: np.ndarray, reference: np.ndarray, window: Window | None = None) -> None:
    """Draw an image (Y, X) on the grey scale of `reference`, and its window in the upper corner."""
    low, high = np.percentile(reference, CONTRAST)
    scale = PowerNorm(GAMMA, low, high if high > low else low + 1, clip=True)
    ax.imshow(image, cmap="gray", norm=scale, interpolation="auto")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if window:
        rows, columns = window
        inset = ax.inset_axes((1 - INSET, 1 - INSET, INSET, INSET), xticks=[], yticks=[])
        inset.imshow(image[window], cmap="gray", norm=scale, aspect="auto")
        inset.spines[:].set(visible=True, color=FRAME)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        ax.indicate_inset((columns.start, rows.start, *size), edgecolor=FRAME, alpha=1)


def window_of(truth: np.ndarray) -> Window | None:
    """The window of most texture in ground truth (Y, X), away from its brightest spots.

    It lies outside the corner of the inset. None where the image is too small for an inset.
    """
    height, width = (round(size * INSET / ZOOM) for size in truth.shape)
    if min(height, width) < 8:
        return None
    is_bright = truth > np.percentile(truth, 99.5)
    windows = [
        (slice(row, row + height), slice(column, column + width))
        for row in range(height // 2, truth.shape[0] - height, max(1, height // 4))
        for column in range(width // 2, truth.shape[1] - width, max(1, width // 4))
        if row > INSET * truth.shape[0] or column + width < (1 - INSET) * truth.shape[1]
    ]
    dark = [window for window in windows if not is_bright[window].any()]
    return max(dark or windows, key=lambda window: float(truth[window].std()))


def write_on(ax: Axes, y: float, text: str) -> None:
    """White words at the left of a panel, at this fraction of its height."""
    ax.text(0.03, y, text, transform=ax.transAxes, color="white", size=6, path_effects=EDGE)


def draw_scale_bar(ax: Axes, width: int, pixel_size: float) -> None:
    """A bar of a round length at the lower left of an image of `width` pixels.

    `pixel_size` is in micrometres; there is no bar where it is not known (nan).
    """
    if not pixel_size > 0:
        return
    room = 0.2 * width * pixel_size
    power = 10.0 ** np.floor(np.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    ends = [0.03, 0.03 + length / pixel_size / width]
    look: dict[str, Any] = {"color": "white", "linewidth": 1.6, "path_effects": EDGE}
    ax.plot(ends, [0.04, 0.04], transform=ax.transAxes, **look)
    write_on(ax, 0.06, f"{length:g} µm")
