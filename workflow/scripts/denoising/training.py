"""Training one model: csbdeep's CARE on patches that stay on disk.

Writes csbdeep's own model folder (config.json, weights_best.h5: the epoch of least validation loss) and
history.csv, a row an epoch: epoch, loss, mse, mae, val_loss, val_mse, val_mae, learning_rate, seconds,
samples_seen. Losses are as csbdeep defines them (for `laplace` a negative log-likelihood in nats per voxel),
seconds include validation.
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from csbdeep.models import CARE

from denoising.network import care_config

log = logging.getLogger(__name__)
VALIDATION_BATCH = 32  # Keras's own for arrays, so csbdeep's; losses are means over patches whatever it is
COLUMNS = [
    "epoch", "loss", "mse", "mae", "val_loss", "val_mse", "val_mae", "learning_rate", "seconds", "samples_seen",
]  # fmt: skip


def sample_order(count: int, batch_size: int, batches: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of each training batch: one shuffled pass over the `count` patches after another.

    A batch may end one pass and begin the next, as in csbdeep's `DataWrapper`, so every patch is seen
    equally often. The order depends on `count` and `seed` alone, not on how it is cut into batches.
    """
    order, passes = np.empty(0, np.int64), 0
    for _ in range(batches):
        while len(order) < batch_size:
            order = np.concatenate([order, np.random.default_rng([seed, 4, passes]).permutation(count)])
            passes += 1
        yield order[:batch_size]
        order = order[batch_size:]


def batches_from_disk(X: np.ndarray, Y: np.ndarray, batches, batch_count: int) -> tf.data.Dataset:
    """A dataset of (x, y) batches, float32 (batch, ..., 1), gathered from the memory maps as they are needed.

    `batches` is called for a fresh iterator of index arrays. Two batches are prepared ahead; nothing else of the
    training set is in memory.
    """
    spec = tf.TensorSpec((None, *X.shape[1:], 1), tf.float32)

    def gather():
        for indices in batches():
            yield X[indices][..., None], Y[indices][..., None]

    dataset = tf.data.Dataset.from_generator(gather, output_signature=(spec, spec))
    return dataset.apply(tf.data.experimental.assert_cardinality(batch_count)).prefetch(2)


class _History(keras.callbacks.Callback):
    """Append each epoch to history.csv and say it in the log."""

    def __init__(self, path: Path, samples_per_epoch: int):
        super().__init__()
        self.path, self.samples, self.rows = path, samples_per_epoch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.learning_rate = float(self.model.optimizer.learning_rate.numpy())

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items() if name in COLUMNS}
        row |= {
            "epoch": epoch + 1,
            "learning_rate": self.learning_rate,
            "seconds": round(time.perf_counter() - self.started, 4),
            "samples_seen": (epoch + 1) * self.samples,
        }
        self.rows.append(row)
        pd.DataFrame(self.rows, columns=COLUMNS).to_csv(self.path, index=False)
        if not np.isfinite([row["loss"], row["val_loss"]]).all():
            raise FloatingPointError(
                f"model {self.path.parent.name}: the loss is not finite in epoch {epoch + 1} at learning rate "
                f"{row['learning_rate']:g}; set a smaller learning_rate."
            )
        log.info(
            "epoch %d/%d: loss %.4f, val_loss %.4f, learning rate %.3g, %.1f s",
            epoch + 1, self.params["epochs"], row["loss"], row["val_loss"], row["learning_rate"], row["seconds"],
        )  # fmt: skip


def train(values: dict, patches: Path, split: pd.DataFrame, folder: Path) -> None:
    """Train a model and write its folder.

    Parameters
    ----------
    values : dict
        The model's values, as the config names them.
    patches : Path
        A folder of patches.
    split : DataFrame
        Columns patch, part.
    folder : Path
        The model folder to write; its name is the model's.

    Raises
    ------
    FloatingPointError
        If a loss is not finite, in that epoch; it neither enters the schedule nor replaces the best weights.
    """
    X, Y = (np.load(patches / f"{name}.npy", mmap_mode="r") for name in "XY")
    parts = {part: split.loc[split["part"] == part, "patch"].to_numpy() for part in ("train", "validation")}
    batch, steps, epochs = values["batch_size"], values["steps_per_epoch"], values["epochs"]
    keras.utils.set_random_seed(values["seed"])
    model = CARE(care_config(values, "ZYX"[-(X.ndim - 1) :]), name=folder.name, basedir=str(folder.parent))
    model.prepare_for_training()

    def training():
        order = sample_order(len(parts["train"]), batch, steps * epochs, values["seed"])
        return (parts["train"][indices] for indices in order)

    def validation():
        return np.split(parts["validation"], range(VALIDATION_BATCH, len(parts["validation"]), VALIDATION_BATCH))

    log.info("%d patches to train on, %d to validate on", len(parts["train"]), len(parts["validation"]))
    model.keras_model.fit(
        batches_from_disk(X, Y, training, steps * epochs),
        validation_data=batches_from_disk(X, Y, validation, -(-len(parts["validation"]) // VALIDATION_BATCH)),
        epochs=epochs,
        steps_per_epoch=steps,
        # Keras runs callbacks in order: an epoch is on record, and refused where its loss is not finite, before
        # the plateau schedule changes the learning rate and the checkpoint takes its weights
        callbacks=[_History(folder / "history.csv", steps * batch), *model.callbacks],
        shuffle=False,  # the order is ours
        verbose=0,
    )
    log.info("trained; the weights of the best epoch are in %s", folder)
