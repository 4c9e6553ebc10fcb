"""Steps: how they use the device, which changes no result, and what they do to a batch."""

import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from csbdeep.internals import losses as csbdeep_losses
from made_up import training_settings
from made_up_training import (
    COMPUTE,
    CPU,
    IGNORED_WARNINGS,
    PLAIN_EXECUTION,
    TRAIN,
    assert_same_training,
    best_weights,
    checkpoints_of,
    described,
    run_of,
    split,
    train_model,
    write_patches,
)
from random_networks import random_network

from denoising.training.batches import PatchPairs
from denoising.training.compilation import Compilation
from denoising.training.loop import Folders, Trainer, train
from denoising.training.network import Device, set_precision
from denoising.training.signals import Stopped
from denoising.training.steps import Execution, TrainingSteps, choose_execution, weighed_by_scale

pytestmark = IGNORED_WARNINGS


def test_patches_on_the_device_change_nothing(worm, patches, models):
    train_model(patches, models / "resident", compute=replace(COMPUTE, resident=True))
    assert_same_training(worm, models / "resident")


def test_xla_changes_only_rounding(worm, patches, models):
    history = train_model(
        patches, models / "xla", compute=replace(COMPUTE, xla=True, resident=True)
    )
    expected = pd.read_csv(worm / "history.csv")
    np.testing.assert_allclose(
        history[["loss", "val_loss"]], expected[["loss", "val_loss"]], rtol=1e-3
    )


def test_bfloat16_trains_to_like_losses_and_leaves_float32_weights(worm, patches, models):
    history = train_model(patches, models / "bfloat16", precision="bfloat16")
    expected = pd.read_csv(worm / "history.csv")
    np.testing.assert_allclose(
        history[["loss", "val_loss"]], expected[["loss", "val_loss"]], rtol=0.05
    )
    assert (history["loss"] != expected["loss"]).all()
    assert {weights.dtype for weights in best_weights(models / "bfloat16")} == {
        np.dtype(np.float32)
    }


GPU = Device("GPU", "GPU, fake", (8, 0))


def test_where_tensorflow_sees_no_gpu_after_all_the_cpu_takes_the_plain_way():
    """XLA would be many times slower there, and the patches of a GPU would fill its memory."""
    way = Compilation(xla=True, folded=True, steps_per_call=4)
    on_gpu = choose_execution(way, training_settings(), COMPUTE, GPU, resident=True)
    assert (on_gpu.xla, on_gpu.steps_per_call, on_gpu.resident) == (True, 4, True)
    on_cpu = choose_execution(way, training_settings(), COMPUTE, CPU, resident=True)
    assert on_cpu == PLAIN_EXECUTION
    asked = replace(COMPUTE, xla=True, resident=True)
    chosen = choose_execution(Compilation(xla=True), training_settings(), asked, CPU, resident=True)
    assert (chosen.xla, chosen.resident) == (True, True)


def trained(folder, patches, execution, **changes):
    """The history of a training with `execution`."""
    pairs = PatchPairs.open(patches, split())
    folders = Folders(folder, checkpoints_of(folder))
    train(run_of(folder.name, **changes), pairs, folders, CPU, execution)
    return pd.read_csv(folder / "history.csv")


