"""Whether a network knows its error: the Laplace scale that it predicts for each voxel against the
error it makes.

A network trained with the Laplace loss gives a mean p and a scale s for every voxel, which say of
the error e that P(|e| <= t) = 1 - exp(-t / s), so that the mean of |e| is s. Both are in the units
of the network's input; to meet the truth y' = N(y; 0.1, 99.9), the restoration is fitted by least
squares, a p + b, and the scale becomes |a| s.

The table of calibration of one run on one test set is tidy, a row a value:

    kind       coverage, or scale condition, volume level      coverage: the share of voxels whose
    error the interval around p should hold; scale: a bin, 0 to 9, each
               with a tenth of the volume's voxels, in the order of the predicted scale
    expected   coverage: the level again; scale: mean predicted scale, in units of the normalised
    truth observed   coverage: the share of voxels with |e| <= -s ln(1 - level); scale: mean |e|, in
    the same units count      voxels

A network is calibrated where observed is expected. Arithmetic is float64, block by block.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from denoising.evaluation.protocols import TRUTH_PERCENTILES, fitted, moments_of
from denoising.images.percentiles import blocks, normalisation, percentiles
from denoising.images.volumes import Pair, open_volume

LEVELS = tuple(i / 20 for i in range(1, 20))
BINS = 10
COLUMNS = ["kind", "condition", "volume", "level", "expected", "observed", "count"]


def calibrate_pair(
    pair: Pair, restored: Path, threads: int = 1, scratch: Path | None = None
) -> list[dict]:
    """The rows of one volume in one condition: `restored` holds {condition}/{volume} and
    scale/{condition}/{volume}.

    `scratch` is a folder for what must be decoded, as `open_volume` has it.

    Raises
    ------
    ValueError
        If the volume cannot be compared with its truth, or no scale was written for it; names the
        file.
    """
    path, scale = (
        folder / pair.condition / f"{pair.volume}.tif" for folder in (restored, restored / "scale")
    )
    if not scale.parent.is_dir():
        raise ValueError(
            f"{scale.parent}: the predicted scale is missing; restore with a model of loss laplace."
        )
    volumes = [open_volume(each, pair.axes, scratch) for each in (pair.truth, path, scale)]
    try:
        rows = calibrate_volume(*volumes, threads)
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
        Blocks done at a time; the rows are the same for any number.

    Returns
    -------
    list of dict
        kind, level, expected, observed and count; a row for each of `LEVELS`, and one for each bin
        of scale that has voxels (all have, but where many voxels share one scale).

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
    gain, a, rest = _fit(truth, restored, threads)
    edges = percentiles(scale, [100 * i / BINS for i in range(1, BINS)])

    def tally(block: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Voxels covered at each level; voxels, sum of scales and sum of errors in each bin."""
        y, q, s = (np.array(image[block], np.float64).ravel() for image in (truth, restored, scale))
        if not (np.isfinite(s) & (s >= 0)).all():
            raise ValueError(
                "the scale holds negative, NaN or infinite values, which no Laplace law has;"
                " restore again."
            )
        error, width = np.abs(gain * y - a * q + rest), abs(a) * s
        covered = np.array(
            [np.count_nonzero(error <= -np.log1p(-level) * width) for level in LEVELS]
        )
        which = np.searchsorted(edges, s, side="right")
        return covered, np.array(
            [np.bincount(which, weights, BINS) for weights in (None, width, error)]
        )

    with ThreadPoolExecutor(threads) as pool:
        covered, bins = (sum(parts) for parts in zip(*pool.map(tally, blocks(truth)), strict=True))
    coverage = [
        _row("coverage", *each, truth.size)
        for each in zip(LEVELS, LEVELS, covered / truth.size, strict=True)
    ]
    return coverage + [
        _row("scale", i, width / voxels, error / voxels, voxels)
        for i, (voxels, width, error) in enumerate(bins.T)
        if voxels
    ]


def _row(kind: str, level: float, expected: float, observed: float, count: float) -> dict:
    values = {"expected": float(expected), "observed": float(observed), "count": int(count)}
    return {"kind": kind, "level": level} | values


def _fit(truth: np.ndarray, restored: np.ndarray, threads: int) -> tuple[float, float, float]:
    """Normalise the truth y and fit the restoration q to it: g, a and r, such that the error is g y
    - a q + r.
    """
    moments = moments_of(truth, restored, threads)
    gain, offset = normalisation(truth, *TRUTH_PERCENTILES, "the ground truth")
    match = fitted(moments.mapped((gain, 1.0), (offset, 0.0)))
    return gain, match.gain, offset - match.offset
