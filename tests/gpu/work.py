"""What the tests of a GPU do with it, each in a process of its own: XLA reads its flags once, and a
limit of memory holds for a process.

Usage: python tests/gpu/work.py NAME ARGUMENTS, with ARGUMENTS in JSON; the last line is the answer.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests/unit")]
BATCH, STEPS = 4, 12
# XLA takes minutes on a CPU for what a GPU does in seconds
SHAPES = {"gpu": (8, 32, 32), "cpu": (4, 8, 8)}
ON = os.environ.get("GPU_CHECK_ON", "gpu")
SHAPE, WIDTH = SHAPES[ON], 16 if ON == "gpu" else 2


def device_of(device: str, limit_mb: int | None):
    """The device of this process, with no more of a GPU's memory than that."""
    import tensorflow as tf

    from denoising.training.network import use_device

    on = use_device(device, threads=2)
    if limit_mb and on.on_gpu:
        (gpu,) = tf.config.get_visible_devices("GPU")
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=limit_mb)
        tf.config.experimental.set_memory_growth(gpu, False)
        tf.config.set_logical_device_configuration(gpu, [limit])
    return on


def train(device: str, way: dict, precision: str, resident: bool, limit_mb: int | None) -> dict:
    """A training of two epochs on noisy patches: its losses, and how its steps ran in the end."""
    from denoising.training.compilation import Compilation, force_channels_last

    if way.get("channels_last"):
        force_channels_last(os.environ)
    import numpy as np
    import pandas as pd
    from made_up import training_settings

    from denoising.study.training import TrainingRun
    from denoising.training.batches import PatchPairs
    from denoising.training.costs import device_memory
    from denoising.training.loop import Folders, train
    from denoising.training.steps import Execution

    on = device_of(device, limit_mb)
    rng = np.random.default_rng(0)
    count = 2000 if limit_mb else 64
    Y = rng.random((count, *SHAPE), np.float32)
    X = Y + rng.normal(0, 0.3, Y.shape).astype(np.float32)
    parts = np.where(np.arange(count) < count - 8, "train", "validation")
    patches = PatchPairs(X, Y, pd.DataFrame({"patch": np.arange(count), "part": parts}))
    changes = {"width": WIDTH, "batch_size": BATCH, "steps_per_epoch": STEPS, "epochs": 2}
    run = TrainingRun("gpu", training_settings(**changes, precision=precision), seed=1)
    execution = Execution(**vars(Compilation(**way)), precision=precision, resident=resident)
    with tempfile.TemporaryDirectory() as folder:
        train(run, patches, Folders(Path(folder, "m"), Path(folder, "c")), on, execution)
        history = pd.read_csv(Path(folder, "m", "history.csv"))
        described = json.loads(Path(folder, "m", "training.json").read_text())
    return {
        "losses": history["loss"].tolist() + history["val_loss"].tolist(),
        "memory_mb": device_memory(),
        **{key: described[key] for key in ("device", "xla", "folded", "resident")},
    }


def restore(device: str, max_tile_voxels: int, limit_mb: int | None) -> dict:
    """Restore a stack, and compare it with csbdeep's prediction in one piece on the CPU."""
    import numpy as np
    import tensorflow as tf
    from random_networks import image, random_network, restored

    from denoising.restoration.restorer import restorer_on

    on = device_of(device, limit_mb)
    model = random_network("ZYX", 2, 3, True, width=16)
    noisy = image((20, 160, 144))
    restorer = restorer_on(on, model, max_tile_voxels)
    mean, scale = restored(restorer, noisy, "ZYX")
    with tf.device("CPU:0"):
        expected = model.keras_model(noisy[None, ..., None]).numpy()[0]
    differences = [
        float(np.abs(found - expected[..., i]).max() / np.ptp(expected[..., i]))
        for i, found in enumerate((mean, scale))
    ]
    return {"differences": differences, "max_tile_voxels": restorer.max_tile_voxels}


def trial(device: str) -> dict:
    """What the trial of a training finds, by way, in milliseconds per step."""
    from made_up import training_settings

    from denoising.training.compilation import Question, trials

    settings = vars(training_settings(width=WIDTH, batch_size=BATCH))
    measurements = trials(Question(settings, list(SHAPE), steps=10**9, device=device))
    return {str(one.way): round(1000 * one.step, 3) for one in measurements}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    name, arguments = sys.argv[1:]
    work = {"train": train, "restore": restore, "trial": trial}[name]
    print(json.dumps(work(**json.loads(arguments))))
