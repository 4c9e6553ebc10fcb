"""The viewer: one HTML page that holds sections of images, and the script that shows them.

The page is `workflow/report/viewer.html` with one JSON object in it; it needs no server and no
network. The object:

    title, note, noun       text; the noun is what `volumes` are: volume or image
    words                   paragraphs on how the page was made
    unit                    what a share of 1 is on the grey scale
    methods                 name, label, words; the columns of the page
    conditions              labels; may be empty, as of new images
    volumes                 name; planes: those shown; depth, height: of the whole volume; size:
                            rows and columns shown; corner: the first of them; aspect: height of a
                            plane in pixels; row: of the one section XZ among those shown, or null
                            if XZ is cut from planes; pixel: its size in micrometres, or null;
                            is_cut: whether a part is shown
    images                  by "volume|condition|method", the truth's without condition: xy, xz, fit
                            (gain and offset from what is shown to the scale of the truth, for
                            errors), ssim and scale (xy and xz again)
    levels                  by kind of section: low, high, power (see `Levels`)
    columns, tables         the table of volumes: label and method of each column; of each table
                            label, best (high, low or null), in_heads, rows of volume (null if not
                            shown), condition, name and values
    sort                    the column that sorts at first
    worst                   by method: the windows of the largest error
    most                    the error that is brightest at first
    has_truth, scale_label, scale_words, table_words, worst_words

A section is a PNG in base64. `xy` holds the planes one below the other. `xz` is one section of the
whole depth, and stands only where planes are left out.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from denoising.running.outputs import write_whole

PAGE_BYTES = 15e6  # of a page, about
PLACEHOLDER = "{{ data }}"


@dataclass(frozen=True)
class Levels:
    """How the 8 bits of a section stand for values: `low + (high - low) (level / 255)^power`.

    `step` leaves out levels, so that the PNG is smaller. Values beyond the two ends are clipped.
    """

    low: float
    high: float
    power: float = 1.0
    step: int = 1

    def encoded(self, values: np.ndarray) -> str:
        """A PNG in base64 of a section, or of planes (Z, Y, X) one below the other.

        NaN is level 0.
        """
        share = np.clip((values - self.low) / (self.high - self.low), 0, 1) ** (1 / self.power)
        levels = np.rint(np.nan_to_num(share) * 255 / self.step) * self.step
        tall = np.minimum(levels, 255).astype(np.uint8).reshape(-1, values.shape[-1])
        return base64.b64encode(imagecodecs.png_encode(tall, level=9)).decode()


# A share of 1 is the range of the truth. Level 0 is no window of SSIM
LEVELS = {
    "image": Levels(-0.1, 1.5),
    "ssim": Levels(-0.01, 1.0, step=4),
    "scale": Levels(0.0, 0.5, power=2.0, step=4),
}


def write_viewer(template: Path, data: Mapping[str, Any], path: Path) -> None:
    """Write a page of the viewer, the template with the data in it, whole or not at all."""
    levels = {kind: asdict(of_kind) for kind, of_kind in LEVELS.items()}
    text = json.dumps({**data, "levels": levels}, ensure_ascii=False, separators=(",", ":"))
    page = template.read_text(encoding="utf-8").replace(PLACEHOLDER, text.replace("<", "\\u003c"))
    write_whole(path, page)
