"""Training: csbdeep's, on patches that stay on disk, the same twice, killed or not, with a history
that says it all.
"""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from csbdeep.models import CARE
from made_up import training_settings
from made_up_training import (
    CPU,
    IGNORED_WARNINGS,
    PLAIN_EXECUTION,
    SEED,
    SETTINGS,
    TRAIN,
    VALIDATION,
    assert_same,
    assert_same_training,
    best_weights,
    checkpoint_names,
    checkpoints_of,
    described,
    evaluate,
    run_of,
    split,
    train_model,
    write_patches,
)
from numpy.lib.format import open_memmap

from denoising.running.gpus import Gpu
from denoising.training import checkpoints, collapse, loop, model_folder
from denoising.training.batches import PatchPairs
from denoising.training.loop import Folders, Trainer, train
from denoising.training.network import Device, care_config, use_device
from denoising.training.signals import Stopped
from denoising.training.steps import Execution, TrainingSteps

pytestmark = IGNORED_WARNINGS

# Losses and weights


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


def test_training_is_csbdeeps(patches, models, untraced):
    """On batches of the whole training set, where the order counts for nothing, CARE.train does the
    same.
    """
    changes = {"batch_size": TRAIN, "steps_per_epoch": 1, "epochs": 4, "learning_rate": 0.01}
    history = train_model(patches, models / "ours", **changes)
    keras.utils.set_random_seed(SEED)
    config = care_config(training_settings(**SETTINGS | changes), "YX")
    stock = CARE(config, name="stock", basedir=str(models))
    X, Y = (np.load(patches / f"{name}.npy")[..., None] for name in "XY")
    expected = stock.train(X[:TRAIN], Y[:TRAIN], validation_data=(X[TRAIN:], Y[TRAIN:])).history
    for name in ("loss", "mse", "mae", "val_loss", "val_mse", "val_mae"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-4)
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


def test_the_first_steps_warm_up_across_epochs(patches, models, monkeypatch, untraced):
    """On top of the schedule, whose rate the history tells."""
    rates = []
    apply = keras.optimizers.Adam.apply

    def recorded(self, *arguments):
        rates.append(float(self.learning_rate))
        return apply(self, *arguments)

    monkeypatch.setattr(keras.optimizers.Adam, "apply", recorded)
    changes = {"warmup_steps": 4, "schedule": "cosine", "epochs": 3, "steps_per_epoch": 3}
    history = train_model(patches, models / "warm-up", **changes)
    scheduled = np.repeat(history["learning_rate"].to_numpy(), 3)
    shares = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(rates, scheduled * shares, rtol=1e-6)
    assert history["learning_rate"][0] == pytest.approx(0.004)


def test_training_stops_early_if_asked(tmp_path, untraced):
    X, Y = write_patches(tmp_path / "patches")
    Y[:TRAIN], Y[TRAIN:] = X[:TRAIN] - 0.4, X[TRAIN:] + 0.4  # the first epoch is the best
    np.save(tmp_path / "patches/Y.npy", Y)
    history = train_model(
        tmp_path / "patches", tmp_path / "worm", epochs=9, early_stopping_patience=2
    )
    assert len(history) == 3
    assert described(tmp_path / "worm")["epochs"] == 3


def test_a_subset_validates_and_the_best_weights_are_judged_on_all(patches, models, untraced):
    history = train_model(patches, models / "subset", validation_patches=2)
    X, Y = (np.load(patches / f"{name}.npy")[TRAIN:] for name in "XY")
    expected = evaluate(models / "subset", X, Y)
    validation = described(models / "subset")["validation"]
    assert validation == pytest.approx(
        {"patches": VALIDATION} | {name: expected[name] for name in validation if name != "patches"}
    )
    assert history["val_loss"].min() != pytest.approx(validation["loss"], rel=1e-3)


