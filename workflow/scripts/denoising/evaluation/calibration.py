"""Calibration of the error that networks predict for each voxel, against the error they make.

A network trained with the Laplace loss predicts a mean p and a scale s for every voxel, an ensemble
a mixture of such distributions (see `laplace`, which also says what scores and expected errors
are). Both have the units of the network's input. To compare them with the truth
y' = N(y; 0.1, 99.9), the restoration is fitted by least squares, a p + b, and the scale becomes
|a| s; the restoration of an ensemble is the mean of its networks', and all of them have its fit.

The calibration table of one method on one test set is tidy, one value per row:

intervals
    predicted, or rescaled by split-conformal factors (`conformal`)
kind
    coverage or scale
condition, volume
    as in the scores
level
    coverage: the share of voxels whose truth the interval should hold;
    scale: a bin, 0 to 9, each with a tenth of the volume's voxels, in the order of predicted error
expected
    coverage: the level again;
    scale: the mean predicted error (for one network its scale), in units of the normalised truth
observed
    coverage: the share of voxels whose truth lies within the interval, the central one of the
    level, for one network those with |e| <= -s ln(1 - level);
    scale: the mean of |e|, in the same units
count
    voxels

Predictions are calibrated if observed equals expected. Arithmetic is float64, block by block.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from denoising.evaluation.compared_images import errors_naming
from denoising.evaluation.conformal import LEVELS, Factors, nominal_score
from denoising.evaluation.laplace import Block, Mixture, Predicted
from denoising.evaluation.moments import least_squares_fit, moments_of
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.images.percentiles import blocks, normalisation, percentiles
from denoising.images.volumes import Pair, open_volume
from denoising.study.names import PREDICTED, RESCALED, SCALES

BINS = 10


@dataclass(frozen=True)
class _Computed:
    """An image that is computed from the predictions whenever a block of it is read."""

    predicted: Predicted
    compute: Callable[[Mixture], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.predicted.means[0].shape

    @property
    def dtype(self) -> np.dtype:
        return np.promote_types(np.float32, self.predicted.means[0].dtype)

    def __getitem__(self, block: Block) -> np.ndarray:
        return self.compute(self.predicted.mixture(block)).astype(self.dtype)


def calibrate_pair(
    pair: Pair,
    restored: Sequence[Path],
    factors: Factors,
    threads: int = 1,
    scratch: Path | None = None,
) -> list[dict]:
    """Compute the rows of one volume in one condition.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : sequence of Path
        For each network the folder of its restorations, {condition}/{volume}.tif, and of scales,
        scale/{condition}/{volume}.tif.
    factors : Factors
        Those of the network or ensemble.
    threads : int
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.

    Raises
    ------
    ValueError
        If the volume cannot be compared with its truth, or its scale is missing; names the file.
    """
    paths = [folder / pair.restored_name for folder in restored]
    scales = [folder / SCALES / pair.restored_name for folder in restored]
    for scale in scales:
        if not scale.parent.is_dir():
            raise ValueError(
                f"{scale.parent}: the predicted scale is missing; restore with a model of loss"
                " laplace."
            )
    truth, *images = (
        open_volume(file, pair.axes, scratch) for file in (pair.truth, *paths, *scales)
    )
    predicted = Predicted(images[: len(paths)], images[len(paths) :])
    with errors_naming(pair, *paths):
        rows = calibrate_volume(truth, predicted, factors, threads)
    return [{"condition": pair.condition, "volume": pair.volume} | row for row in rows]


def calibrate_volume(
    truth: np.ndarray, predicted: Predicted, factors: Factors, threads: int = 1
) -> list[dict]:
    """Coverage and predicted error of one restored volume, as predicted and rescaled.

    Parameters
    ----------
    truth : ndarray
        Ground truth as acquired, any shape, arbitrary units.
    predicted : Predicted
        Means and scales have the truth's shape.
    factors : Factors
    threads : int
        Blocks computed at a time; the rows are the same for any number.

    Returns
    -------
    list of dict
        Rows of intervals, kind, level, expected, observed and count; for either kind of intervals
        one for each of `LEVELS`, and one for each bin of predicted error that has voxels. A bin is
        empty only if many voxels share one error.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, or a scale is negative.
    """
    shapes = {image.shape for image in (*predicted.means, *predicted.scales)}
    if shapes != {truth.shape}:
        raise ValueError(
            f"truth is {truth.shape}, restorations and scales {sorted(shapes)}, expected one shape."
        )
    expected = _Computed(predicted, Mixture.expected_error)
    tally = partial(
        _tally,
        fit=_fit_errors(truth, _Computed(predicted, Mixture.mean), threads),
        edges=percentiles(expected, [100 * i / BINS for i in range(1, BINS)]),
        limits=[nominal_score(level) for level in LEVELS] + factors.scores,
    )
    covered = np.zeros(2 * len(LEVELS), int)
    bins = np.zeros((3, BINS))
    with ThreadPoolExecutor(threads) as pool:
        tallies = pool.map(
            lambda block: tally(truth[block], predicted.mixture(block)), blocks(truth)
        )
        for block_covered, block_bins in tallies:
            covered += block_covered
            bins += block_bins
    shares = dict(zip((PREDICTED, RESCALED), np.split(covered / truth.size, 2), strict=True))
    gains = {PREDICTED: 1.0, RESCALED: factors.error_factor}
    return [row for name in shares for row in _rows(name, shares[name], gains[name], bins)]


def _rows(intervals: str, shares: np.ndarray, gain: float, bins: np.ndarray) -> list[dict]:
    """Rows of one kind of intervals; `gain` rescales the predicted error."""
    count = int(bins[0].sum())
    coverage = [
        _row("coverage", level, level, share, count)
        for level, share in zip(LEVELS, shares, strict=True)
    ]
    scale = [
        _row("scale", i, gain * predicted / voxels, errors / voxels, voxels)
        for i, (voxels, predicted, errors) in enumerate(bins.T)
        if voxels
    ]
    return [{"intervals": intervals} | row for row in coverage + scale]


@dataclass(frozen=True)
class _ErrorFit:
    """The error of a voxel is `truth_gain y - restored_gain p + offset`, in units of the normalised
    truth.
    """

    truth_gain: float
    restored_gain: float
    offset: float


def _fit_errors(truth: np.ndarray, restored: _Computed, threads: int) -> _ErrorFit:
    """Normalise the truth and fit the restoration to it by least squares."""
    moments = moments_of(truth, restored, threads)
    gain, offset = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
    fit = least_squares_fit(moments.mapped((gain, 1.0), (offset, 0.0)))
    return _ErrorFit(gain, fit.gain, offset - fit.offset)


def _tally(
    truth: np.ndarray,
    mixture: Mixture,
    fit: _ErrorFit,
    edges: list[float],
    limits: list[float],
) -> tuple[np.ndarray, np.ndarray]:
    """Count the voxels of one block whose score is within each limit; and count voxels, sum
    predicted errors and sum errors in each bin, (3, BINS).
    """
    y = fit.truth_gain * np.array(truth, np.float64).ravel() + fit.offset
    expected = mixture.expected_error()
    bins = np.searchsorted(edges, expected, side="right")
    gain = fit.restored_gain
    fitted = Mixture(gain * mixture.means, abs(gain) * mixture.scales)
    scores = fitted.score(y)
    covered = [np.count_nonzero(scores <= limit) for limit in limits]
    weights = (None, abs(gain) * expected, np.abs(y - fitted.mean()))
    sums = [np.bincount(bins, weight, BINS) for weight in weights]
    return np.array(covered), np.array(sums)


def _row(kind: str, level: float, expected: float, observed: float, count: float) -> dict:
    return {
        "kind": kind,
        "level": level,
        "expected": float(expected),
        "observed": float(observed),
        "count": int(count),
    }
