"""A training step by the folded pass is one by the network layer by layer."""

import re

import numpy as np
import pytest
import tensorflow as tf
from random_networks import image, random_network

from denoising.training.folded_pass import Cores, folded_pass

NETWORKS = {
    # axes, depth, kernel, patch
    "2D": ("YX", 2, 3, (16, 24)),
    "2D-deep": ("YX", 3, 3, (16, 16)),
    "2D-wide-kernel": ("YX", 1, 5, (12, 16)),
    "3D": ("ZYX", 2, 3, (8, 12, 16)),
    "3D-flat": ("ZYX", 1, 3, (2, 16, 10)),
}


@tf.function(autograph=False)
def loss_and_gradients(network, forward, y):
    with tf.GradientTape() as tape:
        restored = tf.cast(forward(), tf.float32)
        loss = tf.reduce_mean(tf.abs(y - restored[..., :1]) / (0.1 + restored[..., -1:] ** 2))
    return loss, tape.gradient(loss, network.trainable_variables)


def whole(shape):
    """Patches have no halo: all of them is core."""
    return Cores(shape, shape, tf.zeros(len(shape), tf.int32))


@pytest.mark.parametrize("probabilistic", [True, False])
@pytest.mark.parametrize(("axes", "depth", "kernel", "shape"), NETWORKS.values(), ids=NETWORKS)
def test_loss_and_gradients_are_those_of_the_layers(axes, depth, kernel, shape, probabilistic):
    network = random_network(axes, depth, kernel, probabilistic, width=8).keras_model
    x, y = np.split(image((8, *shape, 1)), 2)
    loss, gradients = loss_and_gradients(
        network, lambda: folded_pass(network, x, whole(shape), trains=True), y
    )
    expected, expected_gradients = loss_and_gradients(network, lambda: network(x), y)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    for found, of_layers in zip(gradients, expected_gradients, strict=True):
        scale = np.abs(of_layers).max()
        np.testing.assert_allclose(found, of_layers, atol=5e-6 * scale, rtol=0)


@pytest.mark.parametrize(("axes", "shape"), [("YX", (16, 16)), ("ZYX", (8, 16, 16))])
def test_its_gradient_adds_nothing_up_in_an_order_that_a_gpu_changes(axes, shape):
    """As that of a pooling layer does."""
    network = random_network(axes, 2, 3, probabilistic=False, width=8).keras_model
    x, y = np.split(image((4, *shape, 1)), 2)
    passes = {
        "layers": lambda: network(x),
        "folded": lambda: folded_pass(network, x, whole(shape), trains=True),
    }
    unordered = {
        name: [
            operation.type
            for operation in loss_and_gradients.get_concrete_function(
                network, forward, y
            ).graph.get_operations()
            if re.search("MaxPool.*Grad|Scatter|Segment", operation.type)
        ]
        for name, forward in passes.items()
    }
    assert len(unordered["layers"]) == 2
    assert unordered["folded"] == []
