"""Moments of a ground truth and an image, and the affine fits and errors that follow from them.

Everything that is compared is an affine function of the same two volumes. So their moments, read
once, give every fit and every mean squared error. Arithmetic is float64, on blocks small enough for
the processor's cache.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from math import inf, log10
from typing import NamedTuple

import numpy as np

from denoising.images.percentiles import Image, blocks


@dataclass(frozen=True)
class Moments:
    """Moments of a ground truth y and an image q over the same voxels.

    Attributes
    ----------
    count : int
        Number of voxels.
    lowest, highest, mean : ndarray of float64, (2,)
        Those of y and of q.
    scatter : ndarray of float64, (2, 2)
        Sums of products of deviations from the means.
    """

    count: int
    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    def __add__(self, other: "Moments") -> "Moments":
        """Moments of both parts together, without the cancellation of plain sums (Chan, Golub and
        LeVeque 1983).
        """
        count = self.count + other.count
        distance = other.mean - self.mean
        between = np.outer(distance, distance) * (self.count * other.count / count)
        return Moments(
            count,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            self.mean + distance * (other.count / count),
            self.scatter + other.scatter + between,
        )

    def mapped(self, gains: Sequence[float], offsets: Sequence[float]) -> "Moments":
        """Moments of `gain u + offset`, with a positive gain and an offset for each image."""
        gain = np.array(gains)
        offset = np.array(offsets)
        return Moments(
            self.count,
            gain * self.lowest + offset,
            gain * self.highest + offset,
            gain * self.mean + offset,
            self.scatter * np.outer(gain, gain),
        )


def moments_of(truth: np.ndarray, image: Image, threads: int = 1) -> Moments:
    """Compute the moments of two images of one shape, block by block.

    The result is the same, to the bit, for any number of threads.
    """
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda block: _block_moments(truth[block], image[block]), blocks(truth))
        return reduce(Moments.__add__, parts)


def _block_moments(truth: np.ndarray, image: np.ndarray) -> Moments:
    y, q = (np.array(values, np.float64).ravel() for values in (truth, image))
    lowest = np.array([y.min(), q.min()])
    highest = np.array([y.max(), q.max()])
    for i, name in enumerate(("ground truth", "image")):
        if not np.isfinite([lowest[i], highest[i]]).all():
            raise ValueError(
                f"the {name} holds NaN or infinite values, which cannot be scored; make it again."
            )
    mean = np.array([y.mean(), q.mean()])
    y -= mean[0]
    q -= mean[1]
    # einsum and not BLAS, which would start threads of its own
    yy, yq, qq = (np.einsum("i,i->", a, b) for a, b in ((y, y), (y, q), (q, q)))
    return Moments(len(y), lowest, highest, mean, np.array([[yy, yq], [yq, qq]]))


class AffineFit(NamedTuple):
    """The two images that a protocol compares: `y + shift` and `gain q + offset`."""

    shift: float
    gain: float
    offset: float


IDENTITY = AffineFit(shift=0.0, gain=1.0, offset=0.0)


def least_squares_fit(moments: Moments) -> AffineFit:
    """The truth as it is, and the affine function `a q + b` of the image with the least squared
    error against it (csbdeep's `normalize_minmse`).
    """
    _check_not_constant(moments)
    gain = moments.scatter[0, 1] / moments.scatter[1, 1]
    return AffineFit(0.0, gain, moments.mean[0] - gain * moments.mean[1])


def paper_fit(moments: Moments) -> AffineFit:
    """`y - mean(y)` and `a (q - mean(q))`, with a = cov(q, y) / var(q).

    As in the CARE paper's code, the covariance is the sample's (n - 1) and the variance the
    population's (n): numpy's defaults for both.
    """
    _check_not_constant(moments)
    covariance = moments.scatter[0, 1] / (moments.count - 1)
    variance = moments.scatter[1, 1] / moments.count
    gain = covariance / variance
    return AffineFit(-moments.mean[0], gain, -gain * moments.mean[1])


def _check_not_constant(moments: Moments) -> None:
    if moments.lowest[1] == moments.highest[1]:
        raise ValueError(
            f"the image is constant ({moments.lowest[1]:g} everywhere), so it cannot be scaled to"
            " the ground truth; train the model anew, or leave it out."
        )


def mean_squared_error(moments: Moments, fit: AffineFit) -> float:
    """Mean of `(y + shift - gain q - offset)^2`."""
    weights = np.array([1.0, -fit.gain])
    bias = weights @ moments.mean + fit.shift - fit.offset
    return max(0.0, weights @ moments.scatter @ weights / moments.count) + bias**2


def psnr(squared_error: float, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB for a mean squared error; infinite for equal images."""
    return inf if squared_error == 0 else 10 * log10(data_range**2 / squared_error)


def scale_to(target: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both images as `paper_fit` compares them, float64."""
    fit = paper_fit(moments_of(target, image))
    return target + fit.shift, fit.gain * image + fit.offset


def nrmse(target: np.ndarray, image: np.ndarray) -> float:
    """Root of the mean squared error; as the normalised truth's range is 1, this is the NRMSE."""
    return float(np.sqrt(np.mean((target - image) ** 2)))
