"""What a training will take, before it runs: arithmetic and memory."""

import json
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from statistics import median

import keras
import pandas as pd
from csbdeep.models import CARE

from denoising.images.disk import patch_count
from denoising.study.study import Dataset
from denoising.study.training import Training, TrainingRun
from denoising.training.costs import flop_per_voxel, matmul_rate, scaled_layers
from denoising.training.network import care_config

# Shares of the rate of multiplying matrices that trainings of the default study reached on two CPU
# cores. The published training on a GTX 1080 in float32 reached about as much of what that card can
# do; tensor cores, which are faster, have not been measured.
MATMUL_SHARES = (0.3, 0.4)
# Measured on a CPU: TensorFlow by itself, and both the outputs of all layers and their gradients
BASE_BYTES = 650e6
COPIES = 2


@dataclass(frozen=True)
class Demands:
    """Floating-point operations of a training, and bytes of memory at its peak."""

    flop: float
    memory: float


def demands(training: Training, dataset: Dataset, images: pd.DataFrame, fraction: float) -> Demands:
    """What one training takes, if it trains all its epochs.

    Parameters
    ----------
    training : Training
    dataset : Dataset
        That it is trained on.
    images : DataFrame
        The dataset's, see `disk`.
    fraction : float
        Of the patches, which validate after each epoch.
    """
    patches = patch_count(dataset, images)
    network = CARE(care_config(training, dataset.patch_axes), name="plan", basedir=None).keras_model
    voxels = prod(dataset.patches.shape)
    validating = min(round(patches * fraction), training.validation_patches or patches)
    # As the history has it: a step is three passes, one forward and two backward
    seen = 3 * training.patches_seen + training.epochs * validating
    values = outputs_per_voxel(network) * voxels * training.batch_size
    memory = BASE_BYTES + COPIES * 4 * values
    return Demands(flop_per_voxel(network) * voxels * seen, memory)


def outputs_per_voxel(network: keras.Model) -> float:
    """Values that all layers together put out per voxel of a patch."""
    return sum(scale * layer.output.shape[-1] for layer, scale in scaled_layers(network))


def sustained_rate(precision: str, on_gpu: bool, seconds: float = 10) -> float:
    """FLOP per second of multiplying matrices: the median over some seconds, because other
    programs may use the machine too.
    """
    rates: list[float] = []
    end = time.monotonic() + seconds
    while not rates or time.monotonic() < end:
        rates.append(matmul_rate(precision, on_gpu))
    return median(rates)


def is_trained(run: TrainingRun, folder: Path) -> bool:
    """Whether the model folder is that of this training, by its settings."""
    path = folder / "training.json"
    return path.is_file() and json.loads(path.read_text()).get("settings") == run.values
