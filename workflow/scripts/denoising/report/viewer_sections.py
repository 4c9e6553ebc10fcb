"""Sections of a test volume for the viewer: an image beside its truth, and where they differ.

Volumes are memory maps (Z, Y, X), and are read plane by plane.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denoising.evaluation.moments import moments_of, paper_fit
from denoising.evaluation.protocols import TRUTH_PERCENTILES, ssim_inputs
from denoising.evaluation.ssim import WINDOW, SsimInputs, ssim_map
from denoising.images.percentiles import normalisation
from denoising.images.volumes import Pair, open_volume
from denoising.restoration.viewer_page import LEVELS
from denoising.study.names import SCALES

FEWEST_PLANES = 5
SSIM_STEP = 2  # its maps are smooth, and keep every second pixel
PLACE = 16  # pixels: edge of the windows in which errors are ranked
MOST_PLACES = 25
Reading = tuple[slice, ...]


@dataclass(frozen=True)
class Method:
    """A column of the page: the folder of its restorations, None for the input.

    `predicts` is whether the folder has predicted scales.
    """

    name: str
    folder: Path | None
    predicts: bool = False


@dataclass(frozen=True)
class View:
    """The part of a volume (Z, Y, X) that is shown: planes, and a window of them.

    `row` is that of the one section XZ; None where all planes are shown.
    """

    planes: list[int]
    rows: slice
    columns: slice
    row: int | None


@dataclass(frozen=True)
class Compared:
    """A truth and an image (Z, Y, X), and what brings them to one scale.

    `to_truth` and `to_shown` are the gains and offsets from acquired values to those shown; `fit`
    goes from the image's shown values to the scale of the truth.
    """

    truth: np.ndarray
    image: np.ndarray
    scale: np.ndarray | None
    to_truth: tuple[float, float]
    to_shown: tuple[float, float]
    fit: tuple[float, float]
    centre: np.ndarray
    scaling: SsimInputs
    by_plane: bool

    def shown(self, place: Reading) -> np.ndarray:
        return _mapped(self.image[place], self.to_shown)

    def window_errors(self) -> np.ndarray:
        """The root mean squared error in windows of `PLACE` pixels of each plane, (Z, rows,
        columns).
        """
        return np.stack([self._errors_of_plane(z) for z in range(len(self.truth))])

    def _errors_of_plane(self, z: int) -> np.ndarray:
        shown = _mapped(self.shown((slice(z, z + 1),))[0], self.fit)
        squares = np.square(shown - _mapped(self.truth[z], self.to_truth))
        for axis, size in enumerate(squares.shape):
            starts = np.arange(0, size, PLACE)
            counts = np.diff([*starts, size])
            sums = np.add.reduceat(squares, starts, axis)
            squares = sums / (counts[:, None] if axis == 0 else counts)
        return np.sqrt(squares)

    def ssims(self, z: int, rows: slice, columns: slice) -> np.ndarray:
        """Local SSIM of one plane, (Y, X); NaN where the window would leave the volume."""
        reach = WINDOW // 2
        wanted = [slice(z, z + 1), rows, columns]
        reaches = [0 if self.by_plane else reach, reach, reach]
        if self.truth.shape[0] == 1:
            reaches[0] = 0
        centres = [
            slice(max(part.start, r), min(part.stop, size - r))
            for part, r, size in zip(wanted, reaches, self.truth.shape, strict=True)
        ]
        found = np.full([part.stop - part.start for part in wanted], np.nan)
        if all(part.stop > part.start for part in centres):
            read = tuple(
                slice(part.start - r, part.stop + r)
                for part, r in zip(centres, reaches, strict=True)
            )
            inner = tuple(
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip(centres, wanted, strict=True)
            )
            images = (np.asarray(self.truth[read]), np.asarray(self.image[read]))
            found[inner] = ssim_map(*images, self.centre, self.scaling, not reaches[0])
        return np.maximum(found[0], 0)


def _mapped(values: np.ndarray, by: tuple[float, float]) -> np.ndarray:
    return by[0] * np.asarray(values, np.float64) + by[1]


@dataclass(frozen=True)
class Truth:
    """A ground truth (Z, Y, X), and the gain and offset from its values to those shown."""

    volume: np.ndarray
    to_shown: tuple[float, float]


def open_truth(pair: Pair, scratch: Path | None = None) -> Truth:
    """Open the ground truth of a pair; its percentiles 0.1 and 99.9 are 0 and 1."""
    volume = _stack(pair.truth, pair, scratch)
    return Truth(volume, normalisation(volume, *TRUTH_PERCENTILES, str(pair.truth)))


def compare(truth: Truth, pair: Pair, method: Method, scratch: Path | None = None) -> Compared:
    """Bring a method's image to the scale of the truth, as the CARE paper's protocol does.

    The input is shown by its own percentiles, and is fitted to the truth for errors alone.
    """
    file = method.folder / pair.restored_name if method.folder else pair.image
    image = _stack(file, pair, scratch)
    to_truth = truth.to_shown
    own = (1.0, 0.0)
    if method.folder is None:
        own = normalisation(image, *TRUTH_PERCENTILES, str(file))
    acquired = moments_of(truth.volume, image)
    moments = acquired.mapped((to_truth[0], own[0]), (to_truth[1], own[1]))
    fit = paper_fit(moments)
    onto = (fit.gain, fit.offset - fit.shift)
    is_input = method.folder is None
    scale = None
    if method.folder and method.predicts:
        scale = _stack(method.folder / SCALES / pair.restored_name, pair, scratch)
    return Compared(
        truth.volume,
        image,
        scale,
        to_truth,
        own if is_input else onto,
        onto if is_input else (1.0, 0.0),
        acquired.mean,
        ssim_inputs((to_truth[0], own[0]), moments, fit, data_range=1),
        pair.by_plane,
    )


def _stack(path: Path, pair: Pair, scratch: Path | None) -> np.ndarray:
    image = open_volume(path, pair.axes, scratch)
    return image if image.ndim == 3 else image[None]


def view_of(shape: Sequence[int], voxels: float, worst: Sequence[int]) -> View:
    """The part of a volume that is shown with about so many voxels: all of it where it fits.

    Otherwise planes are chosen evenly, at least `FEWEST_PLANES`, and then a window of each. Both
    hold the place `worst` (z, y, x).
    """
    depth, height, width = shape
    count = int(min(depth, max(FEWEST_PLANES, voxels // (height * width))))
    planes = np.unique(np.linspace(0, depth - 1, count).round().astype(int))
    planes[np.argmin(np.abs(planes - worst[0]))] = worst[0]
    rows = min(height, max(PLACE, int((voxels / count) ** 0.5)))
    columns = min(width, max(PLACE, int(voxels / count / rows)))
    return View(
        planes.tolist(),
        _around(worst[1], rows, height),
        _around(worst[2], columns, width),
        None if count == depth else int(worst[1]),
    )


def _around(centre: int, length: int, size: int) -> slice:
    start = min(max(0, centre - length // 2), size - length)
    return slice(start, start + length)


def sections(compared: Compared, view: View) -> dict[str, Any]:
    """An image of the page: `xy`, `xz`, `fit`, `ssim` and `scale`, as `viewer_page` has them."""
    image = encoded_sections("image", compared.image, compared.to_shown, view)
    image["fit"] = [round(value, 5) for value in compared.fit]
    step = slice(None, None, SSIM_STEP)
    window = (view.rows, view.columns)
    ssims = np.stack([compared.ssims(z, *window)[step, step] for z in view.planes])
    image["ssim"] = {"xy": LEVELS["ssim"].encoded(ssims)}
    if view.row is not None:
        row = slice(view.row, view.row + 1)
        every = range(len(compared.truth))
        lines = np.stack([compared.ssims(z, row, view.columns)[0, step] for z in every])
        image["ssim"]["xz"] = LEVELS["ssim"].encoded(lines)
    if compared.scale is not None:
        gain = abs(compared.to_shown[0])
        image["scale"] = encoded_sections("scale", compared.scale, (gain, 0.0), view)
    return image


def encoded_sections(
    kind: str, volume: np.ndarray, by: tuple[float, float], view: View
) -> dict[str, Any]:
    planes = np.stack([volume[z, view.rows, view.columns] for z in view.planes])
    found = {"xy": LEVELS[kind].encoded(_mapped(planes, by))}
    if view.row is not None:
        line = np.asarray(volume[:, view.row, view.columns])
        found["xz"] = LEVELS[kind].encoded(_mapped(line, by))
    return found


def worst_places(errors: np.ndarray, view: View) -> list[dict[str, Any]]:
    """The windows of the largest error that are shown, each in its worst plane, the worst first.

    Places are of the part shown: plane (its number in the list), y, x, height, width, error.
    """
    of_planes = errors[view.planes]
    planes = of_planes.argmax(axis=0)
    found = []
    for (row, column), error in np.ndenumerate(of_planes.max(axis=0)):
        y = _overlap(row, view.rows)
        x = _overlap(column, view.columns)
        if y.stop - y.start > PLACE // 2 and x.stop - x.start > PLACE // 2:
            place = {"y": y.start, "height": y.stop - y.start}
            place |= {"x": x.start, "width": x.stop - x.start}
            found.append(place | {"plane": int(planes[row, column]), "error": float(error)})
    return sorted(found, key=lambda place: -place["error"])[:MOST_PLACES]


def _overlap(number: int, shown: slice) -> slice:
    """The pixels of a window of `PLACE` that are shown, counted from the first one shown."""
    start = max(number * PLACE, shown.start) - shown.start
    return slice(start, min((number + 1) * PLACE, shown.stop) - shown.start)