def test_several_steps_in_a_call_are_the_same_steps(patches, models):
    """Four and then one an epoch, those of the warm-up alone: 12 of 15 steps in three calls."""
    changes = {"steps_per_epoch": 5, "warmup_steps": 1, "augment": True, "epochs": 3}
    execution = Execution(precision="float32", resident=True)
    one = trained(models / "one", patches, execution, **changes)
    several = replace(execution, steps_per_call=4)
    four = trained(models / "four", patches, several, **changes)
    columns = ["loss", "val_loss", "learning_rate"]
    np.testing.assert_allclose(four[columns], one[columns], rtol=1e-6)
    for a, b in zip(best_weights(models / "four"), best_weights(models / "one"), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_stop_between_calls_of_several_steps_goes_on_with_the_next(patches, models):
    changes = {"steps_per_epoch": 5, "epochs": 2}
    execution = Execution(precision="float32", resident=True, steps_per_call=2)
    expected = trained(models / "unstopped", patches, execution, **changes)
    run, pairs = run_of("stopped", **changes), PatchPairs.open(patches, split())
    folder = checkpoints_of(models / "stopped")
    trainer = Trainer(TrainingSteps(run, pairs, CPU, execution), folder)
    trainer.stop_signals = [signal.SIGTERM]
    with pytest.raises(Stopped):
        trainer.run_epochs()
    assert len(trainer.state.losses) == 2
    trainer = Trainer(TrainingSteps(run, pairs, CPU, execution), folder)
    trainer.restore()
    trainer.run_epochs()
    found = [row["loss"] for row in trainer.state.history]
    np.testing.assert_allclose(found, expected["loss"], rtol=1e-6)


@pytest.mark.parametrize("loss", ["laplace", "mae"])
def test_the_folded_pass_trains_alike(loss, patches, models):
    execution = Execution(precision="float32", resident=False)
    plain = trained(models / "plain", patches, execution, loss=loss)
    folded = replace(execution, folded=True)
    found = trained(models / "folded", patches, folded, loss=loss)
    np.testing.assert_allclose(found["loss"], plain["loss"], rtol=1e-5)
    assert described(models / "folded")["folded"]


def test_the_folded_pass_trains_in_bfloat16_too(patches, models):
    execution = Execution(precision="bfloat16", resident=False)
    plain = trained(models / "plain", patches, execution)
    found = trained(models / "folded", patches, replace(execution, folded=True))
    np.testing.assert_allclose(found["loss"], plain["loss"], rtol=0.02)


@pytest.mark.parametrize(
    ("precision", "rounded"),
    [("float32", False), ("tf32", True), ("bfloat16", True), ("float16", True)],
)
def test_float32_is_not_rounded_to_tf32_unless_it_is_asked_for(precision, rounded):
    network = random_network("YX", 1, 3, True).keras_model
    set_precision(network, precision)
    assert tf.config.experimental.tensor_float_32_execution_enabled() == rounded
    set_precision(network, "float32")
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_xla_is_told_so_with_each_convolution():
    """A GPU's compiler reads it there."""
    network = random_network("YX", 1, 3, True).keras_model
    asked = {}
    for precision in ("float32", "tf32"):
        set_precision(network, precision)
        step = tf.function(lambda x: network(x), jit_compile=True, autograph=False)
        hlo = step.experimental_get_compiler_ir(tf.zeros((1, 8, 8, 1)))()
        asked[precision] = hlo.count("operand_precision={highest,highest}")
    set_precision(network, "float32")
    assert asked["float32"] > 0
    assert asked["tf32"] == 0


# Weights of voxels


def gradients_of(power, y, restored):
    """Gradients of the weighed loss to the mean and to the scale."""
    restored = tf.constant(restored)
    with tf.GradientTape() as tape:
        tape.watch(restored)
        loss = weighed_by_scale(csbdeep_losses.loss_laplace(), tf.constant(y), restored, power)
    return np.moveaxis(tape.gradient(loss, restored).numpy(), -1, 0)


@pytest.fixture
def batch():
    """Ground truth, and a mean and scale for it."""
    rng = np.random.default_rng(0)
    y = rng.random((2, 8, 8), np.float32)
    return y, rng.uniform(0.02, 1, (2, 8, 8, 2)).astype(np.float32)


def test_weighed_by_its_scale_the_mean_learns_as_with_the_mean_absolute_error(batch):
    y, restored = batch
    to_mean, _ = gradients_of(1, y, restored)
    np.testing.assert_allclose(to_mean, np.sign(restored[..., 0] - y) / y.size, rtol=1e-5)


@pytest.mark.parametrize("power", [0.5, 1])
def test_the_weight_is_a_power_of_the_scale_and_moves_no_minimum(batch, power):
    y, restored = batch
    weights = restored[..., 1] ** power
    gradients = zip(gradients_of(power, y, restored), gradients_of(0, y, restored), strict=True)
    for weighed, plain in gradients:
        np.testing.assert_allclose(weighed, weights * plain, rtol=1e-4, atol=1e-9)


def test_the_history_has_csbdeeps_loss_whatever_the_weights(patches, tmp_path, untraced):
    changes = {"epochs": 1, "steps_per_epoch": 1}
    plain = train_model(patches, tmp_path / "plain", **changes)
    weighed = train_model(patches, tmp_path / "weighed", scale_weight=1, **changes)
    assert weighed["loss"][0] == plain["loss"][0]  # before the first step
    assert weighed["val_loss"][0] != plain["val_loss"][0]


# Orientation


def test_augmentation_turns_input_and_target_alike(tmp_path, untraced):
    """A network that adds nothing to its input is off by what target and input differ, however both
    are turned.
    """
    X, Y = write_patches(tmp_path / "patches", (8, 8))
    changes = {
        "learning_rate": 1e-30,
        "loss": "mae",
        "epochs": 1,
        "steps_per_epoch": 1,
        "batch_size": TRAIN,
    }
    losses = {}
    for name, augment in (("plain", False), ("augmented", True)):
        losses[name] = train_model(
            tmp_path / "patches", tmp_path / name, augment=augment, **changes
        )["loss"][0]
    assert losses["augmented"] == pytest.approx(losses["plain"], rel=0.1)
    assert losses["augmented"] != losses["plain"]
    np.save(
        tmp_path / "patches/Y.npy", np.roll(Y, 3, axis=-1)
    )  # what turning only one of them would be like
    apart = train_model(
        tmp_path / "patches", tmp_path / "apart", defined_by="other patches", **changes
    )["loss"][0]
    assert apart > 1.2 * losses["augmented"]
