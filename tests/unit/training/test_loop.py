"""Training: csbdeep's, on patches that stay on disk, the same twice, killed or not, with a history
that says it all.
"""

import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from csbdeep.models import CARE
from numpy.lib.format import open_memmap

from denoising.training import checkpoints
from denoising.training import loop as training
from denoising.training.batches import batch_indices, validation_subset
from denoising.training.loop import COLUMNS, Stopped, choose, train
from denoising.training.network import Device, care_config, use_device

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:Even though the `tf.config.experimental_run_functions_eagerly`"
    ),
]
VALUES = {
    "width": 4,
    "depth": 1,
    "kernel": 3,
    "residual": True,
    "last_activation": "linear",
    "loss": "laplace",
    "epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 3,
    "learning_rate": 0.004,
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "plateau_min_delta": 0,
    "precision": "auto",
    "augment": False,
    "schedule": "plateau",
    "early_stopping_patience": None,
    "validation_patches": None,
    "seed": 7,
}
COMPUTE = {"xla": "auto", "resident": "auto"}
CPU = Device("CPU", "CPU, 1 threads")
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
    return folder.parent / "checkpoints" / folder.name


def train_model(patches, folder, compute=COMPUTE, defined_by="", **changes):
    train(
        folder.name,
        VALUES | changes,
        patches,
        split(),
        folder,
        checkpoints_of(folder),
        CPU,
        compute,
        defined_by,
    )
    return pd.read_csv(folder / "history.csv")


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


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "patches"
    write_patches(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def worm(patches, models):
    """The folder of a model trained with `VALUES`."""
    train_model(patches, models / "worm")
    return models / "worm"


@pytest.fixture
def untraced():
    """Run step by step without tracing a graph first: twice as fast for a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# History and folder


def test_folder_holds_csbdeeps_files_and_what_is_told_of_the_training(worm):
    found = {path.name for path in worm.iterdir()}
    assert found == {"config.json", "weights_best.h5", "history.csv", "training.json"}


def test_history_is_a_row_an_epoch(worm):
    history = pd.read_csv(worm / "history.csv")
    assert list(history) == COLUMNS
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["samples_seen"].tolist() == [6, 12, 18]  # 2 steps of 3 patches
    assert history["learning_rate"].to_numpy() == pytest.approx(0.004)
    there = history.drop(columns=["device_memory_mb", "gpu_energy_kj"])  # there is no GPU
    assert np.isfinite(there.to_numpy()).all()


def test_history_counts_what_training_costs(worm):
    history = pd.read_csv(worm / "history.csv")
    assert (history["seconds"] > history["training_seconds"]).all()
    np.testing.assert_allclose(
        history["samples_per_second"], 6 / history["training_seconds"], rtol=0.02
    )
    np.testing.assert_allclose(
        history["voxels_per_second"], 6 * 96 / history["training_seconds"], rtol=0.02
    )
    told = json.loads((worm / "training.json").read_text())
    # three passes a patch that trains, one a patch that validates, 96 voxels each
    flop = told["flop_per_voxel_forward"] * 96 * (3 * 6 + VALIDATION)
    np.testing.assert_allclose(history["teraflop"], flop / 1e12, rtol=0.05)
    assert history["host_memory_mb"].is_monotonic_increasing
    assert (history["host_memory_mb"] > 50).all()


def test_what_was_chosen_and_found_stands_beside_the_weights(worm, patches):
    told = json.loads((worm / "training.json").read_text())
    assert (told["device"], told["precision"], told["xla"], told["resident"]) == (
        CPU.name,
        "float32",
        False,
        False,
    )
    assert (told["epochs"], told["resumed_from"], told["parameters"]) == (
        3,
        None,
        best_parameters(worm),
    )
    history = pd.read_csv(worm / "history.csv")
    assert told["best_epoch"] == history["val_loss"].idxmin() + 1
    best = history.loc[history["val_loss"].idxmin()]
    found = {
        "patches": VALIDATION,
        "loss": best["val_loss"],
        "mse": best["val_mse"],
        "mae": best["val_mae"],
    }
    assert told["validation"] == pytest.approx(found)


def best_parameters(folder):
    return sum(weights.size for weights in best_weights(folder))


def evaluate(folder, X, Y):
    """Losses of a model folder, by stock csbdeep and Keras on arrays in memory."""
    model = CARE(None, name=folder.name, basedir=str(folder.parent))
    model.prepare_for_training()
    values = model.keras_model.evaluate(
        X[..., None], Y[..., None], batch_size=len(X), return_dict=True, verbose=0
    )
    return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("loss", "shape", "off"), [("laplace", (8, 12), 0.4), ("mae", (4, 8, 6), 2)]
)
def test_best_weights_are_those_of_the_least_validation_loss(tmp_path, untraced, loss, shape, off):
    """The network learns what is wrong for the patches that validate, so that its first epoch is
    its best.
    """
    X, Y = write_patches(tmp_path / "patches", shape)
    Y[:TRAIN], Y[TRAIN:] = X[:TRAIN] - off, X[TRAIN:] + off
    np.save(tmp_path / "patches/Y.npy", Y)
    history = train_model(tmp_path / "patches", tmp_path / "worm", loss=loss)
    assert history["val_loss"].idxmin() == 0
    best = history.loc[0]
    expected = evaluate(tmp_path / "worm", X[TRAIN:], Y[TRAIN:])
    for name in ("loss", "mse", "mae"):
        assert best[f"val_{name}"] == pytest.approx(expected[name], rel=1e-5)


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


def test_training_is_csbdeeps(patches, models, untraced):
    """On batches of the whole training set, where the order counts for nothing, CARE.train does the
    same.
    """
    values = VALUES | {
        "batch_size": TRAIN,
        "steps_per_epoch": 1,
        "epochs": 4,
        "learning_rate": 0.01,
    }
    history = train_model(patches, models / "ours", **values)
    keras.utils.set_random_seed(values["seed"])
    stock = CARE(care_config(values, "YX"), name="stock", basedir=str(models))
    X, Y = (np.load(patches / f"{name}.npy")[..., None] for name in "XY")
    theirs = stock.train(X[:TRAIN], Y[:TRAIN], validation_data=(X[TRAIN:], Y[TRAIN:])).history
    for name in ("loss", "mse", "mae", "val_loss", "val_mse", "val_mae"):
        np.testing.assert_allclose(history[name], theirs[name], rtol=1e-4)
    for a, b in zip(best_weights(models / "ours"), best_weights(models / "stock"), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_epochs_go_on_where_the_last_one_ended(patches, models, untraced):
    """With weights that stand still, two epochs that make one pass see each patch once."""
    changes = {
        "learning_rate": 1e-30,
        "epochs": 2,
        "steps_per_epoch": 2,
        "batch_size": 2,
        "loss": "mae",
    }
    history = train_model(patches, models / "still", **changes)
    X, Y = np.load(patches / "X.npy")[:TRAIN], np.load(patches / "Y.npy")[:TRAIN]
    expected = evaluate(models / "still", X, Y)["loss"]
    assert history["loss"].mean() == pytest.approx(expected, rel=1e-5)
    assert history["loss"].nunique() == 2  # other patches, other losses


# Schedule, subset, symmetries


def test_learning_rate_falls_on_a_plateau(patches, models, untraced):
    """Only the first epoch counts as better, so each second epoch after it halves the next one's
    rate.
    """
    changes = {"plateau_patience": 2, "plateau_min_delta": 1e9, "epochs": 6, "steps_per_epoch": 1}
    history = train_model(patches, models / "plateau", **changes)
    np.testing.assert_allclose(
        history["learning_rate"] / 0.004, [1, 1, 1, 0.5, 0.5, 0.25], rtol=1e-6
    )


def test_training_stops_early_if_asked(tmp_path, untraced):
    X, Y = write_patches(tmp_path / "patches")
    Y[:TRAIN], Y[TRAIN:] = X[:TRAIN] - 0.4, X[TRAIN:] + 0.4  # the first epoch is the best
    np.save(tmp_path / "patches/Y.npy", Y)
    history = train_model(
        tmp_path / "patches", tmp_path / "worm", epochs=9, early_stopping_patience=2
    )
    assert len(history) == 3
    assert json.loads((tmp_path / "worm/training.json").read_text())["epochs"] == 3


def test_a_subset_validates_and_the_best_weights_are_judged_on_all(patches, models, untraced):
    history = train_model(patches, models / "subset", validation_patches=2)
    X, Y = (np.load(patches / f"{name}.npy")[TRAIN:] for name in "XY")
    expected = evaluate(models / "subset", X, Y)
    told = json.loads((models / "subset/training.json").read_text())["validation"]
    assert told == pytest.approx(
        {"patches": VALIDATION} | {name: expected[name] for name in told if name != "patches"}
    )
    assert history["val_loss"].min() != pytest.approx(told["loss"], rel=1e-3)


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


# How the device is used


def test_patches_on_the_device_change_nothing(worm, patches, models):
    train_model(patches, models / "resident", compute=COMPUTE | {"resident": True})
    assert_same_training(worm, models / "resident")


def test_xla_changes_only_rounding(worm, patches, models):
    history = train_model(patches, models / "xla", compute={"xla": True, "resident": True})
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
    monkeypatch.setattr(training.accounting.Gpu, "free_memory", lambda self: free)
    X = np.zeros((10, 250), np.float32)  # 10 kB, and targets as much
    assert choose(VALUES, COMPUTE, GPU, X).resident == resident
    assert choose(VALUES, {"xla": False, "resident": True}, CPU, X).resident


def test_xla_is_for_gpus():
    X = np.zeros((1, 4), np.float32)
    assert not choose(VALUES, COMPUTE, CPU, X).xla
    assert choose(VALUES, COMPUTE, GPU, X).xla
    assert not choose(VALUES, COMPUTE | {"xla": False}, GPU, X).xla


def test_losses_of_a_gpu_are_waited_for_a_few_steps_at_a_time(
    patches, models, monkeypatch, untraced
):
    """The same losses in the same order, however many steps are in flight."""
    plain = train_model(patches, models / "in-turn", steps_per_epoch=5, epochs=1)
    monkeypatch.setattr(training.Training, "_most_in_flight", 2)
    together = train_model(patches, models / "in-flight", steps_per_epoch=5, epochs=1)
    assert plain["loss"][0] == together["loss"][0]


def test_tensorboard_is_written_if_asked(patches, tmp_path, untraced):
    values = VALUES | {"epochs": 1, "steps_per_epoch": 1}
    train(
        "worm",
        values,
        patches,
        split(),
        tmp_path / "worm",
        tmp_path / "c",
        CPU,
        COMPUTE,
        tensorboard=tmp_path / "t",
    )
    (events,) = (tmp_path / "t").iterdir()
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert tags == {"loss", "val_loss", "learning_rate"}


# What is said before the first epoch has ended


class Interrupted(Exception):
    pass


@pytest.fixture
def forecasts(monkeypatch, caplog, untraced):
    """Train with a clock that tells 100 s for the first step and 10 s for each other; gives what
    was foretold.
    """

    def trained(patches, folder, interrupt_at=None, **changes):
        now, steps, land = [0.0], itertools.count(1), training.Training._land

        def landing(self, *given):
            land(self, *given)
            step = next(steps)
            now[0] += 100 if step == 1 else 10
            if step == interrupt_at:
                raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(training.Training, "_land", landing)
            patch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now[0]))
            caplog.clear()
            with suppress(Interrupted), caplog.at_level("INFO"):
                train_model(patches, folder, **changes)
        return [said for record in caplog.records if " s a step" in (said := record.getMessage())]

    return trained


def test_a_long_first_epoch_says_once_how_long_it_will_all_take(patches, tmp_path, forecasts):
    (said,) = forecasts(patches, tmp_path / "worm", epochs=2, steps_per_epoch=36)
    # 36 steps of 10 s, and 5 patches to validate on, as many as 5 / 9 of a step; 7 steps are taken
    about = (
        r"worm: 10 s a step: an epoch takes about 6\.1 min, the training 11 min \(epochs left: 2\),"
        r" done about "
    )
    assert re.fullmatch(about + r"\w{3} \d\d \w{3} \d\d:\d\d", said)


def test_a_resumed_training_foretells_what_is_left(patches, tmp_path, forecasts):
    long = {"epochs": 60, "steps_per_epoch": 9}
    assert len(forecasts(patches, tmp_path / "worm", interrupt_at=22, **long)) == 1
    assert checkpoint_names(tmp_path / "worm")[-1] == "epoch-00002"
    (said,) = forecasts(patches, tmp_path / "worm", interrupt_at=9, **long)
    assert (
        "an epoch takes about 1.6 min, the training 91 min (epochs left: 58), done about " in said
    )


def test_an_epoch_that_ends_by_then_speaks_for_itself(patches, tmp_path, forecasts):
    assert forecasts(patches, tmp_path / "worm", epochs=3, steps_per_epoch=7) == []


@pytest.mark.parametrize(
    ("seconds", "about"), [(61, "1 min"), (2880, "48 min"), (8640, "2.4 h"), (288500, "80 h")]
)
def test_times_have_two_digits(seconds, about):
    assert training._about(seconds) == about


# The same twice


def test_same_seed_same_weights_to_the_bit(worm, patches, models):
    keras.utils.set_random_seed(123)  # whatever was drawn before
    train_model(patches, models / "again")
    assert_same_training(worm, models / "again")


def test_another_seed_gives_another_model(worm, patches, models, untraced):
    train_model(patches, models / "other", seed=8)
    pairs = zip(best_weights(worm), best_weights(models / "other"), strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 0.1


# Killed, and gone on with. Each training below is a process of its own; those that are killed get a
# real SIGKILL.

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tensorflow", "csbdeep.models", "pandas"])
LONG = {
    "epochs": 5,
    "steps_per_epoch": 3,
    "plateau_patience": 1,
    "plateau_min_delta": 0.02,
    "augment": True,
}


def process(patches, folder, signal_at=None, number=signal.SIGKILL, changes=LONG):
    """Train in a process that gets signal `number` at a place in the code: (when, function, after
    so many calls).
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    child = PROCESSES.Process(
        target=_train_in_process, args=(patches, folder, signal_at, number, changes)
    )
    child.start()
    child.join(120)
    return child.exitcode


def _train_in_process(patches, folder, signal_at, number, changes):
    use_device("cpu", 2)
    if signal_at:
        when, name, calls = signal_at
        owner, attribute = {
            "step": (training.Training, "_land"),  # one call a step on a CPU
            "validation": (training.Training, "_validate"),
            "save": (checkpoints, "save"),
            "rename": (checkpoints.os, "replace"),
            "write": (training.Training, "write"),
        }[name]
        _signal_in(owner, attribute, when, calls, number)
    train_model(patches, folder, **changes)


def _signal_in(owner, attribute, when, calls, number):
    original, count = getattr(owner, attribute), iter(range(1, 1000))

    def signalling(*arguments):
        here = next(count) == calls
        if here and when == "before":
            os.kill(os.getpid(), number)
        result = original(*arguments)
        if here and when == "after":
            os.kill(os.getpid(), number)
        return result

    setattr(owner, attribute, signalling)


def checkpoint_names(folder):
    return sorted(path.stem for path in checkpoints_of(folder).glob("*/epoch-*.npz"))


@pytest.fixture(scope="module")
def unstopped(patches, models):
    """A training that was never stopped."""
    assert process(patches, models / "unstopped") == 0
    history = pd.read_csv(models / "unstopped/history.csv")
    assert history["learning_rate"].nunique() > 1  # so that the schedule has something to remember
    assert history["val_loss"].idxmin() > 0
    return models / "unstopped"


KILLS = {
    "in the first epoch, before any checkpoint": ("after", "step", 2),
    "in the middle of an epoch": ("after", "step", 8),
    "after an epoch's last step": ("after", "step", 9),
    "in validation": ("before", "validation", 3),
    "at an epoch's end, before its checkpoint": ("before", "save", 3),
    "while a checkpoint is written": ("before", "rename", 3),
    "at an epoch's end, after its checkpoint": ("after", "save", 3),
    "after the last epoch": ("after", "save", 5),
    "while the model folder is written": ("before", "write", 1),
    "after the model folder is written": ("after", "write", 1),
}


@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_training_ends_as_if_it_had_not_been(unstopped, patches, tmp_path, kill):
    assert process(patches, tmp_path / "worm", KILLS[kill]) == -signal.SIGKILL
    shutil.rmtree(
        tmp_path / "worm", ignore_errors=True
    )  # as Snakemake does with outputs of a failed job
    left = checkpoint_names(tmp_path / "worm")
    assert process(patches, tmp_path / "worm") == 0
    assert_same_training(unstopped, tmp_path / "worm")
    resumed_from = json.loads((tmp_path / "worm/training.json").read_text())["resumed_from"]
    assert resumed_from == (left[-1] if left else None)


def test_a_training_that_is_killed_again_and_again(unstopped, patches, tmp_path):
    for place in [
        ("after", "step", 2),
        ("after", "step", 4),
        ("before", "rename", 2),
        ("after", "step", 5),
    ]:
        assert process(patches, tmp_path / "worm", place) == -signal.SIGKILL
    assert process(patches, tmp_path / "worm") == 0
    assert_same_training(unstopped, tmp_path / "worm")


def test_a_torn_checkpoint_costs_one_epoch_and_no_more(unstopped, patches, tmp_path):
    assert process(patches, tmp_path / "worm", ("after", "save", 3)) == -signal.SIGKILL
    (newest,) = checkpoints_of(tmp_path / "worm").glob("*/epoch-00003.npz")
    newest.write_bytes(newest.read_bytes()[:-100])
    assert process(patches, tmp_path / "worm") == 0
    assert_same_training(unstopped, tmp_path / "worm")
    assert (
        json.loads((tmp_path / "worm/training.json").read_text())["resumed_from"] == "epoch-00002"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("place", "kept"),
    [
        (("before", "step", 8), "epoch-00002-step-00002"),
        (("before", "validation", 3), "epoch-00002-step-00003"),
    ],
)
def test_asked_to_end_it_keeps_even_the_steps_of_the_epoch(
    unstopped, patches, tmp_path, place, kept, number
):
    assert process(patches, tmp_path / "worm", place, number) == 128 + number
    assert checkpoint_names(tmp_path / "worm")[-1] == kept
    assert not (tmp_path / "worm").exists()
    assert process(patches, tmp_path / "worm") == 0
    assert_same_training(unstopped, tmp_path / "worm")
    assert json.loads((tmp_path / "worm/training.json").read_text())["resumed_from"] == kept


def test_it_ends_within_seconds_of_being_asked(patches, tmp_path):
    child = PROCESSES.Process(
        target=_train_in_process,
        args=(patches, tmp_path / "worm", None, 0, LONG | {"epochs": 100000}),
    )
    child.start()
    until = time.monotonic() + 60
    while not checkpoint_names(tmp_path / "worm") and time.monotonic() < until:
        time.sleep(0.01)
    asked = time.monotonic()
    child.terminate()
    child.join(30)
    assert child.exitcode == 128 + signal.SIGTERM
    assert time.monotonic() - asked < 5


EVERY_OTHER = {
    "precision": "bfloat16", "schedule": "cosine", "early_stopping_patience": 4,
    "validation_patches": 3,
}  # fmt: skip


def test_every_other_choice_goes_on_exactly_too(patches, tmp_path):
    changes = LONG | EVERY_OTHER
    assert process(patches, tmp_path / "unstopped", changes=changes) == 0
    for place, number in [
        (("after", "step", 5), signal.SIGTERM),
        (("after", "save", 2), signal.SIGKILL),
    ]:
        assert process(patches, tmp_path / "worm", place, number, changes) != 0
    assert process(patches, tmp_path / "worm", changes=changes) == 0
    assert_same_training(tmp_path / "unstopped", tmp_path / "worm")
    these, those = (
        json.loads((tmp_path / name / "training.json").read_text())
        for name in ("unstopped", "worm")
    )
    assert these["validation"] == those["validation"]
    assert these["validation"]["patches"] == VALIDATION


def test_loss_scaling_goes_on_exactly_too(patches, tmp_path):
    """float16 as on a GPU: compiled, which a CPU can do."""
    X, Y = (np.load(patches / f"{name}.npy") for name in "XY")
    how = training.Choices(precision="float16", xla=True, resident=True)

    def trained(folder, requests):
        begun = training.Training("worm", VALUES | {"epochs": 2}, X, Y, split(), folder, CPU, how)
        begun.restore()
        begun.run_epochs(requests, None)
        return begun

    class AfterSteps(list):
        """Falsy until it has been looked at so often."""

        looks = 3

        def __bool__(self):
            self.looks -= 1
            return self.looks < 0

    unstopped = trained(tmp_path / "unstopped", [])
    with pytest.raises(Stopped):
        trained(tmp_path / "stopped", AfterSteps([signal.SIGTERM]))
    (kept,) = (tmp_path / "stopped").glob("*.npz")
    resumed = trained(tmp_path / "stopped", [])
    assert resumed.resumed_from == kept.stem
    assert_same(unstopped.network.get_weights(), resumed.network.get_weights())
    assert_same(
        [v.numpy() for v in unstopped.optimizer.variables],
        [v.numpy() for v in resumed.optimizer.variables],
    )
    assert np.isfinite([row["val_loss"] for row in resumed.history]).all()


def test_going_on_with_other_threads_is_said(patches, models, caplog, untraced):
    train_model(patches, models / "threads", epochs=1)
    other = Device("CPU", "CPU, 3 threads")
    folder = models / "threads"
    values = VALUES | {"epochs": 1}
    train("threads", values, patches, split(), folder, checkpoints_of(folder), other, COMPUTE)
    assert "begun on CPU, 1 threads, continued on CPU, 3 threads" in caplog.text


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 0.002}, {"seed": 8}, {"epochs": 6}, {"defined_by": "new code"}]
)
def test_a_checkpoint_of_another_training_is_never_used(patches, tmp_path, untraced, changes):
    train_model(patches, tmp_path / "worm")
    train_model(patches, tmp_path / "worm", **changes)
    assert json.loads((tmp_path / "worm/training.json").read_text())["resumed_from"] is None
    train_model(patches, tmp_path / "worm")
    assert (
        json.loads((tmp_path / "worm/training.json").read_text())["resumed_from"] == "epoch-00003"
    )


