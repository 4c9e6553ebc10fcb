"""Calibration of the error that a network predicts: its Laplace scale of each voxel against the
error it makes.

A network trained with the Laplace loss predicts a mean p and a scale s for every voxel. They state
that the error e has P(|e| <= t) = 1 - exp(-t / s), so the mean of |e| is s. Both have the units of
the network's input. To compare them with the truth y' = N(y; 0.1, 99.9), the restoration is fitted
by least squares, a p + b, and the scale becomes |a| s.

The calibration table of one run on one test set is tidy, one value per row:

kind
    coverage or scale
condition, volume
    as in the scores
level
    coverage: the share of voxels whose error the interval around p should hold;
    scale: a bin, 0 to 9, each with a tenth of the volume's voxels, in the order of predicted scale
expected
    coverage: the level again;
    scale: the mean predicted scale, in units of the normalised truth
observed
    coverage: the share of voxels with |e| <= -s ln(1 - level);
    scale: the mean of |e|, in the same units
count
    voxels

A network is calibrated if observed equals expected. Arithmetic is float64, block by block.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from denoising.evaluation.moments import least_squares_fit, moments_of
from denoising.evaluation.protocols import TRUTH_PERCENTILES
from denoising.images.percentiles import blocks, normalisation, percentiles
from denoising.images.volumes import Pair, open_volume
from denoising.study.names import SCALES

LEVELS = tuple(i / 20 for i in range(1, 20))
BINS = 10


def calibrate_pair(
    pair: Pair, restored: Path, threads: int = 1, scratch: Path | None = None
) -> list[dict]:
    """Compute the rows of one volume in one condition.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : Path
        Folder of restorations, {condition}/{volume}.tif, and of scales,
        scale/{condition}/{volume}.tif.
    threads : int
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.

    Raises
    ------
    ValueError
        If the volume cannot be compared with its truth, or its scale is missing; names the file.
    """
    path = restored / pair.restored_name
    scale = restored / SCALES / pair.restored_name
    if not scale.parent.is_dir():
        raise ValueError(
            f"{scale.parent}: the predicted scale is missing; restore with a model of loss laplace."
        )
    truth, restoration, scales = (
        open_volume(file, pair.axes, scratch) for file in (pair.truth, path, scale)
    )
    try:
        rows = calibrate_volume(truth, restoration, scales, threads)
    except ValueError as error:
        raise ValueError(f"{path} against {pair.truth}: {error}") from None
    return [{"condition": pair.condition, "volume": pair.volume} | row for row in rows]


def calibrate_volume(
    truth: np.ndarray, restored: np.ndarray, scale: np.ndarray, threads: int = 1
) -> list[dict]:
    """Coverage and scale of one restored volume.

    Parameters
    ----------
    truth : ndarray
        Ground truth as acquired, any shape, arbitrary units.
    restored, scale : ndarray of float
        The network's mean and its Laplace scale, of the truth's shape, in units of the normalised
        input.
    threads : int
        Blocks computed at a time; the rows are the same for any number.

    Returns
    -------
    list of dict
        Rows of kind, level, expected, observed and count: one for each of `LEVELS`, and one for
        each bin of scale that has voxels. A bin is empty only if many voxels share one scale.

    Raises
    ------
    ValueError
        If shapes differ, an image is constant or not finite, or a scale is negative.
    """
    if not truth.shape == restored.shape == scale.shape:
        raise ValueError(
            f"truth is {truth.shape}, image {restored.shape}, scale {scale.shape}, expected one"
            " shape."
        )
    error_fit = _fit_errors(truth, restored, threads)
    edges = percentiles(scale, [100 * i / BINS for i in range(1, BINS)])
    tally = partial(_tally, fit=error_fit, edges=edges)
    covered = np.zeros(len(LEVELS), int)
    bins = np.zeros((3, BINS))
    with ThreadPoolExecutor(threads) as pool:
        tallies = pool.map(
            lambda block: tally(truth[block], restored[block], scale[block]), blocks(truth)
        )
        for block_covered, block_bins in tallies:
            covered += block_covered
            bins += block_bins
    coverage = [
        _row("coverage", level, level, share, truth.size)
        for level, share in zip(LEVELS, covered / truth.size, strict=True)
    ]
    return coverage + [
        _row("scale", i, widths / voxels, errors / voxels, voxels)
        for i, (voxels, widths, errors) in enumerate(bins.T)
        if voxels
    ]


@dataclass(frozen=True)
class _ErrorFit:
    """The error of a voxel is `truth_gain y - restored_gain p + offset`, in units of the normalised
    truth.
    """

    truth_gain: float
    restored_gain: float
    offset: float


def _fit_errors(truth: np.ndarray, restored: np.ndarray, threads: int) -> _ErrorFit:
    """Normalise the truth and fit the restoration to it by least squares."""
    moments = moments_of(truth, restored, threads)
    gain, offset = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
    fit = least_squares_fit(moments.mapped((gain, 1.0), (offset, 0.0)))
    return _ErrorFit(gain, fit.gain, offset - fit.offset)


def _tally(
    truth: np.ndarray,
    restored: np.ndarray,
    scale: np.ndarray,
    fit: _ErrorFit,
    edges: list[float],
) -> tuple[np.ndarray, np.ndarray]:
    """Count the voxels of one block that each level covers; and count voxels, sum scales and sum
    errors in each bin, (3, BINS).
    """
    y, p, s = (np.array(image, np.float64).ravel() for image in (truth, restored, scale))
    if not (np.isfinite(s) & (s >= 0)).all():
        raise ValueError(
            "the scale holds negative, NaN or infinite values, which no Laplace law has;"
            " restore again."
        )
    error = np.abs(fit.truth_gain * y - fit.restored_gain * p + fit.offset)
    width = abs(fit.restored_gain) * s
    covered = [np.count_nonzero(error <= -np.log1p(-level) * width) for level in LEVELS]
    bins = np.searchsorted(edges, s, side="right")
    sums = [np.bincount(bins, weights, BINS) for weights in (None, width, error)]
    return np.array(covered), np.array(sums)


def _row(kind: str, level: float, expected: float, observed: float, count: float) -> dict:
    return {
        "kind": kind,
        "level": level,
        "expected": float(expected),
        "observed": float(observed),
        "count": int(count),
    }
