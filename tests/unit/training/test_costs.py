"""What training costs, against known counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from csbdeep.models import CARE
from made_up import training_settings

from denoising.training import costs
from denoising.training.costs import (
    device_memory,
    flop_per_voxel,
    free_memory,
    host_memory,
    matmul_rate,
)
from denoising.training.network import care_config


def network(axes="ZYX", **changes):
    return CARE(care_config(training_settings(**changes), axes), basedir=None).keras_model


def test_the_published_network_takes_a_third_of_a_mflop_a_voxel():
    assert flop_per_voxel(network()) == pytest.approx(0.347e6, rel=0.01)


@pytest.mark.parametrize(
    ("axes", "changes"), [("ZYX", {"width": 4}), ("YX", {"depth": 3, "width": 2, "kernel": 5})]
)
def test_flop_are_those_of_every_convolution_at_its_own_scale(axes, changes):
    """Counted anew from the shapes that a patch takes on its way."""
    model = network(axes, **changes)
    shape = (16,) * len(axes)
    layers = [layer for layer in model.layers if type(layer).__name__.startswith("Conv")]
    outputs = keras.Model(model.input, [layer.output for layer in layers])(
        np.zeros((1, *shape, 1), np.float32)
    )
    flop = sum(
        2 * np.prod(output.shape[1:]) * np.prod(layer.kernel.shape[:-1])
        for layer, output in zip(layers, outputs, strict=True)
    )
    assert flop_per_voxel(model) == pytest.approx(flop / np.prod(shape))


def test_matrix_multiplication_has_a_rate():
    assert 1e8 < matmul_rate("float32", on_gpu=False) < 1e14


def test_host_memory_counts_what_belongs_to_no_file(tmp_path):
    np.save(tmp_path / "mapped.npy", np.ones(20_000_000, np.uint8))
    before = host_memory()
    mapped = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    assert mapped.sum() == 20_000_000
    assert host_memory() - before < 10
    # Large, because other memory of this process may go meanwhile
    own = np.ones(300_000_000, np.uint8)
    assert 150 < host_memory() - before < 350
    del own


def test_a_cpu_has_no_gpus_memory(monkeypatch):
    assert device_memory() is None
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["/physical_device:GPU:0"])
    assert device_memory() is None  # nor does an error of the counter end a training


def test_free_memory_is_that_of_the_gpu_or_else_what_is_left_of_the_jobs(monkeypatch):
    assert 0 < 5e9 - free_memory(False, 5000) < 4e9
    monkeypatch.setattr(costs.Gpu, "free_memory", lambda self: 7)
    assert free_memory(True, 5000) == 7
