"""The Laplace distributions that networks predict for each voxel, and mixtures of several of them.

A network trained with the Laplace loss predicts a mean p and a scale s for every voxel: the true
value y has the density exp(-|y - p| / s) / (2 s). An ensemble of networks predicts their mixture,
the mean of their densities; a network alone is a mixture of one. A mixture is no Laplace
distribution, so it has no scale: it is described by its quantiles.

The score of a value is -ln(2 t), where t is the probability of the tail beyond it, the smaller of
the two. For one network the score is |y - p| / s. The central interval of level L holds the values
whose score is at most -ln(1 - L).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Halvings of the bracket between the networks' own quantiles, until it is as narrow as float32 is
# fine
BISECTIONS = 26
SMALLEST_SCALE = np.finfo(np.float32).tiny
Block = tuple[slice, ...]


@dataclass(frozen=True)
class Mixture:
    """A mixture of the Laplace distributions of several networks, for many voxels.

    Attributes
    ----------
    means, scales : ndarray of float64, (networks, ...)
        In the same units. A scale of 0 (from whole numbers on disk) is taken for the smallest
        float32.
    """

    means: np.ndarray
    scales: np.ndarray

    def mean(self) -> np.ndarray:
        """The expected value of each voxel: the mean of the networks' means."""
        return self.means.mean(axis=0)

    def expected_error(self) -> np.ndarray:
        """The expected absolute error of `mean`; for one network its scale.

        For a Laplace distribution whose mean lies d away, E|y - m| = |d| + s exp(-|d| / s).
        """
        if len(self.means) == 1:
            return self.scales[0]
        distances = np.abs(self.means - self.mean())
        nearness = np.exp(-distances / np.maximum(self.scales, SMALLEST_SCALE))
        return (distances + self.scales * nearness).mean(axis=0)

    def score(self, values: np.ndarray) -> np.ndarray:
        """The score of a value of each voxel (see the module); infinite far out in a tail."""
        if len(self.means) == 1:
            return np.abs(values - self.means[0]) / np.maximum(self.scales[0], SMALLEST_SCALE)
        tail = np.minimum(self._below(values), _mirrored(self)._below(-values))
        with np.errstate(divide="ignore"):
            return -np.log(2 * tail)

    def interval(self, score: float) -> tuple[np.ndarray, np.ndarray]:
        """Both ends of the central interval that holds the values of at most this score.

        They are the mixture's quantiles of exp(-score) / 2 and of 1 - exp(-score) / 2, by bisection
        between the least and the greatest of the networks' own.
        """
        return self._lower_end(score), -_mirrored(self)._lower_end(score)

    def _lower_end(self, score: float) -> np.ndarray:
        ends = self.means - self.scales * score
        low = ends.min(axis=0)
        high = ends.max(axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            is_below = self._below(middle) < np.exp(-score) / 2
            low = np.where(is_below, middle, low)
            high = np.where(is_below, high, middle)
        return (low + high) / 2

    def _below(self, values: np.ndarray) -> np.ndarray:
        """Probability of less than a value of each voxel, exact in the lower tail."""
        total = np.zeros(self.means.shape[1:])
        for mean, scale in zip(self.means, self.scales, strict=True):
            distance = (values - mean) / np.maximum(scale, SMALLEST_SCALE)
            tail = np.exp(-np.abs(distance)) / 2
            total += np.where(distance < 0, tail, 1 - tail)
        return total / len(self.means)


def _mirrored(mixture: Mixture) -> Mixture:
    """The mixture of the negative values: its lower tail is the upper one, as exact."""
    return Mixture(-mixture.means, mixture.scales)


@dataclass(frozen=True)
class Predicted:
    """Predictions of networks for one volume: a mean and a scale of each of its voxels.

    Attributes
    ----------
    means, scales : sequence of ndarray of float
        One of each per network (one, or those of an ensemble), all of one shape, in units of the
        normalised input. Memory maps are read block by block.
    """

    means: Sequence[np.ndarray]
    scales: Sequence[np.ndarray]

    def mixture(self, block: Block) -> Mixture:
        """The predicted distributions of a block's voxels."""
        means, scales = (
            np.stack([np.array(image[block], np.float64).ravel() for image in images])
            for images in (self.means, self.scales)
        )
        if not (np.isfinite(scales) & (scales >= 0)).all():
            raise ValueError(
                "the scale holds negative, NaN or infinite values, which no Laplace law has;"
                " restore again."
            )
        return Mixture(means, scales)
