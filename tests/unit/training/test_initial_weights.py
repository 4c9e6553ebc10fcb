"""A network may begin as the identity, which returns its input, or as another network."""

import numpy as np
import pytest
from csbdeep.models import CARE
from made_up import training_settings
from made_up_training import IGNORED_WARNINGS, best_weights, described, train_model

from denoising.running.checksums import sha256_of
from denoising.training.initial_weights import begin_as_identity
from denoising.training.network import care_config

pytestmark = IGNORED_WARNINGS
LOSSES = ["laplace", "mae", "mse"]


def network_of(axes="YX", **changes):
    settings = training_settings(width=4, depth=1, **changes)
    return CARE(care_config(settings, axes), basedir=None).keras_model


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_network_returns_its_input(axes, loss):
    network = network_of(axes, loss=loss)
    begin_as_identity(network, 0.07)
    image = np.random.default_rng(0).random((2, *[8] * len(axes), 1), np.float32)
    restored = network(image).numpy()
    np.testing.assert_array_equal(restored[..., :1], image)
    # csbdeep adds 0.001 to the scale
    np.testing.assert_allclose(restored[..., 1:], 0.071, rtol=1e-4)


def test_all_other_weights_stay():
    network = network_of()
    before = network.get_weights()
    begin_as_identity(network, 0.07)
    same = [np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
    assert same == [True] * (len(same) - 4) + [False, True, False, False]  # kernel, bias, twice


def test_the_first_loss_is_the_inputs_own(patches, tmp_path, untraced):
    """log(2 x mean absolute error) + 1, that of the best constant scale."""
    history = train_model(
        patches, tmp_path / "m", initial_weights="identity", learning_rate=1e-30, epochs=1
    )
    error = history["val_mae"].iloc[0]
    assert history["val_loss"].iloc[0] == pytest.approx(np.log(2 * error) + 1, abs=0.01)


def test_a_training_leaves_the_identity(patches, tmp_path, untraced):
    history = train_model(patches, tmp_path / "m", initial_weights="identity", epochs=3)
    assert history["val_mae"].is_monotonic_decreasing


def test_a_training_starts_from_the_weights_of_another_and_says_so(patches, tmp_path, untraced):
    """It is not restarted: it has no other weights to begin with."""
    train_model(patches, tmp_path / "first", epochs=1)
    still = {"learning_rate": 1e-30, "collapse_steps": 2, "restarts": 2, "epochs": 2}
    train_model(patches, tmp_path / "next", start=tmp_path / "first", start_from="first", **still)
    for before, after in zip(
        best_weights(tmp_path / "first"), best_weights(tmp_path / "next"), strict=True
    ):
        np.testing.assert_array_equal(after, before)
    told = described(tmp_path / "next")
    assert told["settings"]["start_from"] == "first"
    files = ("config.json", "weights_best.h5")
    assert told["start_sha256"] == [sha256_of(tmp_path / "first" / name) for name in files]
