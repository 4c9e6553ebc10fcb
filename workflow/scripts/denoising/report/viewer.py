"""The viewer's sections of a test set: input, restorations, truth, and where they differ most.

They are `volumes`, `images` and `worst` of the page that `restoration.viewer_page` describes. A
page has about `PAGE_BYTES`, however large the volumes are: where they do not fit, it shows fewer
planes, a window of each plane, and at last fewer volumes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np

from denoising.images.volumes import Pair, volume_header
from denoising.report.viewer_sections import (
    MOST_PLACES,
    PLACE,
    Method,
    View,
    compare,
    encoded_sections,
    open_truth,
    sections,
    view_of,
    worst_places,
)
from denoising.restoration.viewer_page import PAGE_BYTES
from denoising.study.names import TRUTH

# Bytes per voxel in base64, measured on the default study: noisy, smooth, of half the resolution
INPUT_BYTES, IMAGE_BYTES, SCALE_BYTES, SSIM_BYTES = 1.0, 0.7, 0.5, 0.25
FEWEST_VOXELS = 1e5  # of a volume that is shown in part


def voxels_shown(
    sizes: Sequence[int], methods: Sequence[Method], conditions: int
) -> tuple[int, float]:
    """How many volumes a page has room for, and for how many voxels of each.

    `sizes` are the voxels of all volumes.
    """
    restorations = [method for method in methods if method.folder]
    each = INPUT_BYTES + SSIM_BYTES + len(restorations) * (IMAGE_BYTES + SSIM_BYTES)
    each += sum(method.predicts for method in restorations) * SCALE_BYTES
    voxels = PAGE_BYTES / (conditions * each + IMAGE_BYTES)
    count = int(min(len(sizes), max(1, voxels // min(FEWEST_VOXELS, *sizes))))
    return count, voxels / count


def spread(ranked: Sequence[str], count: int) -> list[str]:
    """So many names, evenly chosen from the first to the last."""
    places = np.linspace(0, len(ranked) - 1, count).round().astype(int)
    return [ranked[place] for place in places]


@dataclass(frozen=True)
class TestSet:
    """What a page shows.

    Attributes
    ----------
    pairs : sequence of Pair
        Volume by volume, each in all conditions in their order.
    methods : sequence of Method
        The input first.
    first : str
        The method by whose errors volumes and windows are chosen.
    conditions : sequence of str
    voxel_size : sequence of float or None
        In micrometres, in the order of the volumes' axes.
    """

    __test__ = False  # for pytest, which takes it for a test by its name
    pairs: Sequence[Pair]
    methods: Sequence[Method]
    first: str
    conditions: Sequence[str]
    voxel_size: Sequence[float] | None


def sections_of_test_set(test_set: TestSet, scratch: Path | None = None) -> dict[str, Any]:
    """The sections of a page, and the windows of the largest error.

    Parameters
    ----------
    test_set : TestSet
    scratch : Path, optional
        A folder for files that must be decoded, as `open_volume` has it.
    """
    by_volume = {
        name: list(pairs) for name, pairs in groupby(test_set.pairs, lambda pair: pair.volume)
    }
    sizes = [_size(pairs[0]) for pairs in by_volume.values()]
    count, room = voxels_shown(sizes, test_set.methods, len(test_set.conditions))
    errors = {name: _errors(pairs, test_set, scratch) for name, pairs in by_volume.items()}
    ranked = sorted(errors, key=lambda name: -float(np.mean(np.square(errors[name]))))
    shown = [name for name in by_volume if name in spread(ranked, count)]
    data: dict[str, Any] = {"volumes": [], "images": {}}
    places: list[dict[str, Any]] = []
    for number, name in enumerate(shown):
        pairs = by_volume[name]
        truth = open_truth(pairs[0], scratch)
        shape = truth.volume.shape
        view = view_of(shape, room, _centre(errors[name].max(axis=0), shape))
        data["volumes"].append(_described(name, shape, view, test_set.voxel_size))
        data["images"][f"{number}||{TRUTH}"] = encoded_sections(
            "image", truth.volume, truth.to_shown, view
        )
        for (at, pair), method in product(enumerate(pairs), test_set.methods):
            compared = compare(truth, pair, method, scratch)
            data["images"][f"{number}|{at}|{method.name}"] = sections(compared, view)
            where = {"volume": number, "condition": at, "method": method.name}
            found = worst_places(compared.window_errors(), view)
            places += [where | place for place in found]
    return data | {"worst": _by_method(places)}


def _errors(pairs: Sequence[Pair], test_set: TestSet, scratch: Path | None) -> np.ndarray:
    """The errors of the first method in windows of a volume, (conditions, Z, rows, columns)."""
    truth = open_truth(pairs[0], scratch)
    first = next(method for method in test_set.methods if method.name == test_set.first)
    return np.stack([compare(truth, pair, first, scratch).window_errors() for pair in pairs])


def _size(pair: Pair) -> int:
    return int(np.prod(volume_header(pair.truth).shape))


def _centre(errors: np.ndarray, shape: Sequence[int]) -> list[int]:
    """The voxel in the middle of the window of the largest error."""
    z, row, column = (int(place) for place in np.unravel_index(np.argmax(errors), errors.shape))
    middle = PLACE // 2
    return [z, min(row * PLACE + middle, shape[1] - 1), min(column * PLACE + middle, shape[2] - 1)]


def _by_method(places: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The worst places of each method, a window of a volume once, in its worst condition."""
    worst: dict[str, list[dict[str, Any]]] = {}
    seen = set()
    for place in sorted(places, key=lambda place: -place["error"]):
        of_method = worst.setdefault(place["method"], [])
        window = tuple(place[key] for key in ("method", "volume", "y", "x"))
        if window not in seen and len(of_method) < MOST_PLACES:
            of_method.append({**place, "error": f"{place['error']:.3f}"})
        seen.add(window)
    return worst


def _described(
    name: str, shape: Sequence[int], view: View, voxel_size: Sequence[float] | None
) -> dict[str, Any]:
    rows, columns = view.rows, view.columns
    size = [rows.stop - rows.start, columns.stop - columns.start]
    return {
        "name": name,
        "planes": view.planes,
        "depth": shape[0],
        "height": shape[1],
        "size": size,
        "corner": [rows.start, columns.start],
        "aspect": voxel_size[0] / voxel_size[-1] if voxel_size and shape[0] > 1 else 1.0,
        "pixel": voxel_size[-1] if voxel_size else None,
        "row": None if view.row is None else view.row - rows.start,
        "is_cut": [len(view.planes), *size] != list(shape),
    }
