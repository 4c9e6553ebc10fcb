"""Learning rate and end of a training, as functions of the validation losses so far.

Nothing else is remembered, so a training that is resumed from its history goes on exactly as it
would have.
"""

import math
from collections.abc import Sequence

import numpy as np


def learning_rate(values: dict, val_losses: Sequence[float]) -> float:
    """Learning rate of the epoch that follows those of `val_losses`.

    `plateau` is Keras's ReduceLROnPlateau as csbdeep calls it: multiplied by plateau_factor once
    plateau_patience epochs in a row have not come plateau_min_delta below the best. `cosine` is
    half a cosine over the epochs (Loshchilov and Hutter, SGDR, 2017, without restarts), 0 after the
    last.

    Parameters
    ----------
    values : dict
        The model's values: schedule, learning_rate, epochs, plateau_factor, plateau_patience,
        plateau_min_delta.
    val_losses : sequence of float
        One for each finished epoch.

    Returns
    -------
    float
        Rounded to float32 at each step, as the optimizer holds it.
    """
    rate = float(np.float32(values["learning_rate"]))
    if values["schedule"] == "cosine":
        return float(
            np.float32(rate * 0.5 * (1 + math.cos(math.pi * len(val_losses) / values["epochs"])))
        )
    best, wait = math.inf, 0
    for loss in val_losses:
        if loss + values["plateau_min_delta"] < best:
            best, wait = loss, 0
        else:
            wait += 1
        if wait == values["plateau_patience"]:
            rate, wait = float(np.float32(rate * values["plateau_factor"])), 0
    return rate


def best_epoch(val_losses: Sequence[float]) -> int:
    """The epoch, from 1, of the least validation loss, the first of equals; 0 before any."""
    return int(np.argmin(val_losses)) + 1 if len(val_losses) else 0


def ended(values: dict, val_losses: Sequence[float]) -> bool:
    """Whether all epochs are done, or early_stopping_patience of them brought no better loss."""
    patience = values["early_stopping_patience"]
    waited = len(val_losses) - best_epoch(val_losses)
    return len(val_losses) >= values["epochs"] or (patience is not None and waited >= patience)
