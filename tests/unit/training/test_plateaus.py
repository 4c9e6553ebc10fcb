"""The learning rate falls on plateaus as Keras's own callback lets it fall."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from made_up import PLATEAU_SETTINGS as SETTINGS

from denoising.training.schedules import learning_rate

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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
