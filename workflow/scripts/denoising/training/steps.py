"""The compiled steps of a training, which train or validate a network on one batch.

Patches are streamed from disk to the device, batch by batch, or resident in the device's memory.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from csbdeep.internals import losses as csbdeep_losses
from csbdeep.models import CARE, Config

from denoising.running.random_streams import random_stream
from denoising.study.training import Compute, Training, TrainingRun
from denoising.training import costs
from denoising.training.batches import (
    PatchPairs,
    batch_indices,
    batch_symmetries,
    on_device,
    oriented,
    read_ahead,
)
from denoising.training.collapse import is_constant
from denoising.training.compilation import PLAIN, Compilation
from denoising.training.folded_pass import Cores, folded_pass
from denoising.training.initial_weights import begin_as_identity
from denoising.training.network import (
    Device,
    care_config,
    chosen_precision,
    load_model,
    set_precision,
)

log = logging.getLogger(__name__)

LOSSES = ("loss", "mse", "mae")  # what a step returns, in this order
# Voxels of a validation batch, or twice a training batch, whose step needs as much memory
VALIDATION_VOXELS = 2**18


@dataclass(frozen=True, kw_only=True)
class Execution(Compilation):
    """How a training uses its device, with every `auto` of the config settled.

    `resident` says whether all patches are in the device's memory.
    """

    precision: str
    resident: bool

    def __str__(self) -> str:
        where = "resident on the device" if self.resident else "read from disk"
        return f"precision {self.precision}, {super().__str__()}, patches {where}"


def choose_execution(
    compilation: Compilation,
    settings: Training,
    compute: Compute,
    device: Device,
    resident: bool,
) -> Execution:
    """Settle the rest of what the config leaves to `auto`.

    `compilation` and `resident` were settled before TensorFlow was imported. Where TensorFlow then
    sees no GPU, a CPU takes the plain way and reads patches from disk.
    """
    if not device.on_gpu:
        compilation = PLAIN if compute.xla == "auto" else compilation
        resident = compute.resident is True
    precision = chosen_precision(settings.precision, device)
    return Execution(**vars(compilation), precision=precision, resident=resident)


def weighed_by_scale(
    laplace: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    y: tf.Tensor,
    restored: tf.Tensor,
    power: float,
) -> tf.Tensor:
    """The Laplace loss, each voxel weighed by a power of its predicted scale.

    The weight is a constant to the gradient (Seitzer et al., On the Pitfalls of Heteroscedastic
    Uncertainty Estimation, ICLR 2022, there for a normal distribution). With a power of 1 the
    gradient to the mean is that of the mean absolute error: no voxel counts less because the
    network expects a large error there. The scale that lowers the loss of a voxel stays the same.

    Parameters
    ----------
    laplace : callable
        csbdeep's loss of (ground truth, output), per voxel.
    y : Tensor, (n, Z, Y, X) or (n, Y, X)
        Ground truth.
    restored : Tensor, shape of `y` and 2 channels
        Mean and scale.
    power : float
    """
    weights = tf.stop_gradient(restored[..., 1]) ** power
    return tf.reduce_mean(weights * laplace(y[..., None], restored))


def new_network(run: TrainingRun, config: Config, patches: PatchPairs, seed: int) -> keras.Model:
    """The network with the weights that a training begins with."""
    keras.utils.set_random_seed(seed)
    network = CARE(config, name=run.name, basedir=None).keras_model
    if run.start is not None:
        network.set_weights(load_model(run.start).keras_model.get_weights())
    elif run.settings.initial_weights == "identity":
        begin_as_identity(network, patches.input_error)
    return network


def new_optimizer(
    network: keras.Model, learning_rate: float, precision: str
) -> keras.optimizers.Optimizer:
    """Adam, which scales the loss where float16 would lose small gradients."""
    optimizer = keras.optimizers.Adam(learning_rate)
    if precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return optimizer


def restored_by(
    network: keras.Model, x: tf.Tensor, execution: Execution, training: bool
) -> tf.Tensor:
    """The network's output for patches, (n, Z, Y, X) or (n, Y, X), by the pass that is chosen."""
    if not execution.folded:
        return network(x[..., None], training=training)
    shape = tuple(x.shape[1:])
    whole = Cores(shape, shape, tf.zeros(len(shape), tf.int32))
    return folded_pass(network, x[..., None], whole, trains=training)


