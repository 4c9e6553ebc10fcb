"""Learning rate and end of a training, as functions of steps and validation losses so far.

They depend on nothing else, so a training that is resumed from its history continues exactly.
"""

import math
from collections.abc import Sequence

import numpy as np

from denoising.study.training import Training


def learning_rate(settings: Training, val_losses: Sequence[float]) -> float:
    """Learning rate of the epoch that follows those of `val_losses`.

    `plateau` is Keras's ReduceLROnPlateau as csbdeep calls it: multiplied by plateau_factor once
    plateau_patience epochs in a row have not come plateau_min_delta below the best. `cosine` is
    half a cosine over the epochs (Loshchilov and Hutter, SGDR, 2017, without restarts), 0 after the
    last.

    Parameters
    ----------
    settings : Training
    val_losses : sequence of float
        One for each finished epoch.

    Returns
    -------
    float
        Rounded to float32 at each step, as the optimizer holds it.
    """
    rate = _float32(settings.learning_rate)
    if settings.schedule == "cosine":
        angle = math.pi * len(val_losses) / settings.epochs
        return _float32(rate * 0.5 * (1 + math.cos(angle)))
    best = math.inf
    epochs_waited = 0
    for loss in val_losses:
        if loss + settings.plateau_min_delta < best:
            best = loss
            epochs_waited = 0
        else:
            epochs_waited += 1
        if epochs_waited == settings.plateau_patience:
            rate = _float32(rate * settings.plateau_factor)
            epochs_waited = 0
    return rate


def warmed_up(settings: Training, rate: float, number: int) -> float:
    """Learning rate of step `number` (from 0), in an epoch for which the schedule gives `rate`.

    The linear warm-up of Goyal et al., Accurate, Large Minibatch SGD, 2017: step n of warmup_steps
    uses (n + 1) / warmup_steps of the rate, which keeps the first steps small, whose gradients
    Adam's averages do not know yet.
    """
    if number >= settings.warmup_steps:
        return rate
    return _float32(rate * (number + 1) / settings.warmup_steps)


def _float32(number: float) -> float:
    return float(np.float32(number))


def best_epoch(val_losses: Sequence[float]) -> int:
    """The epoch, from 1, of the least validation loss, the first of equals; 0 before any."""
    return int(np.argmin(val_losses)) + 1 if len(val_losses) else 0


def ended(settings: Training, val_losses: Sequence[float]) -> bool:
    """Whether all epochs are done, or early_stopping_patience of them brought no better loss."""
    patience = settings.early_stopping_patience
    epochs_waited = len(val_losses) - best_epoch(val_losses)
    if patience is not None and epochs_waited >= patience:
        return True
    return len(val_losses) >= settings.epochs
