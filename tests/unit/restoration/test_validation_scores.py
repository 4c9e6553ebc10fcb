"""Scores of validation patches: those of a network's predictions for each patch by itself."""

import math

import numpy as np
import pandas as pd
import pytest
from random_networks import image, random_network, restored

from denoising.restoration.restorer import Restorer
from denoising.restoration.validation_scores import score_patches
from denoising.training.batches import PatchPairs


def patches(shape, count=21):
    """Patches of which every other one validates."""
    X = image((count, *shape))
    Y = X + np.random.default_rng(1).normal(0, 1, X.shape).astype(np.float32)
    parts = ["validation" if i % 2 else "train" for i in range(count)]
    return PatchPairs(X, Y, pd.DataFrame({"patch": range(count), "part": parts}))


def restorer(shape, tiles=1):
    model = random_network("ZYX"[-len(shape) :], 2, 3, probabilistic=True)
    return Restorer(model, tiles * math.prod(shape), tiles)


@pytest.mark.parametrize("shape", [(4, 16, 16), (16, 24)], ids=["3D", "2D"])
@pytest.mark.parametrize("tiles", [1, 8])
def test_scores_are_errors_by_scales_of_each_validation_patch(shape, tiles, tmp_path):
    pairs = patches(shape)
    network = restorer(shape, tiles)
    scores, error_factor = score_patches([network], pairs, tmp_path)
    assert (scores.shape, scores.dtype) == ((10, math.prod(shape)), np.float32)
    errors = scales = 0.0
    for found, i in zip(scores, range(1, 21, 2), strict=True):
        mean, scale = restored(network, pairs.X[i], pairs.axes)
        error = np.abs(pairs.Y[i] - mean)
        np.testing.assert_allclose(found, (error / scale).ravel(), rtol=1e-3, atol=1e-4)
        errors += error.sum()
        scales += scale.sum()
    assert error_factor == pytest.approx(errors / scales, rel=1e-4)


def test_an_ensemble_of_one_network_twice_is_that_network(tmp_path):
    pairs = patches((16, 16))
    network = restorer((16, 16))
    one, factor_of_one = score_patches([network], pairs, tmp_path)
    two, factor_of_two = score_patches([network, network], pairs, tmp_path)
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
    assert factor_of_two == pytest.approx(factor_of_one)