def test_a_stop_is_no_error_that_a_caller_might_swallow():
    assert not issubclass(Stopped, Exception)
    assert Stopped(143).code == 143


# Losses that are not finite


def with_nan(patches, folder, index):
    shutil.copytree(patches, folder)
    X = np.load(folder / "X.npy")
    X[index, 0, 0] = np.nan
    np.save(folder / "X.npy", X)
    return folder


ONE_BY_ONE = {"epochs": 5, "steps_per_epoch": 1, "batch_size": 1}


def patch_of_epoch(epoch):
    """The patch that epoch `epoch` sees when each epoch is one step of one patch."""
    return int(batch_indices(TRAIN, 1, epoch - 1, VALUES["seed"])[0])


@pytest.fixture(scope="module")
def broken(patches, models):
    """A model whose third epoch meets NaN: the error, and the folder where its best weights are."""
    bad = with_nan(patches, models / "nan-in-3", patch_of_epoch(3))
    with pytest.raises(FloatingPointError) as error:
        train_model(bad, models / "broken", **ONE_BY_ONE)
    (kept,) = checkpoints_of(models / "broken").iterdir()
    return str(error.value), kept


def test_nan_ends_training_and_says_where(broken):
    message, kept = broken
    assert message.startswith(
        "model broken: the loss is not finite in epoch 3, step 1, at learning rate 0.004, on "
    )
    assert f"on patches {patch_of_epoch(3)}. Patches {patch_of_epoch(3)} hold values" in message
    assert f"are kept in {kept}" in message


