"""The model folder that a training writes: csbdeep's own, with its history and a description.

    config.json        csbdeep's configuration
    weights_best.h5    weights of the epoch with the least validation loss
    history.csv        one row per epoch (see `progress`)
    training.json      device, precision, epochs, restarts, whether the network has collapsed to
                       the identity, the best weights' losses on the whole validation set,
                       arithmetic per voxel and the device's rate

Stock csbdeep loads it. `network.load_model` is its reader here.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from csbdeep.utils import save_json

from denoising.training.checkpoints import State
from denoising.training.progress import COLUMNS
from denoising.training.schedules import best_epoch
from denoising.training.steps import TrainingSteps


@dataclass(frozen=True)
class Origin:
    """Where a training's weights come from: its checkpoints, and their evaluation.

    Attributes
    ----------
    checkpoint : str
        Name of the folder of its checkpoints.
    resumed_from : str or None
        The checkpoint from which this process continued.
    validation : dict
        Number of patches, and losses of the best weights on them.
    """

    checkpoint: str
    resumed_from: str | None
    validation: dict[str, float]


def write_model_folder(folder: Path, steps: TrainingSteps, state: State, origin: Origin) -> None:
    """Write the model of the best epoch so far; the network then has its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    steps.network.set_weights(state.best)
    save_json(vars(steps.config), str(folder / "config.json"))
    partial = folder / "weights_best.h5.partial"
    steps.network.save_weights(str(partial))
    os.replace(partial, folder / "weights_best.h5")
    pd.DataFrame(state.history, columns=COLUMNS).to_csv(folder / "history.csv", index=False)
    best = best_epoch(state.val_losses)
    description = {
        "device": steps.device.name,
        **vars(steps.execution),
        "checkpoint": origin.checkpoint,
        "resumed_from": origin.resumed_from,
        "epochs": len(state.history),
        "best_epoch": best,
        "restarts": state.restarts,
        "collapsed": steps.returns_input(),
        "validation": origin.validation,
        "parameters": steps.network.count_params(),
        "flop_per_voxel_forward": steps.flop_per_voxel,
        "matmul_gflop_per_second": round(steps.matmul_rate / 1e9, 1),
    }
    (folder / "training.json").write_text(json.dumps(description, indent=2) + "\n")
