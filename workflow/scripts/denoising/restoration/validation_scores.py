"""Scores of the truth of validation patches under what trained networks predict for them."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from denoising.evaluation.laplace import Mixture
from denoising.images.slabs import scratch_array
from denoising.restoration.restorer import Restorer
from denoising.training.batches import PatchPairs

log = logging.getLogger(__name__)

AT_ONCE = 8  # patches in memory


def score_patches(
    networks: Sequence[Restorer], patches: PatchPairs, scratch: Path
) -> tuple[np.ndarray, float]:
    """Score the truth of every voxel of the validation patches (`evaluation.laplace`).

    Patches are restored as the network is trained on them: with no context around them, and
    compared with their truth without a fit.

    Parameters
    ----------
    networks : sequence of Restorer
        One probabilistic network, or those of an ensemble.
    patches : PatchPairs
    scratch : Path
        A folder for the scores, a file without a name that is gone with the array.

    Returns
    -------
    scores : ndarray of float32, (patches, voxels)
    error_factor : float
        Sum of absolute errors by the sum of expected ones.
    """
    indices = patches.validation
    scores = scratch_array(scratch, (len(indices), math.prod(patches.shape)), np.float32)
    errors = 0.0
    expected = 0.0
    for start in range(0, len(indices), AT_ONCE):
        chosen = indices[start : start + AT_ONCE]
        mixture = _predicted(networks, patches.X[chosen], "S" + patches.axes)
        truth = patches.Y[chosen].astype(np.float64)
        scores[start : start + AT_ONCE] = mixture.score(truth).reshape(len(chosen), -1)
        errors += np.abs(truth - mixture.mean()).sum()
        expected += mixture.expected_error().sum()
    log.info("scored %d validation patches", len(indices))
    return scores, float(errors / expected)


def _predicted(networks: Sequence[Restorer], images: np.ndarray, axes: str) -> Mixture:
    """What the networks predict for normalised images."""
    means = np.empty((len(networks), *images.shape), np.float32)
    scales = np.empty_like(means)
    for network, mean, scale in zip(networks, means, scales, strict=True):
        network.restore(images, axes, mean, scale)
    return Mixture(means.astype(np.float64), scales.astype(np.float64))
