"""Whether a network knows its error: the Laplace scale that it predicts for each voxel against the error it makes.

A network trained with the Laplace loss gives a mean p and a scale s for every voxel, which say of the error e that
P(|e| <= t) = 1 - exp(-t / s), so that the mean of |e| is s. Both are in the units of the network's input; to meet the
truth y' = N(y; 0.1, 99.9), the restoration is fitted by least squares, a p + b, and the scale becomes |a| s.

The table of calibration of one run on one test set is tidy, a row a value:

    kind       coverage, or scale
    condition, volume
    level      coverage: the share of voxels whose error the interval around p should hold; scale: a bin, 0 to 9, each
               with a tenth of the volume's voxels, in the order of the predicted scale
    expected   coverage: the level again; scale: mean predicted scale, in units of the normalised truth
    observed   coverage: the share of voxels with |e| <= -s ln(1 - level); scale: mean |e|, in the same units
    count      voxels

A network is calibrated where observed is expected. Its expected calibration error is the mean of their difference,
without sign, over the levels of coverage.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.metrics import TRUTH_PERCENTILES
from denoising.volumes import Pair, read_volume

LEVELS = tuple(i / 20 for i in range(1, 20))
BINS = 10
SLAB_VOXELS = 2**21  # 16 MB an array of float64
COLUMNS = ["kind", "condition", "volume", "level", "expected", "observed", "count"]


def calibrate_pair(pair: Pair, restored: Path) -> list[dict]:
    """The rows of one volume in one condition: `restored` holds {condition}/{volume} and scale/{condition}/{volume}.

    Raises
    ------
    ValueError
        If the volume cannot be compared with its truth, or no scale was written for it; names the file.
    """
    path, scale = (folder / pair.condition / f"{pair.volume}.tif" for folder in (restored, restored / "scale"))
    if not scale.exists():
        raise ValueError(f"{scale}: the predicted scale is missing; restore with a model trained with loss: laplace.")
    volumes = [read_volume(each, pair.axes) for each in (pair.truth, path, scale)]
    try:
        rows = calibrate_volume(*volumes)
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    return [{"condition": pair.condition, "volume": pair.volume} | row for row in rows]


def calibrate_volume(truth: np.ndarray, restored: np.ndarray, scale: np.ndarray) -> list[dict]:
    """Coverage and scale of one restored volume.

    Parameters
    ----------
    truth : ndarray
        Ground truth as acquired, any shape, arbitrary units.
    restored, scale : ndarray of float
        The network's mean and its Laplace scale, of the truth's shape, in units of the normalised input.

    Returns
    -------
    list of dict
        kind, level, expected, observed and count; a row for each of `LEVELS`, and one for each bin of scale that has
        voxels (all have, but where many voxels share one scale).

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, or a scale is negative.
    """
    if not truth.shape == restored.shape == scale.shape:
        raise ValueError(f"truth is {truth.shape}, image {restored.shape}, scale {scale.shape}, expected one shape.")
    low, high = _truth_range(truth)
    a, b = _fit(truth, low, high, restored)
    edges = np.quantile(scale, np.arange(1, BINS) / BINS)
    covered = np.zeros(len(LEVELS), np.int64)
    voxels, scales, errors = np.zeros((3, BINS))
    for slab in _slabs(truth.shape):
        y = (truth[slab].astype(np.float64) - low) / (high - low)
        error = np.abs(y - (a * restored[slab].astype(np.float64) + b)).ravel()
        s = abs(a) * scale[slab].astype(np.float64).ravel()
        if not (s >= 0).all():
            raise ValueError("the scale holds NaN or negative values, expected a Laplace scale; restore again.")
        covered += [np.count_nonzero(error <= -np.log1p(-level) * s) for level in LEVELS]
        which = np.searchsorted(edges, scale[slab].ravel(), side="right")
        voxels += np.bincount(which, minlength=BINS)
        scales += np.bincount(which, weights=s, minlength=BINS)
        errors += np.bincount(which, weights=error, minlength=BINS)
    coverage = [_row("coverage", *each, truth.size) for each in zip(LEVELS, LEVELS, covered / truth.size, strict=True)]
    return coverage + [
        _row("scale", i, scales[i] / voxels[i], errors[i] / voxels[i], voxels[i]) for i in np.flatnonzero(voxels)
    ]


def _row(kind: str, level: float, expected: float, observed: float, count: float) -> dict:
    values = {"expected": float(expected), "observed": float(observed), "count": int(count)}
    return {"kind": kind, "level": level if kind == "coverage" else int(level)} | values


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slabs along the first axis, of no more than `SLAB_VOXELS` where a plane has no more."""
    thickness = max(1, SLAB_VOXELS // max(1, int(np.prod(shape[1:]))))
    yield from (slice(start, start + thickness) for start in range(0, shape[0], thickness))


def _truth_range(truth: np.ndarray) -> tuple[float, float]:
    """The percentiles of the truth that its normalisation maps to 0 and 1."""
    low, high = np.percentile(truth, TRUTH_PERCENTILES)
    if not np.isfinite([low, high]).all():
        raise ValueError("the ground truth holds NaN or infinite values, which cannot be compared.")
    if low == high:
        raise ValueError(f"percentiles {TRUTH_PERCENTILES} of the ground truth are both {low:g}; leave it out.")
    return float(low), float(high)


def _fit(truth: np.ndarray, low: float, high: float, restored: np.ndarray) -> tuple[float, float]:
    """Gain a and offset b of least squares, from the restoration to the normalised truth."""
    # Sums of differences to one of the image's own values, which a large offset does not drown
    origin = float(restored.flat[0])
    sums = np.zeros(4)
    for slab in _slabs(truth.shape):
        y = (truth[slab].astype(np.float64).ravel() - low) / (high - low)
        q = restored[slab].astype(np.float64).ravel() - origin
        sums += [q.sum(), y.sum(), np.vdot(q, q), np.vdot(q, y)]
    q, y, qq, qy = sums / truth.size
    if not np.isfinite(sums).all():
        raise ValueError("ground truth or image holds NaN or infinite values, which cannot be compared.")
    if not qq - q**2 > 0:
        raise ValueError("the image is constant, so it cannot be scaled to the ground truth.")
    a = (qy - q * y) / (qq - q**2)
    return a, y - a * (q + origin)


def calibration_errors(table: pd.DataFrame) -> pd.Series:
    """Expected calibration error of each condition: mean |observed - expected| over the levels, mean over volumes."""
    coverage = table[table["kind"] == "coverage"]
    difference = (coverage["observed"] - coverage["expected"]).abs()
    by_volume = difference.groupby([coverage["condition"], coverage["volume"]], sort=False).mean()
    return by_volume.groupby("condition", sort=False).mean()
