"""Collapse to the identity: a network that returns its input, and what follows.

A residual network whose last features fall silent in its first steps adds a constant to its input,
and no gradient revives them. Its losses may then be a few per cent below the input's, which the
constant corrects; what it adds tells: its standard deviation is that of rounding.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from denoising.study.training import Training, TrainingRun

console = logging.getLogger("progress")  # it writes to the console too

# Standard deviation of what a network adds, by the input's mean absolute error, below which it
# counts as constant. After 128 steps, collapsed networks like the default study's had 5e-8 to 8e-8,
# all others more than 0.2.
CONSTANT = 0.001
REMEDY = (
    "Set initial_weights: identity, or give the training a warm-up (warmup_steps: 200) or a "
    "smaller learning_rate"
)


class Collapsed(RuntimeError):
    """A training whose network returns its input, after the last of its restarts."""


def is_due(settings: Training, epochs: int) -> bool:
    """Whether a training is judged after so many epochs, which happens once per start.

    It is judged at the first end of an epoch after the warm-up and `collapse_steps` steps. Fewer
    steps may not have moved a network yet: a training that ends before is not judged.
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


def next_restart(run: TrainingRun, epochs: int, restarts: int) -> int | None:
    """Say that a network has collapsed, and what follows.

    Parameters
    ----------
    run : TrainingRun
    epochs : int
        Epochs after which the network was judged.
    restarts : int
        Restarts of the training so far.

    Returns
    -------
    int or None
        Number of the restart to make; None where the settings allow none, and training goes on.

    Raises
    ------
    Collapsed
        After the last restart.
    """
    most = run.settings.restarts
    collapse = (
        f"model {run.name}: the network returns its input and has learned nothing after epoch "
        f"{epochs}"
    )
    if most == 0:
        console.warning("%s; it trains on, because restarts is 0", collapse)
        return None
    if restarts == most:
        raise Collapsed(
            f"{collapse}, and no restart is left. {REMEDY}; restarts: 0 keeps such a model."
        )
    console.warning(
        "%s; training starts again with other initial weights, restart %d of at most %d",
        collapse, restarts + 1, most,
    )  # fmt: skip
    return restarts + 1


def warn_if_useless(name: str, row: Mapping[str, Any], returns_input: bool) -> None:
    """Say if a model is of no use, by the `row` of the history for its best epoch."""
    if returns_input:
        console.warning("model %s: the trained network returns its input. %s.", name, REMEDY)
    elif row["val_mae"] >= row["input_mae"]:
        console.warning(
            "model %s: the trained network is no better than its input: its mean absolute error on "
            "the validation patches is %.4g, the input's own %.4g",
            name, row["val_mae"], row["input_mae"],
        )  # fmt: skip
