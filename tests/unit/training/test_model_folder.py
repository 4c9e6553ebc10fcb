"""The model folder: csbdeep's own, with its history and what is known of the training."""

import json

import numpy as np
import pandas as pd
import pytest
from csbdeep.models import CARE
from made_up_training import CPU, IGNORED_WARNINGS, VALIDATION, best_weights

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
