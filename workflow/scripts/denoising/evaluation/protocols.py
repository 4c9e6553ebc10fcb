"""Scores of a restoration against its ground truth, under two protocols that are never mixed.

`paper`      the CARE paper's: both images mean-subtracted, the image scaled to the truth; PSNR and
SSIM with
             data_range 1. Recovered from public copies of the authors' code (Weigert et al. 2018).
`study2019`  the 2019 replication's: the input as it is, a restoration fitted to the truth by least
squares;
             SSIM with data_range 2, what scikit-image 0.15 took for float images.

In both, `y' = N(y; 0.1, 99.9)` is the truth that is compared with, and `x' = N(x; 3, 99.8)` the
input that every method restores.

All that is ever compared are affine images of the same two volumes. So the volumes are read slab by
slab: for their percentiles, for their moments, which give every fit, NRMSE and PSNR, and for their
local moments, which give the SSIM of every protocol. Arithmetic is float64 throughout, on blocks
small enough for the processor's cache.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from math import inf, log10, prod, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from denoising.images.percentiles import blocks, normalisation
from denoising.images.volumes import INPUT_PERCENTILES, Pair, open_volume
from denoising.images.volumes import SMALLEST_AXIS as SSIM_WINDOW

log = logging.getLogger(__name__)

TRUTH_PERCENTILES = (0.1, 99.9)
SSIM_SLAB = 16  # planes
SSIM_STRIP = (
    2**14
)  # voxels of a plane whose windows are summed together: a few arrays of them fit in the cache
K1, K2 = 0.01, 0.03
# The tidy table of scores: a value a row
COLUMNS = [
    "model", "seed", "trained_on", "tested_on", "condition", "volume", "stratum", "output",
    "protocol", "metric", "value",
]  # fmt: skip


# Moments of two images, and the fits that follow from them


@dataclass(frozen=True)
class Moments:
    """Of a truth y (first) and an image q (second), over `count` voxels, in float64.

    `lowest`, `highest` and `mean` have a value for each; `scatter` (2 x 2) holds the sums of
    products of deviations from the means.
    """

    count: int
    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    def __add__(self, other: "Moments") -> "Moments":
        """Moments of both parts together (Chan, Golub and LeVeque 1983), without the cancellation
        of plain sums.
        """
        count, apart = self.count + other.count, other.mean - self.mean
        return Moments(
            count,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            self.mean + apart * (other.count / count),
            self.scatter
            + other.scatter
            + np.outer(apart, apart) * (self.count * other.count / count),
        )

    def mapped(self, gain: Sequence[float], offset: Sequence[float]) -> "Moments":
        """Moments of `gain u + offset`, for positive gains."""
        gain, offset = np.array(gain), np.array(offset)
        low, high, mean = (
            gain * value + offset for value in (self.lowest, self.highest, self.mean)
        )
        return Moments(self.count, low, high, mean, self.scatter * np.outer(gain, gain))


def moments_of(truth: np.ndarray, image: np.ndarray, threads: int = 1) -> Moments:
    """Moments of two images of one shape, block by block on `threads` threads; equal for any number
    of them.
    """
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda block: _moments_of_block(truth[block], image[block]), blocks(truth))
        return reduce(Moments.__add__, parts)


def _moments_of_block(truth: np.ndarray, image: np.ndarray) -> Moments:
    both = [np.array(values, np.float64).ravel() for values in (truth, image)]
    lowest, highest, mean = (
        np.array([of(values) for values in both]) for of in (np.min, np.max, np.mean)
    )
    for i, called in enumerate(("ground truth", "image")):
        if not np.isfinite([lowest[i], highest[i]]).all():
            raise ValueError(
                f"the {called} holds NaN or infinite values, which cannot be scored; make it again."
            )
        both[i] -= mean[i]
    # Not BLAS: it has threads of its own
    own, cross, others = (np.einsum("i,i->", both[i], both[j]) for i, j in ((0, 0), (0, 1), (1, 1)))
    return Moments(len(both[0]), lowest, highest, mean, np.array([[own, cross], [cross, others]]))


class Match(NamedTuple):
    """What a protocol compares: `y + shift` with `gain q + offset`."""

    shift: float
    gain: float
    offset: float


def unchanged(moments: Moments) -> Match:
    """The truth and the image as they are."""
    return Match(0.0, 1.0, 0.0)


def fitted(moments: Moments) -> Match:
    """The truth, and the affine image `a q + b` of least squared error against it (csbdeep's
    `normalize_minmse`).
    """
    _refuse_constant(moments)
    gain = moments.scatter[0, 1] / moments.scatter[1, 1]
    return Match(0.0, gain, moments.mean[0] - gain * moments.mean[1])


def scaled(moments: Moments) -> Match:
    """`y - mean(y)` and `a (q - mean(q))` with a = cov(q, y) / var(q), as the CARE paper's code has
    them: the sample covariance (n - 1) over the population variance (n), numpy's defaults for both.
    """
    _refuse_constant(moments)
    gain = moments.scatter[0, 1] / (moments.count - 1) / (moments.scatter[1, 1] / moments.count)
    return Match(-moments.mean[0], gain, -gain * moments.mean[1])


def _refuse_constant(moments: Moments) -> None:
    if moments.lowest[1] == moments.highest[1]:
        raise ValueError(
            f"the image is constant ({moments.lowest[1]:g} everywhere), so it cannot be scaled to"
            " the ground truth; train the model anew, or leave it out."
        )


def mean_squared_error(moments: Moments, match: Match) -> float:
    """Mean of `(y + shift - gain q - offset)^2`."""
    weights = np.array([1.0, -match.gain])
    bias = weights @ moments.mean + match.shift - match.offset
    return max(0.0, weights @ moments.scatter @ weights / moments.count) + bias**2


# The same on arrays in memory


def scale_to(target: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images as `scaled` has them, float64."""
    match = scaled(moments_of(target, image))
    return target + match.shift, match.gain * image + match.offset


