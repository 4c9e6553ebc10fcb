"""Training one model: csbdeep's CARE on patches that stay on disk, restartable to the bit.

Writes a model folder: csbdeep's own (config.json; weights_best.h5, the epoch of least validation
loss), and beside it

    history.csv     a row an epoch: `COLUMNS` training.json   on what it was trained and how, and
    the best weights' losses on the whole validation set

Losses are as csbdeep defines them (for `laplace` a negative log-likelihood in nats per voxel). Of
the history, seconds include validation and training_seconds do not; samples_per_second and
voxels_per_second are of training alone; teraflop is the estimate of an epoch's arithmetic,
validation included, and matmul_share that by seconds as a share of the rate at which the device
multiplies matrices; host_memory_mb is anonymous resident memory, the most seen at the end of an
epoch, device_memory_mb the most so far.
"""

import hashlib
import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from csbdeep.internals import losses as csbdeep_losses
from csbdeep.models import CARE
from csbdeep.utils import save_json

from denoising.training import checkpoints
from denoising.training import costs as accounting
from denoising.training.batches import (
    MOST_ELEMENTS,
    batch_indices,
    batch_symmetries,
    on_device,
    oriented,
    read_ahead,
    validation_subset,
)
from denoising.training.network import Device, care_config, chosen_precision, set_precision
from denoising.training.schedules import best_epoch, ended, learning_rate

log = logging.getLogger(__name__)
progress = logging.getLogger("progress")  # said on the console too

LOSSES = ("loss", "mse", "mae")
COLUMNS = [
    "epoch", "loss", "mse", "mae", "val_loss", "val_mse", "val_mae", "learning_rate", "seconds",
    "samples_seen", "training_seconds", "samples_per_second", "voxels_per_second", "teraflop",
    "matmul_share", "host_memory_mb", "device_memory_mb", "gpu_energy_kj",
]  # fmt: skip
VALIDATION_VOXELS = (
    2**18
)  # of a batch that validates, or twice a training batch, whose step needs as much memory
FORECAST_AFTER = 60  # seconds of steps
STEPS_IN_FLIGHT = 16  # steps that a GPU is given before their losses are waited for


@dataclass(frozen=True)
class Choices:
    """How a training uses its device: what `auto` came to."""

    precision: str
    xla: bool
    resident: bool


class Stopped(SystemExit):
    """The process was asked to end, and has kept where it stood; the exit status is a shell's for
    that signal.
    """


def train(
    run: str,
    values: dict,
    patches: Path,
    split: pd.DataFrame,
    folder: Path,
    checkpoint_folder: Path,
    device: Device,
    compute: dict,
    defined_by: str = "",
    tensorboard: Path | None = None,
) -> None:
    """Train a model, or go on with its training, and write its folder.

    Parameters
    ----------
    run : str
        The training's name, for messages.
    values : dict
        The model's values, as the config names them, with one `seed`.
    patches : Path
        A folder of patches.
    split : DataFrame
        Columns patch, part.
    folder : Path
        The model folder to write, when the training is done.
    checkpoint_folder : Path
        Where the run's checkpoints are, or will be.
    device : Device
    compute : dict
        The config's: xla, resident.
    defined_by : str
        What else defines the training (version of the code, checksums of the patches): where it
        differs, no checkpoint is used.
    tensorboard : Path, optional
        Folder for TensorBoard's files.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the best epoch's weights are then kept with the checkpoints.
    Stopped
        On SIGTERM or SIGINT, after a checkpoint.
    """
    X, Y = (np.load(patches / f"{name}.npy", mmap_mode="r") for name in "XY")
    choices = choose(values, compute, device, X)
    key = checkpoints.key(
        values=values,
        split=hashlib.sha256(split.to_csv(index=False).encode()).hexdigest(),
        defined_by=defined_by,
        numerics=[
            device.kind,
            choices.precision,
            choices.xla,
            tf.__version__,
            keras.__version__,
            np.__version__,
        ],
    )
    training = Training(run, values, X, Y, split, checkpoint_folder / key, device, choices)
    training.restore()
    with stop_requests() as requests:
        training.run_epochs(requests, tensorboard)
        training.judge(requests)
    training.write(folder)
    checkpoints.finish(training.folder)
    log.info("trained; the weights of the best epoch are in %s", folder)


