"""A network made elsewhere is its numbers alone: layers that would run something run nothing."""

import keras
import pytest
import tensorflow as tf
from random_networks import random_network

from denoising.training.network import load_model


@pytest.fixture
def folder(tmp_path):
    """A csbdeep model folder without weights."""
    from csbdeep.utils import save_json

    network = random_network("YX", depth=1, kernel=3, probabilistic=False)
    save_json(vars(network.config), str(tmp_path / "config.json"))
    return tmp_path


@pytest.fixture
def harmful(tmp_path, monkeypatch):
    """A whole model that runs something when it is loaded, and what shows that it did."""
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((None, None, 1))
    # A function without a name is stored as code, and not by its name
    layer = keras.layers.Lambda(lambda values: (open("pwned", "w").close(), values)[1])
    return keras.Model(inputs, layer(inputs)), tmp_path / "pwned"


@pytest.mark.parametrize("name", ["weights_best.h5", "model.h5"])
def test_a_whole_model_in_place_of_weights_is_refused_and_runs_nothing(name, folder, harmful):
    model, mark = harmful
    model.save(str(folder / name))
    mark.unlink()  # it runs once where it is made
    with pytest.raises(ValueError, match="the weights do not fit the network that config.json"):
        load_model(folder)
    assert not mark.exists()


def test_a_model_beside_the_weights_is_not_looked_at(folder, harmful):
    model, mark = harmful
    model.save(str(folder / "model.keras"))
    network = random_network("YX", depth=1, kernel=3, probabilistic=False)
    network.keras_model.save_weights(str(folder / "weights_best.h5"))
    mark.unlink()
    load_model(folder)
    assert not mark.exists()


def test_the_harm_of_these_tests_is_real(folder, harmful):
    model, mark = harmful
    model.save(str(folder / "model.keras"))
    mark.unlink()
    keras.models.load_model(str(folder / "model.keras"), safe_mode=False)
    assert mark.exists()


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        PermissionError(13, "Permission denied", "weights_best.h5"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_the_fault_of_a_model_is_not_said_of_it(folder, monkeypatch, error):
    """It would have somebody replace a sound model."""

    def failing(*arguments, **options):
        raise error

    (folder / "weights_best.h5").touch()
    monkeypatch.setattr("denoising.training.network.CARE", failing)
    with pytest.raises(type(error)):
        load_model(folder)
