"""How a network is trained: part of the resolved study, and all of it that a training reads.

It is a module of its own because the code behind a training counts as part of its result: an edit
to the rest of the study trains nothing anew.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Training:
    """The settings of one training, less its seed: the keys of the config's `training`."""

    trained_on: str
    width: int
    depth: int
    kernel: int
    residual: bool
    last_activation: str
    initial_weights: str
    start_from: str | None
    loss: str
    scale_weight: float
    epochs: int
    steps_per_epoch: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    schedule: str
    plateau_factor: float
    plateau_patience: int
    plateau_min_delta: float
    early_stopping_patience: int | None
    restarts: int
    collapse_steps: int
    split: str
    training_volumes: int | None
    validation_patches: int | None
    augment: bool
    precision: str

    @property
    def patches_seen(self) -> int:
        """Patches that the training sees, repeats counted."""
        return math.prod((self.batch_size, self.steps_per_epoch, self.epochs))

    @property
    def split_name(self) -> str:
        """The split as files are called: its kind, and how many volumes train if not all."""
        if self.training_volumes is None:
            return self.split
        return f"{self.split}-{self.training_volumes}-volumes"

    @property
    def is_probabilistic(self) -> bool:
        """Whether the network predicts the scale of its error."""
        return self.loss == "laplace"


@dataclass(frozen=True)
class TrainingRun:
    """One training of a model, with one seed.

    `name` is the run's; `start` is the model folder whose weights it begins with, if any.
    """

    name: str
    settings: Training
    seed: int
    start: Path | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Everything that the config says of the run, in values that JSON can hold."""
        return {**vars(self.settings), "seed": self.seed}


@dataclass(frozen=True)
class Compute:
    """How networks use the device; results differ by rounding alone."""

    threads: int
    xla: bool | str
    resident: bool | str
    memory_growth: bool