def test_losses_of_a_gpu_are_waited_for_a_few_steps_at_a_time(
    patches, models, monkeypatch, untraced
):
    """The same losses in the same order, however many steps are in flight."""
    plain = train_model(patches, models / "in-turn", steps_per_epoch=5, epochs=1)
    monkeypatch.setitem(loop.STEPS_IN_FLIGHT, "CPU", 2)
    together = train_model(patches, models / "in-flight", steps_per_epoch=5, epochs=1)
    assert plain["loss"][0] == together["loss"][0]


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
    changes = dict(changes)
    collapse.CONSTANT = changes.pop("constant", collapse.CONSTANT)
    if signal_at:
        when, name, calls = signal_at
        owner, attribute = {
            "step": (Trainer, "_collect_losses"),  # one call a step on a CPU
            "validation": (TrainingSteps, "mean_losses"),
            "save": (checkpoints, "save"),
            "rename": (checkpoints.os, "replace"),
            "write": (Trainer, "write"),
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
    resumed_from = described(tmp_path / "worm")["resumed_from"]
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
    assert described(tmp_path / "worm")["resumed_from"] == "epoch-00002"


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
    assert described(tmp_path / "worm")["resumed_from"] == kept


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
    "validation_patches": 3, "warmup_steps": 8,
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
    validation = described(tmp_path / "worm")["validation"]
    assert validation == described(tmp_path / "unstopped")["validation"]
    assert validation["patches"] == VALIDATION


# What counts as constant is raised such that the network collapses three times
COLLAPSING = LONG | {"warmup_steps": 3, "collapse_steps": 3, "constant": 0.2}


def test_restarts_go_on_exactly_too(patches, tmp_path):
    """Killed at the checkpoint of a collapsed network, within an epoch of a restart, and later."""
    assert process(patches, tmp_path / "unstopped", changes=COLLAPSING) == 0
    for place, number in [
        (("after", "save", 2), signal.SIGKILL),
        (("before", "step", 2), signal.SIGTERM),
        (("after", "save", 3), signal.SIGKILL),
    ]:
        assert process(patches, tmp_path / "worm", place, number, COLLAPSING) != 0
    assert process(patches, tmp_path / "worm", changes=COLLAPSING) == 0
    assert_same_training(tmp_path / "unstopped", tmp_path / "worm")
    resumed = described(tmp_path / "worm")
    assert resumed["restarts"] == described(tmp_path / "unstopped")["restarts"] > 1
    assert resumed["resumed_from"].startswith("restart-")


def test_loss_scaling_goes_on_exactly_too(patches, tmp_path):
    """float16 as on a GPU: compiled, which a CPU can do."""
    pairs = PatchPairs.open(patches, split())
    execution = Execution(precision="float16", xla=True, resident=True)

    def trained(folder, stop_signals):
        trainer = Trainer(TrainingSteps(run_of("worm", epochs=2), pairs, CPU, execution), folder)
        trainer.restore()
        trainer.stop_signals = stop_signals
        trainer.run_epochs()
        return trainer

    unstopped = trained(tmp_path / "unstopped", [])
    with pytest.raises(Stopped):
        trained(tmp_path / "stopped", AfterSteps([signal.SIGTERM], 3))
    (kept,) = (tmp_path / "stopped").glob("*.npz")
    resumed = trained(tmp_path / "stopped", [])
    assert resumed.resumed_from == kept.stem
    for values, expected in zip(resumed.steps.state(), unstopped.steps.state(), strict=True):
        assert_same(values, expected)
    assert np.isfinite(resumed.state.val_losses).all()


class AfterSteps(list):
    """Signals that are seen only after so many looks."""

    def __init__(self, signals, looks):
        super().__init__(signals)
        self.looks = looks

    def __bool__(self):
        self.looks -= 1
        return self.looks < 0


def test_energy_of_an_interrupted_epoch_is_whole(patches, tmp_path, monkeypatch, untraced):
    """With a counter that shows 1 kJ more at each reading: two epochs, of which a process each."""
    readings = iter(range(0, 100_000, 1000))
    monkeypatch.setattr(Gpu, "energy", lambda self: next(readings))
    pairs = PatchPairs.open(patches, split())
    execution = Execution(precision="float32", xla=False, resident=False)

    def trained(signals):
        trainer = Trainer(TrainingSteps(run_of("worm", epochs=1), pairs, CPU, execution), tmp_path)
        trainer.restore()
        trainer.stop_signals = signals
        trainer.run_epochs()
        return trainer.state.history[0]["gpu_energy_kj"]

    with pytest.raises(Stopped):
        trained(AfterSteps([signal.SIGTERM], 1))
    assert trained([]) == 2


def test_a_counter_that_refuses_once_ends_no_training(patches, tmp_path, monkeypatch, untraced):
    """At the end of the first of three epochs."""
    readings = iter([0, None, 2000, 3000, 4000, 6000])
    monkeypatch.setattr(Gpu, "energy", lambda self: next(readings))
    history = train_model(patches, tmp_path / "worm")
    assert history["gpu_energy_kj"].isna().tolist() == [True, False, False]
    assert history["gpu_energy_kj"].tolist()[1:] == [1, 2]


def test_a_finished_training_is_done_if_its_model_is_still_there(patches, tmp_path, untraced):
    train_model(patches, tmp_path / "worm", epochs=1)
    (record,) = checkpoints_of(tmp_path / "worm").glob("*/*")
    assert record.name == "finished.json"  # no checkpoint is left
    first = described(tmp_path / "worm")
    (tmp_path / "worm/training.json").unlink()
    train_model(patches, tmp_path / "worm", epochs=1)
    assert described(tmp_path / "worm") == first
    train_model(patches, tmp_path / "worm", epochs=2)
    assert len(list(checkpoints_of(tmp_path / "worm").glob("*/*"))) == 1


@pytest.mark.parametrize("name", ["weights_best.h5", "config.json", "history.csv"])
def test_it_is_not_done_if_a_file_of_the_model_is_another(patches, tmp_path, untraced, name):
    train_model(patches, tmp_path / "worm", epochs=1)
    with (tmp_path / "worm" / name).open("ab") as file:
        file.write(b" ")
    train_model(patches, tmp_path / "worm", epochs=1)
    assert model_folder.holds(tmp_path / "worm", described(tmp_path / "worm"))


def test_a_finished_model_stays_until_its_successor_is_done(patches, tmp_path, untraced):
    train_model(patches, tmp_path / "worm", epochs=1)
    weights = best_weights(tmp_path / "worm")
    with pytest.raises(FloatingPointError):
        train_model(patches, tmp_path / "worm", epochs=1, learning_rate=1e30)
    assert_same(best_weights(tmp_path / "worm"), weights)


@pytest.fixture
def killed_at_the_end(monkeypatch):
    """Trainings keep their checkpoints, as if each were killed when its model is written."""
    monkeypatch.setattr(checkpoints, "finish", lambda folder, description: None)


def test_going_on_with_other_threads_is_said(patches, models, caplog, untraced, killed_at_the_end):
    train_model(patches, models / "threads", epochs=1)
    other = Device("CPU", "CPU, 3 threads")
    train_model(patches, models / "threads", device=other, epochs=1)
    assert "begun on CPU, 1 threads, continued on CPU, 3 threads" in caplog.text


@pytest.mark.parametrize(
    "changes", [{"learning_rate": 0.002}, {"seed": 8}, {"epochs": 6}, {"defined_by": "new code"}]
)
def test_a_checkpoint_of_another_training_is_never_used(
    patches, tmp_path, untraced, changes, killed_at_the_end
):
    train_model(patches, tmp_path / "worm")
    train_model(patches, tmp_path / "worm", **changes)
    assert described(tmp_path / "worm")["resumed_from"] is None
    train_model(patches, tmp_path / "worm")
    assert described(tmp_path / "worm")["resumed_from"] == "epoch-00003"


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
    run = run_of("worm", width=1, epochs=1, steps_per_epoch=8, batch_size=4)
    pairs = PatchPairs.open(tmp_path, split(count - validate, validate))
    folders = Folders(tmp_path / "model", tmp_path / "checkpoints")
    before = anonymous_memory()
    with peak_memory() as peak:
        train(run, pairs, folders, CPU, PLAIN_EXECUTION)
    assert peak[-1] - before < 200e6  # the files are 840 MB