def validation_batch(run: TrainingRun, patches: PatchPairs) -> int:
    """How many patches are validated at a time."""
    return max(2 * run.settings.batch_size, VALIDATION_VOXELS // math.prod(patches.shape))


def in_a_loop(
    step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], batches: tf.Tensor, symmetries: tf.Tensor
) -> tf.Tensor:
    """Several steps as one operation, which compiles as fast as one step; the losses of each."""
    count = batches.shape[0]

    def taken(number: tf.Tensor, losses: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        return number + 1, losses.write(number, step(batches[number], symmetries[number]))

    losses = tf.TensorArray(tf.float32, count, element_shape=(len(LOSSES),))
    _, losses = tf.while_loop(
        lambda number, _: number < count, taken, (0, losses), maximum_iterations=count
    )
    return losses.stack()


class TrainingSteps:
    """A network with its optimizer, and the compiled steps that train and validate it.

    Attributes
    ----------
    config : csbdeep.models.Config
    network : keras.Model
    optimizer : keras.optimizers.Optimizer
    train : callable
        Take the steps of one call on batches and their symmetries, as `read_training_batches` gave
        them. Returns the losses of each batch before its step, (steps, 3).
    validate : callable
        Losses of a batch, (3,).
    flop_per_voxel : float
        Floating-point operations of one forward pass.
    """

    def __init__(
        self, run: TrainingRun, patches: PatchPairs, device: Device, execution: Execution
    ) -> None:
        self.run = run
        self.patches = patches
        self.device = device
        self.execution = execution
        self.config = care_config(run.settings, patches.axes)
        self.network = new_network(run, self.config, patches, run.seed)
        set_precision(self.network, execution.precision)
        self.flop_per_voxel = costs.flop_per_voxel(self.network)
        self.optimizer = self._new_optimizer()
        self._losses = [
            getattr(csbdeep_losses, f"loss_{name}")() for name in (run.settings.loss, "mse", "mae")
        ]
        if execution.resident:
            self._resident = (on_device(patches.X), on_device(patches.Y))
        options = {
            "jit_compile": execution.xla,
            "autograph": False,
            "reduce_retracing": not execution.xla,
        }
        self.train = tf.function(self._train_all, **options)
        self.validate = tf.function(self._validate, **options)

    def indices(self, number: int) -> np.ndarray:
        """Indices of the patches of training batch `number`, from 0."""
        training = self.patches.training
        batch_size = self.run.settings.batch_size
        return training[batch_indices(len(training), batch_size, number, self.run.seed)]

    def read(self, indices: np.ndarray) -> Any:
        """Bring a batch to the device: its patches, or their indices where patches are resident."""
        # On the device here, so that the thread that reads ahead makes the copy
        with tf.device(f"{self.device.kind}:0"):
            if self.execution.resident:
                return tf.constant(indices, tf.int32)
            return tf.constant(self.patches.X[indices]), tf.constant(self.patches.Y[indices])

    def read_training_batches(self, numbers: range) -> tuple[range, list[Any], list[tf.Tensor]]:
        """The numbers of the batches of one call, the batches, and their symmetries."""
        is_square = self.patches.shape[-1] == self.patches.shape[-2]
        batch_size = self.run.settings.batch_size
        symmetries = [
            tf.constant(batch_symmetries(batch_size, number, self.run.seed, is_square))
            for number in numbers
        ]
        return numbers, [self.read(self.indices(number)) for number in numbers], symmetries

    def mean_losses(self, patches: np.ndarray, after_batch: Callable[[], None]) -> list[float]:
        """Validate the network on `patches`, batch by batch; `after_batch` follows each batch."""
        size = validation_batch(self.run, self.patches)
        batches = [patches[start : start + size] for start in range(0, len(patches), size)]
        losses: list[tf.Tensor] = []
        for batch in read_ahead(self.read, batches):
            losses.append(self.validate(batch))
            after_batch()
        by_batch = tf.stack(losses).numpy().astype(float)
        return np.average(by_batch, axis=0, weights=[len(batch) for batch in batches]).tolist()

    def state(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The network's weights and the optimizer's variables."""
        variables = [variable.numpy() for variable in self.optimizer.variables]
        return self.network.get_weights(), variables

    def set_state(self, weights: list[np.ndarray], variables: list[np.ndarray]) -> None:
        """Set what `state` gave."""
        self.network.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, variables, strict=True):
            variable.assign(value)

    def returns_input(self) -> bool:
        """Whether the network has collapsed, by what it adds to a batch of validation patches."""
        x = self.patches.X[self.patches.validation[: self.run.settings.batch_size]]
        added = self.network(x[..., None], training=False).numpy()[..., 0] - x
        return is_constant(added, self.patches.input_error)

    def start_again(self, number: int) -> None:
        """Give the network its initial weights of restart `number`, and forget all steps."""
        rng = random_stream(self.run.seed, "restarts", number)
        seed = int(rng.integers(2**32))
        network = new_network(self.run, self.config, self.patches, seed)
        variables = [variable.numpy() for variable in self._new_optimizer().variables]
        self.set_state(network.get_weights(), variables)

    @cached_property
    def matmul_rate(self) -> float | None:
        """FLOP per second at which the device multiplies matrices in the network's precision; None
        if it cannot now.
        """
        return costs.matmul_rate_if_it_can(self.execution.precision, self.device.on_gpu)

    def _new_optimizer(self) -> keras.optimizers.Optimizer:
        precision = self.execution.precision
        return new_optimizer(self.network, self.run.settings.learning_rate, precision)

    def _train_all(self, batches: list[Any], symmetries: list[tf.Tensor]) -> tf.Tensor:
        """The steps of one call."""
        if len(batches) == 1:
            return self._train(batches[0], symmetries[0])[None]
        return in_a_loop(self._train, tf.stack(batches), tf.stack(symmetries))

    def _train(self, batch: Any, symmetries: tf.Tensor) -> tf.Tensor:
        x, y = self._fetch(batch)
        if self.run.settings.augment:
            x = oriented(x, symmetries)
            y = oriented(y, symmetries)
        with tf.GradientTape() as tape:
            restored = restored_by(self.network, x, self.execution, training=True)
            losses = self._losses_of(y, restored)
            objective = losses[0]
            if power := self.run.settings.scale_weight:
                objective = weighed_by_scale(self._losses[0], y, restored, power)
            scaled_loss = self.optimizer.scale_loss(objective)  # by 1, but for float16
        variables = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
        return tf.stack(losses)

    def _validate(self, batch: Any) -> tf.Tensor:
        x, y = self._fetch(batch)
        return tf.stack(
            self._losses_of(y, restored_by(self.network, x, self.execution, training=False))
        )

    def _fetch(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Input and ground truth of a batch that `read` brought to the device."""
        if not self.execution.resident:
            return batch
        X, Y = self._resident
        return tf.gather(X, batch), tf.gather(Y, batch)

    def _losses_of(self, y: tf.Tensor, restored: tf.Tensor) -> list[tf.Tensor]:
        return [tf.reduce_mean(loss(y[..., None], restored)) for loss in self._losses]
