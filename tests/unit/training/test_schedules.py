"""Learning rate, best epoch and end, each a function of the validation losses so far."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from made_up import training_settings

from denoising.training.schedules import best_epoch, ended, learning_rate, warmed_up

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SETTINGS = training_settings(
    schedule="plateau",
    learning_rate=0.0004,
    epochs=40,
    plateau_factor=0.3,
    plateau_patience=2,
    plateau_min_delta=0,
    early_stopping_patience=None,
)


def keras_rates(settings, losses):
    """Learning rate of each epoch, and of the one after the last, by Keras's own callback."""
    callback = keras.callbacks.ReduceLROnPlateau(
        factor=settings.plateau_factor,
        patience=settings.plateau_patience,
        min_delta=settings.plateau_min_delta,
    )
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile(keras.optimizers.Adam(settings.learning_rate), "mse")
    callback.set_model(network)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        rates.append(float(network.optimizer.learning_rate.numpy()))
        callback.on_epoch_end(epoch, {"val_loss": loss})
    return [*rates, float(network.optimizer.learning_rate.numpy())]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "changes", [{}, {"plateau_patience": 1}, {"plateau_min_delta": 0.2, "plateau_patience": 3}]
)
def test_plateaus_are_keras(seed, changes):
    settings = replace(SETTINGS, **changes)
    losses = np.random.default_rng(seed).normal(size=40).round(1).tolist()  # with ties
    assert [learning_rate(settings, losses[:epoch]) for epoch in range(41)] == keras_rates(
        settings, losses
    )
    assert learning_rate(settings, losses) < 0.1 * SETTINGS.learning_rate


def test_cosine_falls_from_the_learning_rate_to_nothing():
    settings = replace(SETTINGS, schedule="cosine", learning_rate=1.0)
    rates = [learning_rate(settings, [0.0] * epoch) for epoch in range(41)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[20], rates[40]) == pytest.approx((1, 0.5, 0))
    assert rates[10] == pytest.approx(0.853553, abs=1e-6)  # (1 + cos 45 degrees) / 2


def test_the_rate_rises_in_even_steps_to_that_of_the_schedule():
    settings = replace(SETTINGS, warmup_steps=4)
    rates = [warmed_up(settings, 0.5, number) for number in range(6)]
    assert rates == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert warmed_up(settings, 0.1, 0) == np.float32(0.025)


def test_without_warm_up_the_rate_is_the_schedules():
    assert [warmed_up(SETTINGS, 0.1, number) for number in (0, 7)] == [0.1, 0.1]


def test_the_best_epoch_is_the_first_of_the_least_loss():
    assert best_epoch([]) == 0
    assert best_epoch([3.0, 1.0, 2.0, 1.0]) == 2


def test_all_epochs_are_trained_unless_asked_to_stop_early():
    assert not ended(SETTINGS, [1.0] * 39)
    assert ended(SETTINGS, [1.0] * 40)


def test_early_stopping_waits_for_its_patience():
    settings = replace(SETTINGS, early_stopping_patience=3)
    assert not ended(settings, [])
    assert not ended(settings, [3.0, 1.0, 2.0, 1.0])
    assert ended(settings, [3.0, 1.0, 2.0, 1.0, 1.5])
    assert not ended(settings, [3.0, 1.0, 2.0, 1.0, 0.9])