def choose(values: dict, compute: dict, device: Device, X: np.ndarray) -> Choices:
    """Settle what the config leaves to `auto`."""
    xla, resident = compute["xla"], compute["resident"]
    if resident == "auto":
        free = accounting.Gpu(device.on_gpu).free_memory() or 0
        resident = 2 * X.nbytes <= free / 2 and X.size <= MOST_ELEMENTS
    choices = Choices(
        precision=chosen_precision(values["precision"], device),
        xla=device.on_gpu if xla == "auto" else xla,
        resident=resident,
    )
    log.info("precision %s, XLA %s, patches resident on the device: %s", *vars(choices).values())
    return choices


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list to which SIGTERM and SIGINT are added while the block runs, instead of ending the
    process.
    """
    requests: list[int] = []
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, lambda number, _: requests.append(number)) for each in signals]
    try:
        yield requests
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


class Training:
    """A training under way: network, optimizer and steps, and the state that checkpoints keep."""

    def __init__(self, run, values, X, Y, split, folder, device, choices):
        self.run, self.values, self.folder, self.device, self.choices = (
            run,
            values,
            folder,
            device,
            choices,
        )
        self.X, self.Y, self.shape = X, Y, X.shape[1:]
        self.training, self.validation = (
            split.loc[split["part"] == part, "patch"].to_numpy() for part in ("train", "validation")
        )
        self.validating = validation_subset(self.validation, values["validation_patches"])
        self.config = care_config(values, "ZYX"[-len(self.shape) :])
        keras.utils.set_random_seed(values["seed"])
        self.network = CARE(self.config, name=run, basedir=None).keras_model
        set_precision(self.network, choices.precision)
        self.optimizer = keras.optimizers.Adam(values["learning_rate"])
        if choices.precision == "float16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(self.network.trainable_variables)
        self.train_step, self.validate_step = self._compile()
        self.flop_per_voxel = accounting.flop_per_voxel(self.network)
        self.gpu = accounting.Gpu(device.on_gpu)
        self.resumed_from = None
        self.best, self.history, self.losses, self.seconds = [], [], [], 0.0
        self.forecast_due, self.paced_from = (
            True,
            None,
        )  # the time and the step from which a step's time is measured
        self.judged = None  # losses of the best weights on the whole validation set
        subset = (
            "" if len(self.validating) == len(self.validation) else f" (of {len(self.validation)})"
        )
        count = (
            f"{len(self.training)} patches to train on, {len(self.validating)}{subset} to"
            " validate on"
        )
        log.info("%s; %.3g kFLOP a voxel forward", count, self.flop_per_voxel / 1e3)

    # Steps

    def _compile(self) -> tuple[Callable, Callable]:
        """The training step (batch, symmetries) -> losses, and the validation step (batch) ->
        losses.
        """
        names = [self.values["loss"], "mse", "mae"]
        functions = [getattr(csbdeep_losses, f"loss_{name}")() for name in names]
        fetch = self._resident() if self.choices.resident else lambda batch: batch

        def losses(x, y, training):
            restored = self.network(x[..., None], training=training)
            return [tf.reduce_mean(function(y[..., None], restored)) for function in functions]

        def train_step(batch, symmetries):
            x, y = (
                oriented(each, symmetries) if self.values["augment"] else each
                for each in fetch(batch)
            )
            with tf.GradientTape() as tape:
                found = losses(x, y, training=True)
                scaled = self.optimizer.scale_loss(found[0])  # by 1, but for float16
            self.optimizer.apply(
                tape.gradient(scaled, self.network.trainable_variables),
                self.network.trainable_variables,
            )
            return tf.stack(found)

        def validate_step(batch):
            return tf.stack(losses(*fetch(batch), training=False))

        how = {
            "jit_compile": self.choices.xla,
            "autograph": False,
            "reduce_retracing": not self.choices.xla,
        }
        return tf.function(train_step, **how), tf.function(validate_step, **how)

    def _resident(self) -> Callable:
        """Fetch batches from arrays in the device's memory."""
        X, Y = on_device(self.X), on_device(self.Y)
        return lambda batch: (tf.gather(X, batch), tf.gather(Y, batch))

    def _read(self, indices: np.ndarray):
        """A batch on the device: its patches, or only their indices where all patches are there
        already.
        """
        with tf.device(
            f"{self.device.kind}:0"
        ):  # so that the copy is made here, in the thread that reads ahead
            if self.choices.resident:
                return tf.constant(indices, tf.int32)
            return tf.constant(self.X[indices]), tf.constant(self.Y[indices])

    def _batch(self, number: int) -> np.ndarray:
        """The patches of training batch `number`, from 0."""
        values = self.values
        return self.training[
            batch_indices(len(self.training), values["batch_size"], number, values["seed"])
        ]

    def _read_training(self, number: int):
        square = self.shape[-1] == self.shape[-2]
        symmetries = batch_symmetries(
            self.values["batch_size"], number, self.values["seed"], square
        )
        return number, self._read(self._batch(number)), tf.constant(symmetries)

    # Epochs

    def run_epochs(self, requests: list[int], tensorboard: Path | None) -> None:
        """Train until the epochs are done or the validation loss has long been no better."""
        writer = tf.summary.create_file_writer(str(tensorboard)) if tensorboard else None
        start = time.perf_counter()
        while not ended(self.values, self._val_losses()):
            row = self._run_epoch(start, requests)
            start = (
                time.perf_counter()
            )  # the next epoch's time includes the writing of this one's checkpoint
            if best_epoch([*self._val_losses(), row["val_loss"]]) == row["epoch"]:
                self.best = self.network.get_weights()
            self.history.append(row)
            self.losses, self.seconds = [], 0.0
            self._save()
            self._say(row)
            if writer:
                with writer.as_default(row["epoch"]):
                    for name in ("loss", "val_loss", "learning_rate"):
                        tf.summary.scalar(name, row[name])
                writer.flush()

    def _run_epoch(self, start: float, requests: list[int]) -> dict:
        rate = learning_rate(self.values, self._val_losses())
        self.optimizer.learning_rate = rate
        energy = self.gpu.energy()
        before = self.seconds
        training_start = time.perf_counter() - before
        self._train_epoch(training_start, rate, requests)
        training_seconds = time.perf_counter() - training_start
        val_losses = self._validate(
            self.validating, lambda: requests and self._stop(requests, training_seconds)
        )
        seconds = time.perf_counter() - start + before
        if not np.isfinite(val_losses).all():
            self._refuse(
                f"the validation loss is not finite in epoch {len(self.history) + 1}",
                self.validating,
                rate,
            )
        means = dict(zip(LOSSES, np.mean(self.losses, axis=0).tolist(), strict=True))
        means |= {f"val_{name}": value for name, value in zip(LOSSES, val_losses, strict=True)}
        used = None if energy is None else (self.gpu.energy() - energy) / 1000
        return self._row(means, rate, seconds, training_seconds, used)

    def _train_epoch(self, start: float, rate: float, requests: list[int]) -> None:
        """Take the epoch's steps that are not yet taken; `self.losses` gets the losses of each."""
        steps = self.values["steps_per_epoch"]
        first = len(self.history) * steps
        in_flight = []
        for number, batch, symmetries in read_ahead(
            self._read_training, range(first + len(self.losses), first + steps)
        ):
            in_flight.append(self.train_step(batch, symmetries))
            # The first step of all is waited for, as it may be compiled in it
            first_of_all = not self.history and not self.losses
            if (
                requests
                or first_of_all
                or number == first + steps - 1
                or len(in_flight) == self._most_in_flight
            ):
                self._land(in_flight, first, rate)
                in_flight = []
                if self.forecast_due:
                    self._forecast(time.perf_counter())
                if requests:
                    self._stop(requests, time.perf_counter() - start)
        self.forecast_due = False  # from here on epochs tell

    def _land(self, in_flight: list[tf.Tensor], first: int, rate: float) -> None:
        """Wait for the losses of steps and refuse those that are not finite."""
        for found in tf.stack(in_flight).numpy().astype(float).tolist():
            if not math.isfinite(found[0]):
                step = len(self.losses)
                where = f"in epoch {len(self.history) + 1}, step {step + 1}"
                self._refuse(f"the loss is not finite {where}", self._batch(first + step), rate)
            self.losses.append(found)

    @cached_property
    def _most_in_flight(self) -> int:
        return STEPS_IN_FLIGHT if self.device.on_gpu else 1

    def _validate(self, patches: np.ndarray, between: Callable) -> list[float]:
        """Mean losses over `patches`, which are read in batches; `between` is called after each."""
        size = max(2 * self.values["batch_size"], VALIDATION_VOXELS // math.prod(self.shape))
        batches = [patches[start : start + size] for start in range(0, len(patches), size)]
        found = []
        for batch in read_ahead(self._read, batches):
            found.append(self.validate_step(batch))
            between()
        return np.average(
            tf.stack(found).numpy().astype(float), axis=0, weights=list(map(len, batches))
        ).tolist()

    def _row(
        self,
        means: dict,
        rate: float,
        seconds: float,
        training_seconds: float,
        energy: float | None,
    ) -> dict:
        """An epoch's row of the history."""
        epoch, voxels = len(self.history) + 1, math.prod(self.shape)
        samples = self.values["steps_per_epoch"] * self.values["batch_size"]
        flop = self.flop_per_voxel * voxels * (3 * samples + len(self.validating))
        memory = max([accounting.host_memory(), *(row["host_memory_mb"] for row in self.history)])
        on_device = accounting.device_memory()
        if on_device is not None:
            on_device = max([on_device, *(row["device_memory_mb"] for row in self.history)])
        return means | {
            "epoch": epoch,
            "learning_rate": rate,
            "seconds": round(seconds, 4),
            "samples_seen": epoch * samples,
            "training_seconds": round(training_seconds, 4),
            "samples_per_second": round(samples / training_seconds, 2),
            "voxels_per_second": round(samples * voxels / training_seconds),
            "teraflop": flop / 1e12,
            "matmul_share": round(flop / seconds / self.matmul_rate, 6),
            "host_memory_mb": round(memory, 1),
            "device_memory_mb": None if on_device is None else round(on_device, 1),
            "gpu_energy_kj": None if energy is None else round(energy, 4),
        }

    @cached_property
    def matmul_rate(self) -> float:
        return accounting.matmul_rate(self.choices.precision, self.device.on_gpu)

    def judge(self, requests: list[int]) -> None:
        """Evaluate the best epoch's weights on the whole validation set, where a subset has
        validated.
        """
        if len(self.validating) < len(self.validation):
            self.network.set_weights(self.best)  # the last epoch's are in its checkpoint
            found = self._validate(self.validation, lambda: requests and self._end(requests))
            if not np.isfinite(found).all():
                rate = self.history[-1]["learning_rate"]
                self._refuse(
                    "the loss on the whole validation set is not finite", self.validation, rate
                )
            self.judged = found

    def _val_losses(self) -> list[float]:
        return [row["val_loss"] for row in self.history]

    def _forecast(self, now: float) -> None:
        """Say once how long an epoch and the training will take, if the first epoch is far from
        done.
        """
        if self.paced_from is None:  # the first step's time includes tracing and compiling
            self.paced_from = now, len(self.losses)
        (start, step), values = self.paced_from, self.values
        if now < start + FORECAST_AFTER or len(self.losses) == values["steps_per_epoch"]:
            return
        self.forecast_due = False
        pace = (now - start) / (len(self.losses) - step)
        # A step is three passes, one forward and two backward; validation is one
        epoch = pace * (
            values["steps_per_epoch"] + len(self.validating) / (3 * values["batch_size"])
        )
        epochs = values["epochs"] - len(self.history)
        left = epochs * epoch - pace * len(self.losses)
        progress.info(
            "%s: %.3g s a step: an epoch takes about %s, the training %s (epochs left: %d), "
            "done about %s",
            self.run, pace, _about(epoch), _about(left), epochs,
            f"{datetime.now() + timedelta(seconds=left):%a %d %b %H:%M}",
        )  # fmt: skip

    def _say(self, row: dict) -> None:
        """One line on an epoch, in the log and on the console."""
        recent = [each["seconds"] for each in self.history[-5:]]
        left = (self.values["epochs"] - row["epoch"]) * sum(recent) / len(recent)
        progress.info(
            "%s: epoch %d/%d, loss %.4f, val_loss %.4f, learning rate %.3g, %.3g steps/s, "
            "%.1f s, ETA %s",
            self.run, row["epoch"], self.values["epochs"], row["loss"], row["val_loss"],
            row["learning_rate"],
            self.values["steps_per_epoch"] / row["training_seconds"], row["seconds"],
            timedelta(seconds=round(left)),
        )  # fmt: skip

    # Where it stands

    def restore(self) -> None:
        """Take up the newest checkpoint, if there is one."""
        state = checkpoints.load(self.folder)
        if state is None:
            log.info("no checkpoint in %s: training starts from the beginning", self.folder)
            return
        self.network.set_weights(state.weights)
        for variable, value in zip(self.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self.best, self.history, self.losses, self.seconds = (
            state.best,
            state.history,
            state.losses,
            state.seconds,
        )
        self.resumed_from = state.name
        progress.info("%s: continuing from %s in %s", self.run, state.name, self.folder)
        if state.device != self.device.name:
            log.warning(
                "begun on %s, continued on %s: last bits may differ", state.device, self.device.name
            )

    def _save(self) -> None:
        optimizer = [variable.numpy() for variable in self.optimizer.variables]
        state = checkpoints.State(
            self.network.get_weights(),
            optimizer,
            self.best,
            self.history,
            self.losses,
            self.seconds,
            self.device.name,
        )
        checkpoints.save(state, self.folder)

    def _stop(self, requests: list[int], seconds: float) -> None:
        """Keep where the training stands and end the process."""
        self.seconds = seconds
        self._save()
        self._end(requests)

    def _end(self, requests: list[int]) -> None:
        name = signal.Signals(requests[0]).name
        done = f"{len(self.history)} epochs and {len(self.losses)} steps"
        progress.info(
            "%s: stopped by %s after %s; the next run goes on from there", self.run, name, done
        )
        raise Stopped(128 + requests[0])

    def _refuse(self, what: str, patches: np.ndarray, rate: float) -> None:
        """End a training whose loss is not finite, saying where to look; the best weights stay."""
        broken = [
            int(each)
            for each in patches
            if not (np.isfinite(self.X[each]) & np.isfinite(self.Y[each])).all()
        ]
        cause = (
            f"Patches {', '.join(map(str, broken))} hold values that are not finite: correct or"
            " leave out their images."
            if broken
            else (
                "All their values are finite, so the weights have diverged: set a smaller"
                " learning_rate."
            )
        )
        kept = "No epoch was finished."
        if self.best:
            self.write(self.folder)
            kept = (
                f"The weights of the best epoch, {best_epoch(self._val_losses())}, are kept in"
                f" {self.folder}."
            )
        listed = ", ".join(map(str, patches[:64])) + (
            f" and {len(patches) - 64} more" if len(patches) > 64 else ""
        )
        raise FloatingPointError(
            f"model {self.run}: {what}, at learning rate {rate:g}, on patches {listed}. {cause}"
            f" {kept}"
        )

    # What comes out

    def write(self, folder: Path) -> None:
        """Write the model folder of the best epoch so far."""
        folder.mkdir(parents=True, exist_ok=True)
        self.network.set_weights(self.best)
        save_json(vars(self.config), str(folder / "config.json"))
        partial = folder / "weights_best.h5.partial"
        self.network.save_weights(str(partial))
        os.replace(partial, folder / "weights_best.h5")
        pd.DataFrame(self.history, columns=COLUMNS).to_csv(folder / "history.csv", index=False)
        (folder / "training.json").write_text(json.dumps(self._description(), indent=2) + "\n")

    def _description(self) -> dict:
        best = best_epoch(self._val_losses())
        row = self.history[best - 1]
        losses = self.judged or [row[f"val_{name}"] for name in LOSSES]
        patches = len(self.validation if self.judged else self.validating)
        return {
            "device": self.device.name,
            **vars(self.choices),
            "checkpoint": self.folder.name,
            "resumed_from": self.resumed_from,
            "epochs": len(self.history),
            "best_epoch": best,
            "validation": {"patches": patches, **dict(zip(LOSSES, losses, strict=True))},
            "parameters": self.network.count_params(),
            "flop_per_voxel_forward": self.flop_per_voxel,
            "matmul_gflop_per_second": round(self.matmul_rate / 1e9, 1),
        }


def _about(seconds: float) -> str:
    """A time in two digits, as 48 min or 80 h."""
    size, unit = (60, "min") if seconds < 7200 else (3600, "h")
    return f"{float(f'{seconds / size:.2g}'):g} {unit}"
