"""Collapse to the identity: a network that returns its input, and what follows.

A residual network whose last features fall silent in its first steps adds a constant to its input,
and no gradient revives them. Its losses may then be a few per cent below the input's, which the
constant corrects; what it adds tells: its standard deviation is that of rounding.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from denoising.study.training import Training

# Standard deviation of what a network adds, by the input's mean absolute error, below which it
# counts as constant. Of networks like the default study's, collapsed ones had 5e-8 to 8e-8 after 128
# steps, all others more than 0.2.
CONSTANT = 0.001
REMEDIES = (
    "Give the training a warm-up (warmup_steps: 200), a smaller learning_rate or "
    "initial_weights: identity; restarts: 0 keeps the model as it is."
)


class Collapsed(RuntimeError):
    """A training whose network returns its input, after the last of its restarts."""


def input_losses(X: np.ndarray, Y: np.ndarray, patches: np.ndarray, loss: str) -> dict[str, float]:
    """Losses of the input itself, as if a network returned it.

    Parameters
    ----------
    X, Y : ndarray, (n, ...)
        Input and ground truth of all patches.
    patches : ndarray of int
        Those that count.
    loss : {"laplace", "mae", "mse"}
        For `laplace`, csbdeep's |difference| / scale + log(scale) + log(2) has its least mean,
        log(2 MAE) + 1, where the scale is MAE everywhere.

    Returns
    -------
    dict
        `input_loss`, and `input_mae`, the mean absolute error, which compares under every loss.
    """
    absolute = []
    squared = []
    for patch in patches:
        difference = X[patch] - Y[patch]
        absolute.append(np.abs(difference).mean(dtype=float))
        squared.append(np.square(difference).mean(dtype=float))
    mae = float(np.mean(absolute))
    if loss == "laplace":
        input_loss = math.log(2 * mae) + 1 if mae else -math.inf
    else:
        input_loss = mae if loss == "mae" else float(np.mean(squared))
    return {"input_loss": input_loss, "input_mae": mae}


def is_due(settings: Training, epochs: int) -> bool:
    """Whether a training of so many epochs is to be judged, which it is once.

    That is at the first epoch's end after the warm-up and `collapse_steps` steps.
    """
    steps = settings.warmup_steps + settings.collapse_steps
    return epochs == math.ceil(steps / settings.steps_per_epoch)


def is_constant(added: np.ndarray, input_mae: float) -> bool:
    """Whether what a network adds to its input is the same everywhere, but for rounding.

    Parameters
    ----------
    added : ndarray
        Difference between output (the mean) and input.
    input_mae : float
        Mean absolute error of the input.
    """
    return float(added.std(dtype=float)) <= CONSTANT * input_mae


def describe(row: Mapping[str, Any]) -> str:
    """The finding on an epoch whose network has collapsed, for a sentence."""
    return f"the network returns its input and has learned nothing after epoch {row['epoch']}"
