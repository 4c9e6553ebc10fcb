"""Initial weights that make a network begin as the identity.

csbdeep draws all weights at random (Glorot and Bengio, 2010). A residual network then begins as its
input plus noise of its own, and the fastest way to a lower loss is to silence its last features. In
a small network that can silence them for good: it returns its input for ever. A network whose last
layers are zero begins as its input, and has no noise to get rid of (Goyal et al., Accurate, Large
Minibatch SGD, 2017, and Zhang et al., Fixup Initialization, ICLR 2019, do so with residual blocks).
"""

import keras
import numpy as np


def begin_as_identity(network: keras.Model, scale: float) -> None:
    """Set the last layers of a residual CARE network such that it returns its input.

    Parameters
    ----------
    network : keras.Model
        Of csbdeep; its other weights stay as they are.
    scale : float
        The scale that a probabilistic network begins with: the input's mean absolute error makes
        the loss that of the best constant scale.
    """
    for layer in _last_layers(network):
        kernel, bias = layer.get_weights()
        begin = np.log(np.expm1(scale)) if _is_scale(layer) else 0.0  # softplus's inverse
        layer.set_weights([np.zeros_like(kernel), np.full_like(bias, begin)])


def _last_layers(network: keras.Model) -> list[keras.Layer]:
    """The convolution that gives the mean and, if the network has it, that of the scale."""
    convolutions = [layer for layer in network.layers if type(layer).__name__.startswith("Conv")]
    return convolutions[-2:] if _is_scale(convolutions[-1]) else convolutions[-1:]


def _is_scale(layer: keras.Layer) -> bool:
    return layer.activation is keras.activations.softplus
