"""The network: csbdeep's CARE U-Net as published, its context measured, its folder readable by
stock csbdeep.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
from csbdeep.models import CARE, Config
from made_up import training_settings

from denoising.training.network import (
    Device,
    care_config,
    chosen_precision,
    halo,
    load_model,
    set_precision,
    use_device,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
GPU = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")


# Architecture


def test_defaults_are_the_published_network():
    model = CARE(care_config(training_settings(), "ZYX"), basedir=None)
    assert model.keras_model.count_params() == 996_802
    assert model.keras_model.input_shape == (None, None, None, None, 1)
    assert model.keras_model.output_shape == (None, None, None, None, 2)  # mean and scale


def test_defaults_are_csbdeeps_but_for_file_names_and_logging():
    ours = vars(care_config(training_settings(), "ZYX"))
    stock = vars(Config("ZYX", probabilistic=True))
    assert set(ours) == set(stock)
    differ = {key for key in ours if ours[key] != stock[key]}
    assert differ <= {
        "train_batch_size",
        "train_tensorboard",
        "train_checkpoint_last",
        "train_checkpoint_epoch",
    }
    assert (ours["train_batch_size"], ours["train_checkpoint"]) == (16, "weights_best.h5")


def test_every_value_reaches_the_config():
    settings = training_settings(
        width=8,
        depth=3,
        kernel=5,
        residual=False,
        last_activation="relu",
        loss="mae",
        epochs=7,
        steps_per_epoch=11,
        batch_size=13,
        learning_rate=0.002,
        plateau_factor=0.25,
        plateau_patience=3,
        plateau_min_delta=0.5,
    )
    config = care_config(settings, "YX")
    assert (config.n_dim, config.axes, config.n_channel_in, config.n_channel_out) == (
        2,
        "YXC",
        1,
        1,
    )
    assert (config.unet_n_first, config.unet_n_depth, config.unet_kern_size) == (8, 3, 5)
    assert (config.unet_residual, config.unet_last_activation) == (False, "relu")
    assert (config.train_loss, config.probabilistic) == ("mae", False)
    assert (config.train_epochs, config.train_steps_per_epoch, config.train_batch_size) == (
        7,
        11,
        13,
    )
    assert config.train_learning_rate == 0.002
    assert config.train_reduce_lr == {"factor": 0.25, "patience": 3, "min_delta": 0.5}
    assert config.is_valid()


@pytest.mark.parametrize(("loss", "channels"), [("laplace", 2), ("mae", 1), ("mse", 1)])
def test_only_laplace_predicts_a_scale(loss, channels):
    model = CARE(care_config(training_settings(loss=loss, width=2), "YX"), basedir=None)
    assert model.keras_model.output_shape[-1] == channels


# Context


def test_halo_of_the_published_network_is_24():
    assert halo(depth=2, kernel=3) == 24


def reach(depth, kernel):
    """Voxels beyond a core on the network's grid that change its output, measured on a real random
    network.

    Weights are positive and there is no bias, so every path through the network counts and none
    cancels: a single lit column lights exactly the outputs that it can reach.
    """
    settings = training_settings(depth=depth, kernel=kernel, width=1, loss="mae")
    network = CARE(care_config(settings, "YX"), basedir=None).keras_model
    rng = np.random.default_rng(depth)
    weights = network.get_weights()
    network.set_weights(
        [rng.uniform(0.5, 1, w.shape) / len(w) if w.ndim > 1 else np.zeros_like(w) for w in weights]
    )
    step = 2**depth
    start = halo(depth, kernel) + step
    size = 2 * start + step
    columns = np.arange(size)
    images = np.zeros((size, step, size, 1), np.float32)
    images[columns, :, columns] = 1  # image i is lit in column i alone
    core = network(images).numpy()[:, :, start : start + step, 0]
    lit = np.flatnonzero(core.max(axis=(1, 2)) > 0)
    return start - lit.min(), lit.max() - (start + step - 1)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_halo_holds_all_context_and_little_more(depth, kernel):
    before, after = reach(depth, kernel)
    assert max(before, after) <= halo(depth, kernel)
    assert halo(depth, kernel) % 2**depth == 0
    assert halo(depth, kernel) - max(before, after) < 2 * 2**depth


def test_the_published_network_reaches_22_voxels():
    assert reach(depth=2, kernel=3) == (22, 22)


# Folder


def test_stock_csbdeep_reads_a_folder_back(tmp_path):
    settings = training_settings(width=2, depth=1)
    written = CARE(care_config(settings, "ZYX"), name="worm", basedir=str(tmp_path))
    written.keras_model.save_weights(str(tmp_path / "worm/weights_best.h5"))
    stock, ours = CARE(None, name="worm", basedir=str(tmp_path)), load_model(tmp_path / "worm")
    image = np.random.default_rng(0).random((8, 10, 12), np.float32)
    expected = written.predict(image, "ZYX", normalizer=None)
    for loaded in (stock, ours):
        assert vars(loaded.config) == json.loads((tmp_path / "worm/config.json").read_text())
        for a, b in zip(
            loaded.keras_model.get_weights(), written.keras_model.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(loaded.predict(image, "ZYX", normalizer=None), expected)


def test_a_folder_without_weights_is_refused(tmp_path):
    CARE(care_config(training_settings(width=2, depth=1), "YX"), name="worm", basedir=str(tmp_path))
    with pytest.raises((OSError, ValueError), match="weights"):
        load_model(tmp_path / "worm")


def test_weights_of_another_network_are_refused_in_one_sentence(tmp_path):
    for name, width in (("thin", 2), ("wide", 4)):
        config = care_config(training_settings(width=width, depth=1), "YX")
        network = CARE(config, name=name, basedir=str(tmp_path)).keras_model
        network.save_weights(str(tmp_path / name / "weights_best.h5"))
    (tmp_path / "thin/weights_best.h5").write_bytes(
        (tmp_path / "wide/weights_best.h5").read_bytes()
    )
    with pytest.raises(ValueError, match="thin: the weights do not fit the network that config"):
        load_model(tmp_path / "thin")
    (tmp_path / "thin/weights_best.h5").write_bytes(b"no such format")
    with pytest.raises(ValueError, match="thin: the weights do not fit .* or are damaged"):
        load_model(tmp_path / "thin")


# Device


@pytest.fixture
def machine(monkeypatch):
    """A machine with the GPUs given, and what is asked of it."""
    asked = {}

    def with_gpus(*gpus):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: list(gpus))
        return asked

    threading = tf.config.threading
    monkeypatch.setattr(
        threading, "set_intra_op_parallelism_threads", lambda n: asked.update(threads=n)
    )
    monkeypatch.setattr(threading, "set_inter_op_parallelism_threads", lambda n: None)
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda devices, kind: asked.update({kind: devices})
    )
    details = {"device_name": "Testcard", "compute_capability": (8, 6)}
    growth = lambda gpu, on: asked.update(growth=on)  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", growth)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    return with_gpus


def test_gpu_without_a_gpu_fails_in_a_sentence_that_says_what_to_do(machine):
    machine()
    with pytest.raises(RuntimeError, match="device: gpu, but TensorFlow sees no GPU") as error:
        use_device("gpu", 1)
    message = str(error.value)
    assert "\n" not in message
    assert all(hint in message for hint in ("nvidia-smi", "device: auto"))


def test_auto_falls_back_to_the_cpu(machine):
    asked = machine()
    assert use_device("auto", 3) == Device("CPU", "CPU, 3 threads")
    assert asked["threads"] == 3


def test_cpu_leaves_a_gpu_alone(machine):
    asked = machine(GPU)
    assert use_device("cpu", 2) == Device("CPU", "CPU, 2 threads")
    assert asked["GPU"] == []


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_one_gpu_is_taken_by_name_and_its_memory_not_all_at_once(machine, device):
    asked = machine(GPU, GPU)
    assert use_device(device, 2) == Device("GPU", "GPU, Testcard", (8, 6))
    assert asked["growth"] is True
    assert asked["GPU"] == [GPU]


def test_the_whole_card_is_taken_if_asked(machine):
    asked = machine(GPU)
    use_device("gpu", 2, memory_growth=False)
    assert asked["growth"] is False


# Precision


@pytest.mark.parametrize(
    ("capability", "chosen"),
    [((6, 1), "float32"), ((7, 0), "float16"), ((7, 5), "float16"), ((8, 0), "bfloat16")],
)
def test_a_gpu_computes_in_the_fastest_arithmetic_that_trains_safely(capability, chosen):
    assert chosen_precision("auto", Device("GPU", "", capability)) == chosen
    assert chosen_precision("float32", Device("GPU", "", capability)) == "float32"


def test_a_cpu_computes_in_float32_unless_asked():
    assert chosen_precision("auto", Device("CPU", "")) == "float32"
    assert chosen_precision("bfloat16", Device("CPU", "")) == "bfloat16"
    with pytest.raises(ValueError, match="precision: float16 needs a GPU"):
        chosen_precision("float16", Device("CPU", ""))


@pytest.mark.parametrize("loss", ["laplace", "mae"])
def test_final_layers_and_all_weights_stay_in_float32(loss):
    network = CARE(
        care_config(training_settings(width=2, loss=loss), "YX"), basedir=None
    ).keras_model
    set_precision(network, "bfloat16")
    assert {weights.dtype for weights in network.weights} == {"float32"}
    computing = {layer.name: layer.compute_dtype for layer in network.layers}
    lower = {name for name, dtype in computing.items() if dtype == "bfloat16"}
    body = {layer.name for layer in network.layers if set(getattr(layer, "kernel_size", ())) == {3}}
    assert body <= lower
    final = [layer for layer in network.layers if set(getattr(layer, "kernel_size", ())) == {1}]
    assert len(final) == (2 if loss == "laplace" else 1)  # mean, and scale
    after = network.layers[network.layers.index(final[0]) :]
    assert {layer.compute_dtype for layer in after} == {"float32"}
    assert network(np.zeros((1, 8, 8, 1), np.float32)).dtype == tf.float32
