"""The model folder that a training writes: csbdeep's own, with its history and a description.

    config.json        csbdeep's configuration
    weights_best.h5    weights of the epoch with the least validation loss
    history.csv        one row per epoch (see `progress`)
    training.json      settings, the SHA-256 of the network it started from, device, precision,
                       epochs, restarts, whether the network has collapsed to the identity, the best
                       weights' losses on the whole validation set, what the training patches look
                       like, arithmetic per voxel and the device's rate, and the SHA-256 of the
                       files above

training.json is written last: without it, the other files are of an earlier training. Stock csbdeep
loads the folder. `network.load_model` is its reader here.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from csbdeep.models import CARE
from csbdeep.utils import save_json

from denoising.images.appearance import seen_in
from denoising.running.checksums import files_of_network, sha256_of
from denoising.running.outputs import whole, write_json
from denoising.training.checkpoints import State
from denoising.training.network import load_model
from denoising.training.progress import COLUMNS
from denoising.training.schedules import best_epoch
from denoising.training.steps import TrainingSteps

FILES = ("config.json", "weights_best.h5", "history.csv")  # that a training's description seals
DESCRIPTION = "training.json"


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


def write_model_folder(
    folder: Path, steps: TrainingSteps, state: State, origin: Origin
) -> dict[str, Any]:
    """Write the model of the best epoch so far; the network then has its weights.

    A model that is there already stays until all of its successor is written.

    Returns
    -------
    dict
        What training.json holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps.network.set_weights(state.best)
    config, weights, history = (folder / f"{name}.partial" for name in FILES)
    save_json(vars(steps.config), str(config))
    steps.network.save_weights(str(weights))
    pd.DataFrame(state.history, columns=COLUMNS).to_csv(history, index=False)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for name in FILES:
        os.replace(folder / f"{name}.partial", folder / name)
    best = best_epoch(state.val_losses)
    description = {
        "settings": steps.run.values,
        "start_sha256": _sums(steps.run.start),
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
        "patch_shape": list(steps.patches.shape),
        "voxel_size": steps.patches.origin.get("voxel_size"),
        "percentiles": steps.patches.origin.get("percentiles"),
        "seen": seen_in(steps.patches.X, steps.patches.training),
        "flop_per_voxel_forward": steps.flop_per_voxel,
        "matmul_gflop_per_second": steps.matmul_rate and round(steps.matmul_rate / 1e9, 1),
        "sha256": {name: sha256_of(folder / name) for name in FILES},
    }
    write_description(folder, description)
    return description


def _sums(start: Path | None) -> list[str]:
    return [sha256_of(file) for file in files_of_network(start)] if start else []


def load_sound_model(folder: Path) -> CARE:
    """`load_model`, if all weights are finite.

    Raises
    ------
    ValueError
        If the weights do not fit the network, or are not finite.
    """
    model = load_model(folder)
    if not all(np.isfinite(array).all() for array in model.keras_model.get_weights()):
        raise ValueError(f"{folder}: holds weights that are not finite; train the network again.")
    return model


def take_over(network: Path, folder: Path) -> None:
    """Write a model folder with a network made elsewhere, and a description that seals it.

    Parameters
    ----------
    network : Path
        A csbdeep model folder.
    folder : Path

    Raises
    ------
    ValueError
        As `load_sound_model`.
    """
    model = load_sound_model(network)
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / "config.json") as config, whole(folder / "weights_best.h5") as weights:
        save_json(vars(model.config), str(config))
        model.keras_model.save_weights(str(weights))
    theirs = network / DESCRIPTION
    told = json.loads(theirs.read_text()) if theirs.is_file() else {}
    written = {name: sha256_of(folder / name) for name in ("config.json", "weights_best.h5")}
    write_description(folder, told | {"pretrained": str(network), "sha256": written})


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write training.json, which makes the folder that of a finished training."""
    write_json(folder / DESCRIPTION, description)


def holds(folder: Path, description: dict[str, Any]) -> bool:
    """Whether the files of a model folder are those that the description speaks of."""
    return all(
        (folder / name).is_file() and sha256_of(folder / name) == description["sha256"][name]
        for name in FILES
    )
