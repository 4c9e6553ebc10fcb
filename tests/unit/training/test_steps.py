"""Steps: how they use the device, which changes no result, and what they do to a batch."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import training_settings
from made_up_training import (
    COMPUTE,
    CPU,
    IGNORED_WARNINGS,
    TRAIN,
    assert_same_training,
    best_weights,
    train_model,
    write_patches,
)

from denoising.training import costs
from denoising.training.network import Device
from denoising.training.steps import choose_execution

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


@pytest.mark.parametrize(("free", "resident"), [(None, False), (40_000, True), (39_000, False)])
def test_patches_are_resident_where_they_take_less_than_half_of_what_is_free(
    monkeypatch, free, resident
):
    monkeypatch.setattr(costs.Gpu, "free_memory", lambda self: free)
    X = np.zeros((10, 250), np.float32)  # 10 kB, and targets as much
    settings = training_settings()
    assert choose_execution(settings, COMPUTE, GPU, X).resident == resident
    assert choose_execution(settings, replace(COMPUTE, resident=True), CPU, X).resident


def test_xla_is_for_gpus():
    X = np.zeros((1, 4), np.float32)
    settings = training_settings()
    assert not choose_execution(settings, COMPUTE, CPU, X).xla
    assert choose_execution(settings, COMPUTE, GPU, X).xla
    assert not choose_execution(settings, replace(COMPUTE, xla=False), GPU, X).xla


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
