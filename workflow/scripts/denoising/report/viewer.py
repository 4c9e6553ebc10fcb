"""The viewer's sections of a test set: input, restorations, truth, and where they differ most.

They are `volumes`, `images` and `worst` of the page that `restoration.viewer_page` describes. A
page has about `PAGE_BYTES`, however large the volumes are: where they do not fit, it shows fewer
planes, a window of each plane, and at last fewer volumes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from denoising.images.volumes import Pair, volume_header
from denoising.report.viewer_sections import (
    MOST_PLACES,
    PLACE,
    Compared,
    Method,
    View,
    compare,
    encoded_sections,
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
        Volume by volume.
    methods : sequence of Method
        The input first.
    first : str
        The method by whose errors volumes and windows are chosen.
    conditions : sequence of str
    aspect : float
        Height of a plane in pixels.
    """

    __test__ = False  # for pytest, which takes it for a test by its name
    pairs: Sequence[Pair]
    methods: Sequence[Method]
    first: str
    conditions: Sequence[str]
    aspect: float


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
    shown = list(by_volume)
    if count < len(shown):
        ranked = sorted(shown, key=lambda name: -_error_of(by_volume[name], test_set, scratch))
        shown = [name for name in shown if name in spread(ranked, count)]
    data: dict[str, Any] = {"volumes": [], "images": {}}
    places: list[dict[str, Any]] = []
    for number, name in enumerate(shown):
        volume = dict(_compared(by_volume[name], test_set.methods, scratch))
        errors = {key: compared.window_errors() for key, compared in volume.items()}
        of_first = np.sum([errors[key] for key in errors if key[1] == test_set.first], axis=0)
        one = next(iter(volume.values()))
        view = view_of(one.truth.shape, room, _centre(of_first, one.truth.shape))
        data["volumes"].append(_described(name, one.truth.shape, view, test_set.aspect))
        data["images"][f"{number}||{TRUTH}"] = encoded_sections(
            "image", one.truth, one.to_truth, view
        )
        for (condition, method), compared in volume.items():
            at = test_set.conditions.index(condition)
            data["images"][f"{number}|{at}|{method}"] = sections(compared, view)
            where = {"volume": number, "condition": at, "method": method}
            found = worst_places(errors[condition, method], view)
            places += [where | place for place in found]
    return data | {"worst": _by_method(places)}


def _error_of(pairs: Sequence[Pair], test_set: TestSet, scratch: Path | None) -> float:
    """The mean error of the first method on a volume."""
    first = [method for method in test_set.methods if method.name == test_set.first]
    errors = [compared.window_errors() for _, compared in _compared(pairs, first, scratch)]
    return float(np.sqrt(np.mean(np.square(errors))))


def _size(pair: Pair) -> int:
    return int(np.prod(volume_header(pair.truth).shape))


def _compared(
    pairs: Sequence[Pair], methods: Sequence[Method], scratch: Path | None
) -> Iterator[tuple[tuple[str, str], Compared]]:
    for pair in pairs:
        for method in methods:
            yield (pair.condition, method.name), compare(pair, method, scratch)


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


def _described(name: str, shape: Sequence[int], view: View, aspect: float) -> dict[str, Any]:
    rows, columns = view.rows, view.columns
    size = [rows.stop - rows.start, columns.stop - columns.start]
    return {
        "name": name,
        "planes": view.planes,
        "depth": shape[0],
        "height": shape[1],
        "size": size,
        "corner": [rows.start, columns.start],
        "aspect": round(aspect, 4),
        "row": None if view.row is None else view.row - rows.start,
        "is_cut": [len(view.planes), *size] != list(shape),
    }
