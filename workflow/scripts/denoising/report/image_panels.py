"""Panels of images: grey scales, insets and scale bars, placed in millimetres."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from denoising.report.style import MM, WIDTH

GAMMA = 0.7  # of grey scales: dim structures show beside bright ones
CONTRAST = (0.1, 99.9)  # percentiles that are black and white
INSET = 0.36  # side of an inset, as a fraction of its panel's
ZOOM = 2.5
FRAME = "#E69F00"
EDGE = [patheffects.withStroke(linewidth=2.0, foreground="black")]
WORDS: dict[str, Any] = {"color": "white", "size": 6, "path_effects": EDGE}


class Window(NamedTuple):
    """Part of a section that an inset enlarges: its pixels, and the half that it lies in."""

    rows: slice
    columns: slice
    is_left: bool
    is_upper: bool


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes without ticks at `x`, `y` mm from the upper left corner of the figure."""
    total = figure.get_figheight() / MM
    ax = figure.add_axes((x / WIDTH, 1 - (y + height) / total, width / WIDTH, height / total))
    ax.set_axis_off()
    return ax


def text_at(figure: Figure, x: float, y: float, text: str, **look: Any) -> None:
    """Text at `x`, `y` mm from the upper left corner of the figure."""
    figure.text(x / WIDTH, 1 - y / (figure.get_figheight() / MM), text, **look)


def grey_scale(image: np.ndarray) -> PowerNorm:
    """From black at the lower to white at the upper of `CONTRAST`'s percentiles."""
    low, high = np.percentile(image, CONTRAST)
    return PowerNorm(GAMMA, low, high if high > low else low + 1, clip=True)


def show(ax: Axes, image: np.ndarray, scale: PowerNorm) -> None:
    """Draw an image (Y, X): pixels as they are, or averaged where they are finer than print."""
    finer = image.shape[1] > ax.get_position().width * WIDTH * MM * 300
    how = "antialiased" if finer else "nearest"
    ax.imshow(image, cmap="gray", norm=scale, aspect="auto", interpolation=how)


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


def draw_inset(ax: Axes, image: np.ndarray, window: Window, scale: PowerNorm) -> None:
    """Enlarge the window in the corner that is farthest from it."""
    corner = (1 - INSET if window.is_left else 0.0, 0.0 if window.is_upper else 1 - INSET)
    inset = ax.inset_axes((*corner, INSET, INSET), xticks=[], yticks=[])
    inset.imshow(image[window.rows, window.columns], cmap="gray", norm=scale, aspect="auto")
    inset.spines[:].set(visible=True, color=FRAME, linewidth=0.8)
    height = window.rows.stop - window.rows.start
    width = window.columns.stop - window.columns.start
    at = (window.columns.start - 0.5, window.rows.start - 0.5)
    ax.add_patch(Rectangle(at, width, height, fill=False, edgecolor=FRAME, linewidth=0.6))


def draw_scale_bar(ax: Axes, shape: tuple[int, ...], pixel_size: float, is_left: bool) -> None:
    """A bar of a round length, about a fifth of the panel; `pixel_size` in micrometres."""
    if not np.isfinite(pixel_size) or pixel_size <= 0:
        return
    height, width = shape
    room = width * pixel_size * 0.25
    power = 10.0 ** np.floor(np.log10(room))
    length = max(step * power for step in (1, 2, 5) if step * power <= room)
    start = 0.04 * width if is_left else 0.96 * width - length / pixel_size
    ends = [start, start + length / pixel_size]
    ax.plot(ends, [0.95 * height] * 2, color="white", linewidth=1.6, path_effects=EDGE)
    # From the bar's outer end inwards: a short bar's label would otherwise leave the panel
    x, across = (ends[0], "left") if is_left else (ends[1], "right")
    ax.text(x, 0.91 * height, f"{length:g} µm", ha=across, va="bottom", **WORDS)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
