"""Fixtures of the tests that train."""

import pytest
import tensorflow as tf
from made_up_training import train_model, write_patches


@pytest.fixture(scope="session")
def patches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "patches"
    write_patches(folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def worm(patches, models):
    """The folder of a model trained with `SETTINGS`."""
    train_model(patches, models / "worm")
    return models / "worm"


@pytest.fixture
def untraced():
    """Run step by step without tracing a graph first: twice as fast for a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
