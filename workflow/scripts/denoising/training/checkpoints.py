"""Checkpoints of a training: everything that its next step depends on, whole on disk or absent.

A training has a folder `CHECKPOINTS/KEY`, where the key is a hash of everything that defines it. In
it lie

    epoch-00012.npz               after 12 epochs
    epoch-00012-step-00007.npz    7 steps into epoch 13, where the training was asked to stop
    restart-1-epoch-00003.npz     3 epochs after its network collapsed and it started again

and no more than the newest two of the first kinds; those of a restart are newer than all before it.
Once the model folder is written, they are replaced by finished.json, a copy of its training.json.
Each npz holds the network's weights, the optimizer's variables and the best epoch's weights
(weights_0, ...; optimizer_0, ...; best_0, ...), and a JSON text: the history, a row per epoch, and
the losses of the steps since. Learning rate, best epoch and order of patches follow from these
exactly.
"""

import hashlib
import json
import logging
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from denoising.running.outputs import write_json
from denoising.training.schedules import best_epoch

log = logging.getLogger(__name__)
ARRAYS = ("weights", "optimizer", "best")
METADATA = ("history", "losses", "seconds", "energy", "restarts", "device")
KEPT = 2
FINISHED = "finished.json"


@dataclass
class State:
    """Where a training stands.

    Attributes
    ----------
    weights, optimizer, best : list of ndarray
        The network's weights, the optimizer's variables, the best epoch's weights (none before the
        first).
    history : list of dict
        A row for each finished epoch.
    losses : list of list of float
        Losses of each step since.
    seconds : float
        Time that those steps took.
    energy : float or None
        That a GPU used for them, in joules; None if it does not tell.
    restarts : int
        How often the training has started again with other initial weights; the rest is of the
        last start.
    device : str
        What it ran on.
    """

    weights: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    energy: float | None = 0.0
    restarts: int = 0
    device: str = ""

    @property
    def val_losses(self) -> list[float]:
        """Validation loss of each finished epoch."""
        return [row["val_loss"] for row in self.history]

    @property
    def best_row(self) -> dict[str, Any]:
        """The history's row of the epoch with the least validation loss."""
        return self.history[best_epoch(self.val_losses) - 1]

    def with_arrays(self, weights: list[np.ndarray], optimizer: list[np.ndarray]) -> "State":
        """The state with the network's weights and the optimizer's variables, to be saved."""
        return replace(self, weights=weights, optimizer=optimizer)

    def end_epoch(self, row: dict[str, Any], weights: list[np.ndarray]) -> None:
        """Add an epoch's row to the history, keep its weights if they are the best so far."""
        self.history.append(row)
        if best_epoch(self.val_losses) == len(self.history):
            self.best = weights
        self.losses = []
        self.seconds = 0.0
        self.energy = 0.0

    @property
    def name(self) -> str:
        name = f"epoch-{len(self.history):05d}"
        if self.losses:
            name += f"-step-{len(self.losses):05d}"
        return f"restart-{self.restarts}-{name}" if self.restarts else name


def key(**defined_by: Any) -> str:
    """Hash of everything that defines a training, in values that JSON can hold.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(defined_by, sort_keys=True).encode()).hexdigest()[:16]


def save(state: State, folder: Path) -> None:
    """Write a checkpoint, then remove all but the newest two."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{kind}_{i}": array for kind in ARRAYS for i, array in enumerate(getattr(state, kind))
    }
    metadata = {name: getattr(state, name) for name in METADATA}
    text = json.dumps(metadata | {"arrays": len(arrays)})
    path = folder / f"{state.name}.npz"
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.savez(file, text=np.array(text), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    _sync(folder)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def load(folder: Path) -> State | None:
    """Read the newest checkpoint that is whole; None where there is none."""
    for path in _newest_first(folder):
        try:
            return _read(path)
        except (
            OSError,
            EOFError,
            KeyError,
            ValueError,
            NotImplementedError,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            log.warning("%s is damaged (%s): falling back to the checkpoint before it", path, error)
    return None


def finish(folder: Path, description: dict[str, Any]) -> None:
    """Keep the description of a training whose model folder is written, not its checkpoints.

    Descriptions of other trainings of the run go: their model has been replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FINISHED, description)
    for checkpoint in _newest_first(folder):
        checkpoint.unlink()
    for other in folder.parent.glob(f"*/{FINISHED}"):
        if other.parent != folder:
            shutil.rmtree(other.parent)


def finished(folder: Path) -> dict[str, Any] | None:
    """The description of a finished training; None if it has not finished."""
    try:
        return json.loads((folder / FINISHED).read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.warning("%s is damaged (%s): the training runs again", folder / FINISHED, error)
        return None


def _newest_first(folder: Path) -> list[Path]:
    # By stem: `-` sorts before `.`, so steps into the next epoch would otherwise stand before the
    # epoch itself; `r` of a restart sorts after `e`
    return sorted(folder.glob("*.npz"), key=lambda path: path.stem, reverse=True)


def _read(path: Path) -> State:
    with np.load(path) as saved:  # the zip format has a checksum of each array
        arrays = {name: saved[name] for name in saved.files}
    metadata = json.loads(str(arrays.pop("text")))
    if metadata.pop("arrays") != len(arrays):
        raise ValueError(f"it holds {len(arrays)} arrays, not those it was written with")
    state = State(**metadata)
    for name, array in arrays.items():  # in the order they were written
        getattr(state, name.rpartition("_")[0]).append(array)
    return state


def _sync(folder: Path) -> None:
    """Write a folder's entries to disk, so that a renamed file keeps its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
