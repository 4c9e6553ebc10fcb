"""Networks with random weights, images for them, and what they restore."""

import math

import numpy as np
from csbdeep.models import CARE, Config


def random_network(axes, depth, kernel, probabilistic, channels=1, width=2, residual=True):
    """A CARE network with random weights, all paths open and of equal weight, so that context
    counts.
    """
    sizes = {"unet_n_depth": depth, "unet_kern_size": kernel, "unet_n_first": width}
    config = Config(
        axes,
        n_channel_in=channels,
        n_channel_out=channels,
        probabilistic=probabilistic,
        unet_residual=residual,
        **sizes,
    )
    model = CARE(config, basedir=None)
    rng = np.random.default_rng(depth + kernel)
    weights = [
        rng.uniform(0.3, 1, w.shape) * 2 / math.prod(w.shape[:-1])
        for w in model.keras_model.get_weights()
    ]
    model.keras_model.set_weights(weights)
    return model


def image(shape):
    return np.random.default_rng(0).gamma(1, 1, shape).astype(np.float32)


def restored(restorer, noisy, axes, **normalised):
    """What a restorer makes of an image: the mean, and the scale or None."""
    mean, scale = (np.full(noisy.shape, np.nan, np.float32) for _ in range(2))
    restorer.restore(noisy, axes, mean, scale if restorer.probabilistic else None, **normalised)
    return mean, scale if restorer.probabilistic else None


def assert_equal(found, expected):
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)