def nrmse(target: np.ndarray, image: np.ndarray) -> float:
    """Root of the mean squared error; the normalised truth's range is 1, so this is the NRMSE."""
    return float(np.sqrt(np.mean((target - image) ** 2)))


def psnr(target: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal images."""
    return _psnr(float(np.mean((target - image) ** 2)), data_range)


def _psnr(mse: float, data_range: float) -> float:
    return inf if mse == 0 else 10 * log10(data_range**2 / mse)


def ssim(target: np.ndarray, image: np.ndarray, data_range: float, threads: int = 1) -> float:
    """Structural similarity: uniform window of 7 along every axis, sample covariance, K1 0.01, K2
    0.03, mean over the image less a border of 3 (scikit-image's defaults; Wang et al. 2004).
    """
    _check_shapes(target, image)
    centre = [float(np.mean(each, dtype=np.float64)) for each in (target, image)]
    return mean_ssims(
        target, image, centre, [Look((1.0, 1.0), tuple(centre), data_range)], threads
    )[0]


# SSIM from local moments


class Look(NamedTuple):
    """Two images as SSIM sees them: `gain (u - centre) + mean`, for each of the two."""

    gain: tuple[float, float]
    mean: tuple[float, float]
    data_range: float


def mean_ssims(
    truth: np.ndarray,
    image: np.ndarray,
    centre: Sequence[float],
    looks: Sequence[Look],
    threads: int = 1,
) -> list[float]:
    """Mean SSIM of each look at the same two images.

    Parameters
    ----------
    truth, image : ndarray, one shape, (Z, Y, X) or (Y, X)
        As acquired; slabs of `SSIM_SLAB` planes and the windows' reach are converted at a time.
    centre : pair of float
        Subtracted from the two first: near their means, so that squares of large offsets do not
        cancel.
    looks : sequence of Look
    threads : int
        Slabs done at a time; the result is the same for any number.

    Returns
    -------
    list of float
        As `ssim` defines it, without unit.
    """
    thick = SSIM_WINDOW
    if len(truth.shape) == 2:
        thick, truth, image = 1, np.asarray(truth)[None], np.asarray(image)[None]
    count = [truth.shape[0] - thick + 1] + [size - SSIM_WINDOW + 1 for size in truth.shape[1:]]
    slabs = [
        slice(start, min(start + SSIM_SLAB, count[0]) + thick - 1)
        for start in range(0, count[0], SSIM_SLAB)
    ]
    one_slab = partial(_ssim_sums, thick=thick, centre=centre, looks=looks)
    with ThreadPoolExecutor(threads) as pool:
        sums = list(
            pool.map(lambda slab: one_slab(np.asarray(truth[slab]), np.asarray(image[slab])), slabs)
        )
    return [float(total) / prod(count) for total in np.sum(sums, axis=0)]


def _ssim_sums(
    truth: np.ndarray, image: np.ndarray, thick: int, centre: Sequence[float], looks: Sequence[Look]
) -> np.ndarray:
    """Sum, over every window in a slab, of the SSIM of each look; by strips of rows and the
    windows' reach.
    """
    total = np.zeros(len(looks))
    reach, height = SSIM_WINDOW - 1, truth.shape[1]
    rows = max(2 * SSIM_WINDOW, SSIM_STRIP // truth.shape[2])  # fewer would be mostly reach
    for start in range(0, height - reach, rows):
        strip = (slice(None), slice(start, min(start + rows, height - reach) + reach))
        both = [
            part[strip] - np.float64(middle)
            for part, middle in zip((truth, image), centre, strict=True)
        ]
        for sums in _window_sums(*both, thick):
            total += _ssims(sums, thick * SSIM_WINDOW**2, looks)
    return total


def _window_sums(y: np.ndarray, q: np.ndarray, thick: int) -> Iterator[np.ndarray]:
    """Sums of y, q, y y, q q and y q over the windows that end in each plane: (5, Y - 6, X - 6),
    float64.
    """
    running = np.zeros((5, *y.shape[1:]))
    products = np.empty_like(running)
    for plane in range(len(y)):
        running += _products(y[plane], q[plane], products)
        if plane >= thick - 1:
            yield _sums_of_seven(_sums_of_seven(running, 1), 2)
            first = plane - thick + 1
            running -= _products(y[first], q[first], products)


def _products(y: np.ndarray, q: np.ndarray, out: np.ndarray) -> np.ndarray:
    out[0], out[1] = y, q
    for place, (a, b) in enumerate(((y, y), (q, q), (y, q)), start=2):
        np.multiply(a, b, out=out[place])
    return out


def _sums_of_seven(values: np.ndarray, axis: int) -> np.ndarray:
    """Sums over every window of 7 along an axis, 6 shorter: of two, of four, and of the rest."""

    def from_to(array: np.ndarray, start: int, stop: int) -> np.ndarray:
        return array[(slice(None),) * axis + (slice(start, stop),)]

    length = values.shape[axis]
    twos = from_to(values, 0, length - 1) + from_to(values, 1, length)
    sums = from_to(twos, 0, length - 6) + from_to(twos, 2, length - 4)
    sums += from_to(twos, 4, length - 2)
    sums += from_to(values, 6, length)
    return sums


def _ssims(sums: np.ndarray, voxels: int, looks: Sequence[Look]) -> np.ndarray:
    """SSIM of each look, summed over the windows whose sums these are; overwrites `sums`."""
    y, q, yy, qq, yq = sums
    for squares, a, b in ((yy, y, y), (qq, q, q), (yq, y, q)):
        squares -= a * b / voxels
    scatter = sums[2:]
    scatter /= voxels - 1  # now the sample variances and the covariance
    sums[:2] /= voxels  # and the means
    return np.array([_ssim_sum(sums, look) for look in looks])


def _ssim_sum(local: np.ndarray, look: Look) -> float:
    """Sum of the SSIM of one look over local means, variances and covariances (5, Y, X)."""
    y, q, yy, qq, yq = local
    (a, b), (mean_a, mean_b) = look.gain, look.mean
    c1, c2 = ((k * look.data_range) ** 2 for k in (K1, K2))
    y, q = a * y + mean_a, b * q + mean_b
    value = (2 * y * q + c1) * (2 * a * b * yq + c2)
    value /= (y * y + q * q + c1) * (a * a * yy + b * b * qq + c2)
    return float(value.sum())


# The protocols


@dataclass(frozen=True)
class Protocol:
    """How images are brought to the truth before they are compared, and what is then measured.

    `match` is for restorations, and for the input where `rescales_input`; `data_range` is of PSNR
    and SSIM.
    """

    match: Callable[[Moments], Match]
    rescales_input: bool
    data_range: float
    metrics: tuple[str, ...]


PROTOCOLS = {
    "paper": Protocol(scaled, rescales_input=True, data_range=1, metrics=("nrmse", "psnr", "ssim")),
    "study2019": Protocol(fitted, rescales_input=False, data_range=2, metrics=("nrmse", "ssim")),
}


def score_volume(
    truth: np.ndarray,
    image: np.ndarray,
    protocols: Sequence[str] | Mapping[str, Protocol],
    is_input: bool = False,
    threads: int = 1,
) -> list[dict]:
    """Score one image under each protocol.

    Parameters
    ----------
    truth : ndarray, or anything with a shape and a dtype whose slices become arrays
        Ground truth as acquired, (Z, Y, X) or (Y, X), arbitrary units.
    image : the same
        The restoration of `N(x; 3, 99.8)`; or, with `is_input`, the low-SNR image x as acquired.
    protocols : sequence of str, or mapping of str to Protocol
        Keys of `PROTOCOLS`; or protocols of one's own by name.
    is_input : bool
        Whether `image` is the low-SNR input itself.
    threads : int
        The scores are the same, to the bit, for any number.

    Returns
    -------
    list of dict
        A row a value: protocol, metric, value. NRMSE and SSIM have no unit, PSNR is in dB. An image
        that does not correlate with the truth, or inversely, has scores too, as the fits scale it
        by nothing or invert it: a warning in the log says so.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, or an axis is shorter than SSIM's
        window of 7.
    """
    _check_shapes(truth, image)
    if not isinstance(protocols, Mapping):
        protocols = {name: PROTOCOLS[name] for name in protocols}
    raw = moments_of(truth, image, threads)
    y = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
    q = normalisation(image, *INPUT_PERCENTILES, "the input") if is_input else (1.0, 0.0)
    gain, offset = zip(y, q, strict=True)
    moments = raw.mapped(gain, offset)
    matches = {
        name: (
            unchanged(moments)
            if is_input and not protocol.rescales_input
            else protocol.match(moments)
        )
        for name, protocol in protocols.items()
    }
    if moments.scatter[0, 1] <= 0:
        log.warning(
            "the image correlates negatively or not at all with the ground truth; it is scored all"
            " the same"
        )
    looks = [
        _look(gain, moments, matches[name], protocol.data_range)
        for name, protocol in protocols.items()
    ]
    similarities = mean_ssims(truth, image, raw.mean, looks, threads)
    rows = []
    for (name, protocol), similarity in zip(protocols.items(), similarities, strict=True):
        mse = mean_squared_error(moments, matches[name])
        values = {"nrmse": sqrt(mse), "psnr": _psnr(mse, protocol.data_range), "ssim": similarity}
        rows += [
            {"protocol": name, "metric": metric, "value": float(values[metric])}
            for metric in protocol.metrics
        ]
    return rows


def _check_shapes(truth: np.ndarray, image: np.ndarray) -> None:
    if truth.shape != image.shape:
        raise ValueError(
            f"ground truth is {truth.shape} and the image {image.shape}, expected one shape; make"
            " the image again."
        )
    if min(truth.shape) < SSIM_WINDOW:
        raise ValueError(
            f"the image is {truth.shape}, but SSIM's window needs {SSIM_WINDOW} along every axis;"
            " leave the volume out, or give its planes as images of their own, which are scored"
            " in 2D."
        )


def _look(gain: Sequence[float], moments: Moments, match: Match, data_range: float) -> Look:
    """How SSIM sees the images as acquired, less their means, once normalised by `gain` and
    matched.
    """
    means = moments.mean[0] + match.shift, match.gain * moments.mean[1] + match.offset
    return Look((gain[0], match.gain * gain[1]), means, data_range)


def score_pair(
    pair: Pair,
    restored: Path | None,
    protocols: Sequence[str],
    stratum: str | None,
    threads: int = 1,
    scratch: Path | None = None,
) -> list[dict]:
    """Score one volume in one condition: the restoration under `restored`, or the input where that
    is None.

    `stratum` is a regular expression whose group, searched in the volume's name, is its stratum;
    `scratch` is a folder for what must be decoded, as `open_volume` has it. Returns rows with
    condition, volume, stratum, protocol, metric and value; errors name the file.
    """
    path = pair.image if restored is None else restored / pair.condition / f"{pair.volume}.tif"
    truth, image = (open_volume(each, pair.axes, scratch) for each in (pair.truth, path))
    try:
        scores = score_volume(truth, image, protocols, restored is None, threads)
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    found = re.search(stratum, pair.volume) if stratum else None
    known = {
        "condition": pair.condition,
        "volume": pair.volume,
        "stratum": found.group(1) if found else "",
    }
    return [known | row for row in scores]
