"""The training loop: csbdeep's CARE on patches that stay on disk, restartable to the bit.

`train` reads from top to bottom what happens; the steps, the checkpoints, the history and the model
folder have modules of their own.
"""

import hashlib
import logging
import math
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from denoising.running.gpus import Gpu
from denoising.study.training import TrainingRun
from denoising.training import checkpoints, collapse, model_folder
from denoising.training.batches import (
    PatchPairs,
    calls_of,
    input_losses,
    read_ahead,
    validation_subset,
)
from denoising.training.checkpoints import State
from denoising.training.failures import describe_not_finite
from denoising.training.model_folder import Origin
from denoising.training.network import Device
from denoising.training.progress import (
    Epoch,
    Forecast,
    history_row,
    log_sizes,
    report_epoch,
    write_scalars,
)
from denoising.training.rehearsal import rehearsed
from denoising.training.schedules import best_epoch, ended, learning_rate, warmed_up
from denoising.training.signals import stop_process, stop_requests
from denoising.training.steps import LOSSES, Execution, TrainingSteps

log = logging.getLogger(__name__)
console = logging.getLogger("progress")  # it writes to the console too

# Steps that a device is given before their losses are waited for
STEPS_IN_FLIGHT = {"GPU": 16, "CPU": 1}


@dataclass(frozen=True)
class Folders:
    """Where a training writes.

    Attributes
    ----------
    model : Path
        The model folder, written when the training is done.
    checkpoints : Path
        The run's checkpoints, each training of it in a folder of its own.
    tensorboard : Path or None
        TensorBoard's files, if they are asked for.
    """

    model: Path
    checkpoints: Path
    tensorboard: Path | None = None


def train(
    run: TrainingRun,
    patches: PatchPairs,
    folders: Folders,
    device: Device,
    execution: Execution,
    defined_by: str = "",
) -> None:
    """Train a model, or continue its training, and write its folder.

    Nothing is trained if this very training has finished before and its model is still there.

    Parameters
    ----------
    run : TrainingRun
    patches : PatchPairs
    folders : Folders
    device : Device
    execution : Execution
        The steps do with less if the device cannot take it (see `rehearsal`).
    defined_by : str
        What else defines the training (version of the code, checksums of the patches): where it
        differs, no checkpoint is used.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the best epoch's weights are then kept with the checkpoints.
    RuntimeError
        If the device has not the memory for a batch.
    Stopped
        On SIGTERM or SIGINT, after a checkpoint.
    """
    key = checkpoint_key(run, patches.split, device, execution, defined_by)
    folder = folders.checkpoints / key
    description = checkpoints.finished(folder)
    if description and model_folder.holds(folders.model, description):
        model_folder.write_description(folders.model, description)
        console.info("%s: it was trained like this before, and that model is still there", run.name)
        return
    steps = rehearsed(run, patches, device, execution)
    # The rate is measured here, before there is anything to lose
    rate = "unknown" if steps.matmul_rate is None else f"{steps.matmul_rate / 1e9:.3g} GFLOP/s"
    log.info("%s; %s; matrix products: %s", device.name, steps.execution, rate)
    trainer = Trainer(steps, folder)
    log_sizes(steps, len(trainer.validating))
    trainer.restore()
    with stop_requests() as trainer.stop_signals:
        trainer.run_epochs(folders.tensorboard)
        trainer.evaluate_best_weights()
    description = trainer.write(folders.model)
    collapse.warn_if_useless(run.name, trainer.state.best_row, description["collapsed"])
    checkpoints.finish(folder, description)
    log.info("trained; the weights of the best epoch are in %s", folders.model)


def checkpoint_key(
    run: TrainingRun, split: pd.DataFrame, device: Device, execution: Execution, defined_by: str
) -> str:
    """Name of the training's checkpoint folder, which tells it from every other training.

    How the steps are compiled is part of it on a CPU alone, where a training continues to the bit.
    On a GPU it is left out, because a later trial may choose another way.
    """
    return checkpoints.key(
        values=run.values,
        split=hashlib.sha256(split.to_csv(index=False).encode()).hexdigest(),
        defined_by=defined_by,
        numerics=[
            device.kind,
            execution.precision,
            execution.xla and not device.on_gpu,
            tf.__version__,
            keras.__version__,
            np.__version__,
        ],
    )


