"""The progress of a training: rows of its history, lines on the console, TensorBoard's scalars.

history.csv has one row per epoch, with the columns `COLUMNS`. Losses are as csbdeep defines them
(for `laplace` a negative log-likelihood in nats per voxel). input_loss and input_mae are those of a
network that returns its input (see `collapse`), on the patches that validate. seconds include
validation, training_seconds do not; samples_per_second and voxels_per_second are of training alone.
teraflop is the estimate of an epoch's arithmetic, validation included; matmul_share is that per
second, as a share of the rate at which the device multiplies matrices. host_memory_mb is the most
anonymous resident memory at the end of an epoch so far, device_memory_mb the peak so far.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import tensorflow as tf

from denoising.study.training import TrainingRun
from denoising.training import costs
from denoising.training.checkpoints import State
from denoising.training.steps import LOSSES, TrainingSteps

log = logging.getLogger(__name__)
console = logging.getLogger("progress")  # it writes to the console too

COLUMNS = [
    "epoch", "loss", "mse", "mae", "val_loss", "val_mse", "val_mae", "input_loss", "input_mae",
    "learning_rate", "seconds", "samples_seen", "training_seconds", "samples_per_second",
    "voxels_per_second", "teraflop", "matmul_share", "host_memory_mb", "device_memory_mb",
    "gpu_energy_kj",
]  # fmt: skip
FORECAST_AFTER = 60  # seconds of steps


@dataclass(frozen=True)
class Epoch:
    """Duration and losses of one epoch.

    Attributes
    ----------
    losses, val_losses : list of float
        Means of loss, mse and mae over the training steps, and over the validation patches.
    input_losses : dict
        Of the input itself, by column.
    learning_rate : float
    seconds, training_seconds : float
    energy : float or None
        That the GPU used, in joules.
    validation_count : int
        Patches that validated.
    """

    losses: list[float]
    val_losses: list[float]
    input_losses: dict[str, float]
    learning_rate: float
    seconds: float
    training_seconds: float
    energy: float | None
    validation_count: int


def history_row(
    epoch: Epoch, history: list[dict[str, Any]], steps: TrainingSteps
) -> dict[str, Any]:
    """The epoch's row, which follows those of `history`."""
    number = len(history) + 1
    samples = steps.run.settings.steps_per_epoch * steps.run.settings.batch_size
    voxels = math.prod(steps.patches.shape)
    # A training step is three passes, one forward and two backward; validation is one
    flop = steps.flop_per_voxel * voxels * (3 * samples + epoch.validation_count)
    host_memory = max([costs.host_memory(), *(row["host_memory_mb"] for row in history)])
    earlier = (row["device_memory_mb"] for row in history)
    device_memory = largest([costs.device_memory(), *earlier])
    return {
        "epoch": number,
        **dict(zip(LOSSES, epoch.losses, strict=True)),
        **{f"val_{name}": loss for name, loss in zip(LOSSES, epoch.val_losses, strict=True)},
        **epoch.input_losses,
        "learning_rate": epoch.learning_rate,
        "seconds": round(epoch.seconds, 4),
        "samples_seen": number * samples,
        "training_seconds": round(epoch.training_seconds, 4),
        "samples_per_second": round(samples / epoch.training_seconds, 2),
        "voxels_per_second": round(samples * voxels / epoch.training_seconds),
        "teraflop": flop / 1e12,
        "matmul_share": _share(flop / epoch.seconds, steps.matmul_rate),
        "host_memory_mb": round(host_memory, 1),
        "device_memory_mb": None if device_memory is None else round(device_memory, 1),
        "gpu_energy_kj": None if epoch.energy is None else round(epoch.energy / 1000, 4),
    }


def largest(values: Iterable[float | None]) -> float | None:
    """The largest value of a counter that may fail."""
    return max((value for value in values if value is not None), default=None)


def _share(rate: float, of_rate: float | None) -> float | None:
    return None if of_rate is None else round(rate / of_rate, 6)


def log_sizes(steps: TrainingSteps, validation_count: int) -> None:
    """Log how many patches train and validate, and the size of the network."""
    total = len(steps.patches.validation)
    subset = "" if validation_count == total else f" (of {total})"
    log.info(
        "%d patches to train on, %d%s to validate on; %.3g kFLOP per voxel forward",
        len(steps.patches.training),
        validation_count,
        subset,
        steps.flop_per_voxel / 1e3,
    )


def report_epoch(run: TrainingRun, history: list[dict[str, Any]]) -> None:
    """One line on the last epoch, in the log and on the console."""
    row = history[-1]
    epochs = run.settings.epochs
    recent_seconds = [recent["seconds"] for recent in history[-5:]]
    seconds_left = (epochs - row["epoch"]) * sum(recent_seconds) / len(recent_seconds)
    console.info(
        "%s: epoch %d/%d, loss %.4f, val_loss %.4f, learning rate %.3g, %.3g steps/s, "
        "%.1f s, ETA %s",
        run.name, row["epoch"], epochs, row["loss"], row["val_loss"], row["learning_rate"],
        run.settings.steps_per_epoch / row["training_seconds"], row["seconds"],
        timedelta(seconds=round(seconds_left)),
    )  # fmt: skip


def write_scalars(writer: tf.summary.SummaryWriter | None, row: dict[str, Any]) -> None:
    """Write an epoch's losses and learning rate for TensorBoard, if it is asked for."""
    if writer is None:
        return
    with writer.as_default(row["epoch"]):
        for name in ("loss", "val_loss", "learning_rate"):
            tf.summary.scalar(name, row[name])
    writer.flush()


class Forecast:
    """Says once how long an epoch and the training will take, while a long first epoch runs."""

    def __init__(self, run: TrainingRun, validation_count: int) -> None:
        self.run = run
        settings = run.settings
        self.steps_per_epoch = settings.steps_per_epoch + validation_count / (
            3 * settings.batch_size
        )
        self.is_due = True
        self.begin: tuple[float, int] | None = None  # time in seconds, and steps taken by then

    def update(self, now: float, state: State) -> None:
        """Make the forecast if it is due and enough time has passed, but not at an epoch's end."""
        if not self.is_due:
            return
        steps = len(state.losses)
        if self.begin is None:  # the first step's time includes tracing and compiling
            self.begin = (now, steps)
        start, first_step = self.begin
        if now < start + FORECAST_AFTER or steps == self.run.settings.steps_per_epoch:
            return
        self.is_due = False
        seconds_per_step = (now - start) / (steps - first_step)
        epoch = seconds_per_step * self.steps_per_epoch
        epochs_left = self.run.settings.epochs - len(state.history)
        seconds_left = epochs_left * epoch - seconds_per_step * steps
        end = datetime.now() + timedelta(seconds=seconds_left)
        console.info(
            "%s: %.3g s per step: an epoch takes about %s, the training %s (epochs left: %d), "
            "done about %s",
            self.run.name, seconds_per_step, rounded_duration(epoch),
            rounded_duration(seconds_left), epochs_left, f"{end:%a %d %b %H:%M}",
        )  # fmt: skip


def rounded_duration(seconds: float) -> str:
    """A duration in two digits, as 48 min or 80 h."""
    size, unit = (60, "min") if seconds < 7200 else (3600, "h")
    return f"{float(f'{seconds / size:.2g}'):g} {unit}"
