"""The viewer of restored new images: input beside restoration, and the table of all images."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from denoising.restoration.quicklooks import WINDOW
from denoising.restoration.viewer_page import PAGE_BYTES, write_viewer
from denoising.study.names import INPUT

LISTED = {
    "shape": "shape",
    "voxel_size_um": "voxel size (µm)",
    "low": "low",
    "high": "high",
    "saturated": "saturated",
    "noise": "noise",
    "contrast": "contrast",
    "fineness": "fineness",
    "remarks": "remarks",
}


def write_album_page(template: Path, rows: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write the page of new images, with sections of as many as there is room for.

    Images with remarks come first.

    Parameters
    ----------
    template : Path
    rows : mapping
        Of the table of images, by name.
    folder : Path
        With the record of each restored image, as `album` describes it. viewer.html is written
        there.
    """
    views = _views(rows, folder)
    numbers = {name: number for number, name in enumerate(views)}
    table = [
        {
            "volume": numbers.get(name),
            "condition": 0,
            "name": name,
            "values": [str(row.get(column, "")) for column in LISTED],
        }
        for name, row in rows.items()
    ]
    left_out = len(rows) - len(views)
    data = {
        "title": "Restored images beside their input",
        "note": "",
        "noun": "image",
        "words": [
            f"Shown is a window of at most {WINDOW} x {WINDOW} pixels, in the middle of the middle "
            "plane of the middle stack, and the section XZ through its middle. The pictures "
            "beside this page, NAME.png, show whole sections.",
            "Grey scale: 0 and 1 are the percentiles 0.1 and 99.9 of the restoration in this "
            "window. Input and restoration share it. Sections have 8 bits, from -0.1 to 1.5 of it.",
            *(
                [
                    f"{left_out} of {len(rows)} images are in the table alone, because the page has"
                    f" at most about {PAGE_BYTES / 1e6:.0f} MB (images with remarks come first), or"
                    " because they could not be restored or were restored by an older version."
                ]
                if left_out
                else []
            ),
        ],
        "unit": "the restoration's range",
        "methods": [{"name": name, "label": name, "words": ""} for name in (INPUT, "restoration")],
        "conditions": [],
        "volumes": [view["volume"] for view in views.values()],
        "images": {
            f"{numbers[name]}|0|{column}": image
            for name, view in views.items()
            for column, image in view["images"].items()
        },
        "columns": [{"label": label} for label in LISTED.values()],
        "tables": [{"label": "Images", "best": None, "in_heads": False, "rows": table}],
        "sort": None,
        "worst": {},
        "most": 0.2,
        "has_truth": False,
        "scale_label": "Predicted error",
        "scale_words": "the scale that one network predicts, or the spread of several networks",
        "table_words": "A click shows the image; a click on a name sorts by its column.",
        "worst_words": "",
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_viewer(template, data, folder / "viewer.html")


def _views(rows: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """What is shown of the images that there is room for, by name in the order of the table."""
    views: dict[str, dict[str, Any]] = {}
    room = PAGE_BYTES
    restored = [name for name, row in rows.items() if "restored" in row]
    for name in sorted(restored, key=lambda name: not rows[name]["remarks"]):
        text = (folder / f"{name}.json").read_text(encoding="utf-8")
        shown = json.loads(text).get("view")
        if shown and len(text) <= room:
            room -= len(text)
            views[name] = shown
    return {name: views[name] for name in rows if name in views}