class Trainer:
    """A training under way: its steps, and the state that checkpoints keep."""

    def __init__(self, steps: TrainingSteps, folder: Path) -> None:
        self.steps = steps
        self.folder = folder  # of the checkpoints
        self.run = steps.run
        self.settings = steps.run.settings
        self.validation = steps.patches.validation
        self.validating = validation_subset(self.validation, self.settings.validation_patches)
        self.input_losses = input_losses(steps.patches, self.validating, self.settings.loss)
        self.gpu = Gpu(steps.device.on_gpu)
        self.state = State(device=steps.device.name)
        self.resumed_from: str | None = None
        self.best_losses: list[float] | None = None  # on the whole validation set, if evaluated
        self.forecast = Forecast(self.run, len(self.validating))
        self.stop_signals: list[int] = []

    def restore(self) -> None:
        """Continue from the newest checkpoint, if there is one."""
        state = checkpoints.load(self.folder)
        if state is None:
            log.info("no checkpoint in %s: training starts from the beginning", self.folder)
            return
        self.steps.set_state(state.weights, state.optimizer)
        device = self.steps.device.name
        self.state = replace(state, weights=[], optimizer=[], device=device)
        self.resumed_from = state.name
        console.info("%s: continuing from %s in %s", self.run.name, state.name, self.folder)
        if state.device != device:
            log.warning("begun on %s, continued on %s: last bits may differ", state.device, device)

    def run_epochs(self, tensorboard: Path | None = None) -> None:
        """Train until all epochs are done, or the validation loss has not improved for long."""
        writer = tf.summary.create_file_writer(str(tensorboard)) if tensorboard else None
        start = time.perf_counter()
        restart_if_collapsed(self)  # a checkpoint may be that of a collapsed network
        while not ended(self.settings, self.state.val_losses):
            row = self._run_epoch(start)
            start = time.perf_counter()  # before the checkpoint, whose time the next epoch includes
            self.state.end_epoch(row, self.steps.network.get_weights())
            self._save()
            report_epoch(self.run, self.state.history)
            write_scalars(writer, row)
            restart_if_collapsed(self)

    def evaluate_best_weights(self) -> None:
        """Evaluate the best weights on the whole validation set, if only a subset validated."""
        if len(self.validating) == len(self.validation):
            return
        self.steps.network.set_weights(self.state.best)  # a checkpoint holds the last epoch's
        losses = self.steps.mean_losses(self.validation, after_batch=self._end_if_asked)
        if not np.isfinite(losses).all():
            self._fail_not_finite(
                "the loss on the whole validation set is not finite", self.validation
            )
        self.best_losses = losses

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the model folder of the best epoch so far; returns its description."""
        losses = self.best_losses or [self.state.best_row[f"val_{name}"] for name in LOSSES]
        patches = self.validation if self.best_losses else self.validating
        validation = {"patches": len(patches), **dict(zip(LOSSES, losses, strict=True))}
        origin = Origin(self.folder.name, self.resumed_from, validation)
        return model_folder.write_model_folder(folder, self.steps, self.state, origin)

    def _run_epoch(self, start: float) -> dict[str, Any]:
        """Train and validate for one epoch, or the rest of it; returns its row of the history."""
        rate = learning_rate(self.settings, self.state.val_losses)
        self.steps.optimizer.learning_rate = rate
        self.gpu.start(self.state.energy)
        training_start = time.perf_counter() - self.state.seconds
        self._train_epoch(training_start, rate)
        training_seconds = time.perf_counter() - training_start
        stop_if_asked = partial(self._stop_if_asked, training_seconds)
        val_losses = self.steps.mean_losses(self.validating, stop_if_asked)
        if not np.isfinite(val_losses).all():
            failure = f"the validation loss is not finite in epoch {len(self.state.history) + 1}"
            self._fail_not_finite(failure, self.validating)
        epoch = Epoch(
            losses=np.mean(self.state.losses, axis=0).tolist(),
            val_losses=val_losses,
            input_losses=self.input_losses,
            learning_rate=rate,
            seconds=time.perf_counter() - start + self.state.seconds,
            training_seconds=training_seconds,
            energy=self.gpu.used(),
            validation_count=len(self.validating),
        )
        return history_row(epoch, self.state.history, self.steps)

    def _train_epoch(self, start: float, rate: float) -> None:
        """Take the epoch's steps that are not yet taken; the state gets the losses of each."""
        first = len(self.state.history) * self.settings.steps_per_epoch
        end = first + self.settings.steps_per_epoch
        numbers = range(first + len(self.state.losses), end)
        in_flight: list[tf.Tensor] = []
        calls = calls_of(numbers, self.steps.execution.steps_per_call, self.settings.warmup_steps)
        for call, batches, symmetries in read_ahead(self.steps.read_training_batches, calls):
            if call.start < self.settings.warmup_steps:
                self.steps.optimizer.learning_rate = warmed_up(self.settings, rate, call.start)
            in_flight.append(self.steps.train(batches, symmetries))
            is_full = sum(map(len, in_flight)) >= STEPS_IN_FLIGHT[self.steps.device.kind]
            # The first step of all is waited for, because it includes compiling
            if self.stop_signals or is_full or call.start == 0 or call.stop == end:
                self._collect_losses(in_flight, first)
                in_flight = []
                self.forecast.update(time.perf_counter(), self.state)
                self._stop_if_asked(time.perf_counter() - start)
        self.forecast.is_due = False  # from here on each epoch is reported

    def _collect_losses(self, in_flight: list[tf.Tensor], first: int) -> None:
        """Wait for the losses of steps in flight, and fail if one is not finite."""
        for losses in tf.concat(in_flight, 0).numpy().astype(float).tolist():
            if not math.isfinite(losses[0]):
                step = len(self.state.losses)
                where = f"in epoch {len(self.state.history) + 1}, step {step + 1}"
                indices = self.steps.indices(first + step)
                self._fail_not_finite(f"the loss is not finite {where}", indices)
            self.state.losses.append(losses)

    def _save(self) -> None:
        """Write a checkpoint."""
        checkpoints.save(self.state.with_arrays(*self.steps.state()), self.folder)

    def _stop_if_asked(self, seconds: float) -> None:
        """Save the state within an epoch, whose steps have taken `seconds`, and end the process."""
        if self.stop_signals:
            self.state.seconds = seconds
            self.state.energy = self.gpu.used()
            self._save()
            self._end_if_asked()

    def _end_if_asked(self) -> None:
        if self.stop_signals:
            stop_process(self.run.name, self.stop_signals[0], self.state)

    def _fail_not_finite(self, failure: str, patches: np.ndarray) -> NoReturn:
        """End the training with a message on the patches at fault; the best weights are kept."""
        kept = "No epoch was finished."
        precision = self.steps.execution.precision
        if self.state.best:
            self.write(self.folder)
            best = best_epoch(self.state.val_losses)
            kept = f"The weights of the best epoch, {best}, are kept in {self.folder}."
        raise FloatingPointError(
            f"model {self.run.name}: {failure}, at learning rate"
            f" {float(self.steps.optimizer.learning_rate):g},"
            f" {describe_not_finite(self.steps.patches, patches, precision)} {kept}"
        )


def restart_if_collapsed(trainer: Trainer) -> None:
    """Start a training again, if its network returns its input when it is judged."""
    state = trainer.state
    if trainer.settings.start_from is not None:
        return  # it has no other initial weights
    is_due = collapse.is_due(trainer.settings, len(state.history)) and not state.losses
    if not is_due or not trainer.steps.returns_input():
        return
    number = collapse.next_restart(trainer.run, len(state.history), state.restarts)
    if number:
        trainer.steps.start_again(number)
        trainer.state = State(restarts=number, device=state.device)
