"""Small trainings for tests: patches of noise, a few steps, and what to compare of the results."""

import json

import numpy as np
import pandas as pd
import pytest
from csbdeep.models import CARE
from made_up import training_settings

from denoising.running.gpus import Gpu
from denoising.study.training import Compute, TrainingRun
from denoising.training.batches import PatchPairs
from denoising.training.compilation import is_resident, settle_compilation
from denoising.training.loop import Folders, train
from denoising.training.network import Device
from denoising.training.steps import Execution, choose_execution

IGNORED_WARNINGS = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
    ),
]
SETTINGS = {
    "width": 4,
    "depth": 1,
    "loss": "laplace",
    "epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 3,
    "learning_rate": 0.004,
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "plateau_min_delta": 0,
}
SEED = 7
COMPUTE = Compute(threads=1, xla="auto", resident="auto", memory_growth=True)
CPU = Device("CPU", "CPU, 1 threads")
PLAIN_EXECUTION = Execution(precision="float32", resident=False)
TRAIN, VALIDATION = 8, 5
MEASURED = [
    "seconds", "training_seconds", "samples_per_second", "voxels_per_second", "matmul_share",
    "host_memory_mb"
]  # fmt: skip


def write_patches(folder, shape=(8, 12)):
    """Noisy and clean patches, the last of which validate."""
    rng = np.random.default_rng(0)
    Y = rng.random((TRAIN + VALIDATION, *shape), np.float32)
    X = Y + rng.normal(0, 0.3, Y.shape).astype(np.float32)
    folder.mkdir(parents=True)
    np.save(folder / "X.npy", X)
    np.save(folder / "Y.npy", Y)
    return X, Y


def split(train=TRAIN, validation=VALIDATION):
    parts = ["train"] * train + ["validation"] * validation
    return pd.DataFrame({"patch": range(len(parts)), "part": parts})


def checkpoints_of(folder):
    """Where `train_model` keeps the checkpoints of a model folder."""
    return folder.parent / "checkpoints" / folder.name


def checkpoint_names(folder):
    return sorted(path.stem for path in checkpoints_of(folder).glob("*/epoch-*.npz"))


def run_of(name, seed=SEED, start=None, **changes):
    """A run of `SETTINGS`, with changed settings."""
    return TrainingRun(name, training_settings(**SETTINGS | changes), seed, start)


def train_model(patches, folder, compute=COMPUTE, device=CPU, defined_by="", **changes):
    """Train a model on a folder of patches; returns its history."""
    pairs = PatchPairs.open(patches, split())
    folders = Folders(folder, checkpoints_of(folder))
    run = run_of(folder.name, **changes)
    resident = is_resident(compute, pairs.X, Gpu(device.on_gpu))
    compilation = settle_compilation(run, pairs.shape, compute, None, resident)
    execution = choose_execution(compilation, run.settings, compute, device, resident)
    train(run, pairs, folders, device, execution, defined_by)
    return pd.read_csv(folder / "history.csv")


def described(folder):
    """The description that a training leaves in its model folder."""
    return json.loads((folder / "training.json").read_text())


def best_weights(folder):
    return CARE(None, name=folder.name, basedir=str(folder.parent)).keras_model.get_weights()


def assert_same(these, those):
    for a, b in zip(these, those, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_same_training(one, other):
    """Weights and history to the bit, but for what a clock or the system tells."""
    assert_same(best_weights(one), best_weights(other))
    these, those = (
        pd.read_csv(folder / "history.csv").drop(columns=MEASURED) for folder in (one, other)
    )
    pd.testing.assert_frame_equal(these, those, check_exact=True)


def evaluate(folder, X, Y):
    """Losses of a model folder, by stock csbdeep and Keras on arrays in memory."""
    model = CARE(None, name=folder.name, basedir=str(folder.parent))
    model.prepare_for_training()
    values = model.keras_model.evaluate(
        X[..., None], Y[..., None], batch_size=len(X), return_dict=True, verbose=0
    )
    return {name: float(value) for name, value in values.items()}
