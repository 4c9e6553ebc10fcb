"""Collapse to the identity: seen by what the network adds, said, and followed by other weights."""

import numpy as np
import pytest
from made_up import training_settings
from made_up_training import IGNORED_WARNINGS, TRAIN, best_weights, described, split, train_model

from denoising.training.batches import PatchPairs, input_losses
from denoising.training.collapse import Collapsed, is_constant, is_due
from denoising.training.steps import TrainingSteps

pytestmark = IGNORED_WARNINGS
# A network that begins as the identity and stands still
STILL = {"initial_weights": "identity", "learning_rate": 1e-30, "collapse_steps": 2}


def test_a_network_that_adds_a_constant_returns_its_input():
    noise = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float32)
    assert is_constant(0.3 + 1e-7 * noise, 0.1)
    assert not is_constant(0.3 + 1e-3 * noise, 0.1)


@pytest.mark.parametrize(("steps", "due"), [(1, 2), (4, 2), (5, 3), (6, 3)])
def test_it_is_judged_once_at_an_epochs_end_after_the_warm_up(steps, due):
    settings = training_settings(warmup_steps=4, collapse_steps=steps, steps_per_epoch=4)
    assert [epochs for epochs in range(9) if is_due(settings, epochs)] == [due]


def test_a_training_that_ends_before_is_not_judged_but_the_collapse_is_said(
    patches, tmp_path, caplog, untraced
):
    changes = {**STILL, "collapse_steps": 7}  # of six steps
    train_model(patches, tmp_path / "worm", restarts=2, **changes)
    assert "starts again" not in caplog.text
    assert "model worm: the trained network returns its input" in caplog.text
    description = described(tmp_path / "worm")
    assert (description["collapsed"], description["restarts"]) == (True, 0)


@pytest.mark.parametrize("loss", ["laplace", "mae", "mse"])
def test_the_inputs_own_loss_stands_in_every_row(patches, tmp_path, untraced, loss):
    """That of the network which returns it."""
    history = train_model(patches, tmp_path / "m", loss=loss, restarts=0, **STILL)
    np.testing.assert_allclose(history["input_loss"], history["val_loss"], atol=0.01)
    np.testing.assert_allclose(history["input_mae"], history["val_mae"], rtol=1e-6)


def test_the_best_constant_scale_is_the_mean_absolute_error(patches):
    pairs = PatchPairs.open(patches, split())
    losses_of_input = input_losses(pairs, pairs.validation, "laplace")
    difference = np.abs(pairs.X[TRAIN:] - pairs.Y[TRAIN:])
    scales = np.linspace(0.5, 2, 301) * losses_of_input["input_mae"]
    losses = [(difference / scale + np.log(scale) + np.log(2)).mean() for scale in scales]
    assert min(losses) == pytest.approx(losses_of_input["input_loss"], abs=1e-4)


def test_without_restarts_a_collapse_is_said_and_the_model_kept(
    patches, tmp_path, caplog, untraced
):
    train_model(patches, tmp_path / "worm", restarts=0, **STILL)
    assert "model worm: the network returns its input" in caplog.text
    assert "trains on, because restarts is 0" in caplog.text
    assert {record.name for record in caplog.records if "returns" in record.message} == {"progress"}
    description = described(tmp_path / "worm")
    assert (description["collapsed"], description["restarts"]) == (True, 0)


def test_after_the_last_restart_training_ends_with_one_sentence(
    patches, tmp_path, caplog, untraced
):
    with pytest.raises(Collapsed, match="model worm: the network returns its input .*warmup_steps"):
        train_model(patches, tmp_path / "worm", restarts=2, **STILL)
    assert "restart 1 of at most 2" in caplog.text
    assert "restart 2 of at most 2" in caplog.text
    assert not (tmp_path / "worm").exists()


def test_a_restart_has_other_weights_and_the_same_patches(patches, tmp_path, monkeypatch, untraced):
    """Whatever had been drawn before."""
    weights = []
    orders = []
    read = TrainingSteps.read_training_batches

    def recorded(self, numbers):
        orders.extend(self.indices(number).tolist() for number in numbers)
        return read(self, numbers)

    def collapsed_twice(self):
        weights.append(self.network.get_weights())
        return len(weights) < 3

    monkeypatch.setattr(TrainingSteps, "read_training_batches", recorded)
    monkeypatch.setattr(TrainingSteps, "returns_input", collapsed_twice)
    train_model(
        patches, tmp_path / "worm", learning_rate=1e-30, epochs=1, collapse_steps=1, restarts=2
    )
    kernels = [drawn[0] for drawn in weights[:3]]
    assert len({kernel.tobytes() for kernel in kernels}) == 3
    assert orders[:2] == orders[2:4] == orders[4:]
    np.testing.assert_array_equal(best_weights(tmp_path / "worm")[0], kernels[2])


def test_a_model_that_is_worse_than_its_input_is_said_to_be(patches, tmp_path, caplog, untraced):
    history = train_model(patches, tmp_path / "worm", epochs=1, steps_per_epoch=1)
    assert history["val_mae"][0] > history["input_mae"][0]
    assert "model worm: the trained network is no better than its input" in caplog.text
