"""A network as ONNX, which takes images of any size that is a multiple of 2**depth."""

from pathlib import Path

import keras
import onnx
from csbdeep.models import CARE

from denoising.running.outputs import whole


def write_onnx(model: CARE, path: Path) -> int:
    """Write the network alone: normalisation and padding are left to the program that runs it.

    Its input is float32 (batch, Z, Y, X, channel) or (batch, Y, X, channel); its output has the
    same axes, and for a probabilistic network twice the channels, means before scales.

    Returns
    -------
    int
        The version of ONNX's set of operators.
    """
    config = model.config
    shape = (None,) * (config.n_dim + 1) + (config.n_channel_in,)
    signature = [keras.InputSpec(dtype="float32", shape=shape, name="input")]
    with whole(path) as file:
        model.keras_model.export(file, format="onnx", verbose=False, input_signature=signature)
        network = onnx.load(file)
        onnx.checker.check_model(network)
    return next(entry.version for entry in network.opset_import if not entry.domain)