def test_the_best_weights_before_a_nan_are_kept(broken, patches):
    _, kept = broken
    X, Y = (np.load(patches / f"{name}.npy")[TRAIN:] for name in "XY")
    history = pd.read_csv(kept / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert evaluate(kept, X, Y)["loss"] == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_the_model_folder_of_a_broken_training_is_not_written(broken, models):
    assert not (models / "broken").exists()


def test_a_nan_in_the_first_epoch_leaves_no_weights(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-1", patch_of_epoch(1))
    with pytest.raises(FloatingPointError, match="in epoch 1, step 1.* No epoch was finished"):
        train_model(bad, models / "stillborn", **ONE_BY_ONE)
    assert not list(models.glob("**/stillborn/**/*.h5"))


def test_a_nan_among_the_patches_that_validate_is_named(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-validation", TRAIN)
    with pytest.raises(
        FloatingPointError, match=f"validation loss is not finite in epoch 1.*Patches {TRAIN} hold"
    ):
        train_model(bad, models / "unjudged", **ONE_BY_ONE)


def test_a_nan_beside_the_subset_that_validates_is_not_passed_over(patches, models, untraced):
    subset = validation_subset(np.arange(TRAIN, TRAIN + VALIDATION), 2)
    beside = next(each for each in range(TRAIN, TRAIN + VALIDATION) if each not in subset)
    bad = with_nan(patches, models / "nan-beside-the-subset", beside)
    with pytest.raises(
        FloatingPointError, match=f"whole validation set is not finite.*Patches {beside} hold"
    ):
        train_model(bad, models / "half-judged", validation_patches=2)
    assert not (models / "half-judged").exists()


def test_weights_that_diverge_are_told_from_bad_patches(patches, models, untraced):
    with pytest.raises(
        FloatingPointError, match="are finite, so the weights have diverged: set a smaller"
    ):
        train_model(patches, models / "diverged", learning_rate=1e30, loss="mse")


# Memory


def anonymous_memory():
    """Bytes of this process that belong to no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def peak_memory():
    """Give a list that ends with the most anonymous memory while the block runs."""
    peak, done = [anonymous_memory()], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[-1] = max(peak[-1], anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_training_set(tmp_path, worm):
    count, validate = 1600, 40
    for name in "XY":  # 420 MB each, all holes
        open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (count, 256, 256))
    values = VALUES | {"width": 1, "epochs": 1, "steps_per_epoch": 8, "batch_size": 4}
    before = anonymous_memory()
    with peak_memory() as peak:
        train(
            "worm",
            values,
            tmp_path,
            split(count - validate, validate),
            tmp_path / "w",
            tmp_path / "c",
            CPU,
            COMPUTE,
        )
    assert peak[-1] - before < 200e6  # the files are 840 MB
