"""The model folder: csbdeep's own, with its history and what is known of the training."""

import json

import numpy as np
import pandas as pd
import pytest
from csbdeep.models import CARE
from made_up_training import CPU, IGNORED_WARNINGS, VALIDATION, best_weights

from denoising.training.model_folder import take_over
from denoising.training.network import load_model

pytestmark = IGNORED_WARNINGS


def test_folder_holds_csbdeeps_files_and_those_on_the_training(worm):
    names = {path.name for path in worm.iterdir()}
    assert names == {"config.json", "weights_best.h5", "history.csv", "training.json"}


def test_device_and_losses_stand_beside_the_weights(worm):
    described = json.loads((worm / "training.json").read_text())
    assert described["device"] == CPU.name
    assert described["precision"] == "float32"
    assert not described["xla"]
    assert not described["resident"]
    assert described["epochs"] == 3
    assert described["resumed_from"] is None
    assert described["parameters"] == best_parameters(worm)
    history = pd.read_csv(worm / "history.csv")
    assert described["best_epoch"] == history["val_loss"].idxmin() + 1
    best = history.loc[history["val_loss"].idxmin()]
    expected = {
        "patches": VALIDATION,
        "loss": best["val_loss"],
        "mse": best["val_mse"],
        "mae": best["val_mae"],
    }
    assert described["validation"] == pytest.approx(expected)


def best_parameters(folder):
    return sum(weights.size for weights in best_weights(folder))


def test_stock_csbdeep_opens_the_folder_and_restores(worm, patches):
    model = CARE(None, name=worm.name, basedir=str(worm.parent))
    image = np.load(patches / "X.npy")[0]
    restored = model.predict(image, "YX", normalizer=None)
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()
    assert (model.config.train_epochs, model.config.train_batch_size, model.config.axes) == (
        3,
        3,
        "YXC",
    )


def test_a_network_made_elsewhere_is_taken_over_whole_and_sealed(worm, tmp_path):
    take_over(worm, tmp_path / "theirs")
    for one, other in zip(best_weights(worm), best_weights(tmp_path / "theirs"), strict=True):
        np.testing.assert_array_equal(one, other)
    told = json.loads((tmp_path / "theirs/training.json").read_text())
    assert told["pretrained"] == str(worm)
    assert told["seen"] == json.loads((worm / "training.json").read_text())["seen"]
    (tmp_path / "theirs/config.json").write_text("{}")
    with pytest.raises(ValueError, match="is not the file that the training wrote"):
        load_model(tmp_path / "theirs")


def test_weights_that_are_not_finite_are_not_taken_over(worm, tmp_path):
    network = load_model(worm).keras_model
    network.set_weights([weights * np.nan for weights in network.get_weights()])
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/config.json").write_bytes((worm / "config.json").read_bytes())
    network.save_weights(str(tmp_path / "odd/weights_best.h5"))
    with pytest.raises(ValueError, match="odd: holds weights that are not finite"):
        take_over(tmp_path / "odd", tmp_path / "theirs")
