"""Batches: which patches, in which orientation, and how they are copied to the device.

The order of patches and their orientations are functions of the seed and of a batch's number, so
that a training continues after any batch as if it had never stopped.
"""

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from denoising.running.random_streams import random_stream
from denoising.training.agreement import check_arrays

AHEAD = 2  # batches read while the device works
BLOCK_BYTES = 2**26  # read at once where all patches go to the device
VALIDATION_SEED = 6  # of every study


@dataclass(frozen=True)
class PatchPairs:
    """The patches of one folder, and which of them train.

    Attributes
    ----------
    X, Y : ndarray of float32, (n, Z, Y, X) or (n, Y, X)
        Input and ground truth, normalised, as memory maps.
    split : DataFrame
        Columns patch, part ("train" or "validation").
    origin : mapping
        What the folder's patches.json says, if there is one.
    """

    X: np.ndarray
    Y: np.ndarray
    split: pd.DataFrame
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, split: pd.DataFrame) -> "PatchPairs":
        """Map X.npy and Y.npy of a folder of patches, whose split `read_split` gave.

        Raises
        ------
        ValueError
            If X and Y do not belong together.
        """
        X = np.load(folder / "X.npy", mmap_mode="r")
        Y = np.load(folder / "Y.npy", mmap_mode="r")
        described = folder / "patches.json"
        description = json.loads(described.read_text()) if described.exists() else {}
        check_arrays(folder, X, Y, description.get("count", len(X)))
        return cls(X, Y, split, description)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one patch, in voxels."""
        return self.X.shape[1:]

    @property
    def axes(self) -> str:
        """Axes of one patch: YX or ZYX."""
        return "ZYX"[-len(self.shape) :]

    @cached_property
    def training(self) -> np.ndarray:
        """Indices of the patches that train."""
        return self._indices("train")

    @cached_property
    def validation(self) -> np.ndarray:
        """Indices of the patches that validate."""
        return self._indices("validation")

    @cached_property
    def input_error(self) -> float:
        """Mean absolute error of the input on the patches that validate."""
        return self.mean_difference(np.abs, self.validation)

    def mean_difference(
        self, measure: Callable[[np.ndarray], np.ndarray], patches: np.ndarray
    ) -> float:
        """Mean of a measure of X - Y, such as `np.abs`, over all voxels of some patches."""
        means = [measure(self.X[i] - self.Y[i]).mean(dtype=float) for i in patches]
        return float(np.mean(means))

    def _indices(self, part: str) -> np.ndarray:
        return self.split.loc[self.split["part"] == part, "patch"].to_numpy()


def input_losses(pairs: PatchPairs, patches: np.ndarray, loss: str) -> dict[str, float]:
    """Losses of the input itself, as if a network returned it.

    Parameters
    ----------
    pairs : PatchPairs
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
    mae = pairs.mean_difference(np.abs, patches)
    if loss == "laplace":
        input_loss = math.log(2 * mae) + 1 if mae else -math.inf
    elif loss == "mse":
        input_loss = pairs.mean_difference(np.square, patches)
    else:
        input_loss = mae
    return {"input_loss": input_loss, "input_mae": mae}


def batch_indices(count: int, batch_size: int, number: int, seed: int) -> np.ndarray:
    """Indices of batch `number` (from 0) among `count` training patches, in shuffled passes.

    A batch may end one pass and begin the next, as in csbdeep's `DataWrapper`, so every patch is
    seen equally often. The order depends on `count` and `seed` alone, not on how it is cut into
    batches.
    """
    seen = np.arange(number * batch_size, (number + 1) * batch_size)
    passes, places = np.divmod(seen, count)
    return np.concatenate(
        [
            _order_of_pass(count, seed, int(number_of_pass))[places[passes == number_of_pass]]
            for number_of_pass in np.unique(passes)
        ]
    )


@lru_cache(4)
def _order_of_pass(count: int, seed: int, number: int) -> np.ndarray:
    return random_stream(seed, "batch order", number).permutation(count)


def calls_of(numbers: range, steps_per_call: int, warmup_steps: int) -> list[range]:
    """Batches of each call of the compiled steps: `steps_per_call`, or one.

    It is one while the learning rate changes from step to step, and at the end, so that no more
    than two functions are compiled.
    """
    several = range(max(numbers.start, warmup_steps), numbers.stop)
    several = several[: len(several) // steps_per_call * steps_per_call]
    if not several:
        return [range(number, number + 1) for number in numbers]
    calls = [range(first, first + steps_per_call) for first in several[::steps_per_call]]
    ones = [*range(numbers.start, several.start), *range(several.stop, numbers.stop)]
    return sorted(
        [range(number, number + 1) for number in ones] + calls, key=lambda call: call.start
    )


def batch_symmetries(batch_size: int, number: int, seed: int, square: bool) -> np.ndarray:
    """Random orientation of each patch of batch `number`, as `oriented` takes it.

    Returns
    -------
    ndarray of int32, (batch_size,)
        0 to 7 for square patches, else 0 to 3.
    """
    rng = random_stream(seed, "symmetries", number)
    return rng.integers(0, 8 if square else 4, batch_size, np.int32)


def oriented(patches: tf.Tensor, symmetries: tf.Tensor) -> tf.Tensor:
    """Flip and turn patches in XY: bit 0 flips X, bit 1 flips Y, bit 2 then exchanges the two.

    Parameters
    ----------
    patches : Tensor, (batch, Y, X) or (batch, Z, Y, X)
    symmetries : Tensor of int32, (batch,)
        0 to 7, the eight symmetries of the square; 0 to 3 where Y and X differ.
    """
    bits = tf.reshape(symmetries, [-1] + [1] * (len(patches.shape) - 1))
    patches = tf.where(bits & 1 > 0, patches[..., ::-1], patches)
    patches = tf.where(bits & 2 > 0, patches[..., ::-1, :], patches)
    if patches.shape[-1] != patches.shape[-2]:
        return patches
    return tf.where(bits & 4 > 0, tf.linalg.matrix_transpose(patches), patches)


def validation_subset(validation: np.ndarray, size: int | None) -> np.ndarray:
    """Draw `size` of the validation patches, the same for every model on one split.

    If `size` is None, all of them validate.
    """
    if size is None or size >= len(validation):
        return validation
    rng = random_stream(VALIDATION_SEED, "validation subset")
    return np.sort(rng.choice(validation, size, replace=False))


def read_ahead(read: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield `read(item)` for each item in order; a thread of its own reads `AHEAD` items ahead."""
    with ThreadPoolExecutor(1) as reader:
        waiting: deque[Future] = deque()
        for item in items:
            waiting.append(reader.submit(read, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def on_device(array: np.ndarray) -> tf.Variable:
    """Copy an array to the device's memory, block by block."""
    copy = tf.Variable(tf.zeros(array.shape, tf.float32), trainable=False)
    rows = max(1, BLOCK_BYTES // array[0].nbytes)
    for start in range(0, len(array), rows):
        block = array[start : start + rows]
        rows_of_block = tf.range(start, start + len(block))
        copy.scatter_update(tf.IndexedSlices(block, rows_of_block))  # in place
    return copy
