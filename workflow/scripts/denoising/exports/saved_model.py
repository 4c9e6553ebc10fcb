"""A network as a zipped TensorFlow SavedModel with meta.json, as csbdeep exports it for Fiji's
CSBDeep plugin and for KNIME.

csbdeep's own `export_TF` refuses Keras 3. This module takes its place in a process of its own, with
Keras 2 (tf-keras): TF_USE_LEGACY_KERAS=1 must be set before TensorFlow is imported. As these
programs run an old TensorFlow, the graph has no operation and no attribute but those of older
exports.
"""

import json
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf
import tf_keras
from csbdeep import __version__
from csbdeep.models import CARE
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from denoising.running.outputs import whole
from denoising.training.network import load_model


def write_saved_model(folder: Path, path: Path) -> None:
    """Export the network of a model folder.

    Parameters
    ----------
    folder : Path
    path : Path
        Written: a zip.

    Raises
    ------
    RuntimeError
        In a process with Keras 3.
    ValueError
        As `load_model`.
    """
    model = load_model(folder)
    if not isinstance(model.keras_model, tf_keras.Model):
        raise RuntimeError("Set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported.")
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch, "model")
        _write(model.keras_model, content)
        (content / "meta.json").write_text(json.dumps(_meta(model)))
        archive = shutil.make_archive(str(Path(scratch, "archive")), "zip", content)
        with whole(path) as partial:
            shutil.copyfile(archive, partial)


def _write(network: tf_keras.Model, folder: Path) -> None:
    v1 = tf.compat.v1.saved_model
    for layer in network.layers:
        # Random initial values would be drawn by operations that are newer than these programs
        if hasattr(layer, "kernel_initializer"):
            layer.kernel_initializer = tf_keras.initializers.Zeros()
    weights = network.get_weights()
    with tf.Graph().as_default():
        clone = tf_keras.models.clone_model(network)
        clone.set_weights(weights)
        signature = v1.signature_def_utils.predict_signature_def(
            inputs={"input": clone.input}, outputs={"output": clone.output}
        )
        builder = v1.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            tf.compat.v1.keras.backend.get_session(),
            [v1.tag_constants.SERVING],
            {v1.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
            strip_default_attrs=True,
        )
        file = Path(builder.save().decode())
    exported = SavedModel.FromString(file.read_bytes())
    for node in exported.meta_graphs[0].graph_def.node:
        node.attr.pop("debug_name", None)  # newer than these programs too
    file.write_bytes(exported.SerializeToString())


def _meta(model: CARE) -> dict:
    """What csbdeep's export says of a network."""
    axes = model.config.axes
    return {
        "type": type(model).__name__,
        "version": __version__,
        "probabilistic": model.config.probabilistic,
        "axes": axes,
        "axes_div_by": model._axes_div_by(axes),
        "tile_overlap": model._axes_tile_overlap(axes),
    }
