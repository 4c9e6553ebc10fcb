"""The first step on a device that may not be able to take it: not enough memory, or no way to
compile it. It is taken before a training begins, with less each time, and then forgotten.
"""

import gc
import logging
from dataclasses import replace

import tensorflow as tf

from denoising.study.training import TrainingRun
from denoising.training.batches import PatchPairs
from denoising.training.compilation import PLAIN
from denoising.training.device_errors import is_out_of_memory, is_without_algorithm
from denoising.training.network import Device
from denoising.training.steps import Execution, TrainingSteps, validation_batch

log = logging.getLogger(__name__)
console = logging.getLogger("progress")  # it writes to the console too


def rehearsed(
    run: TrainingRun, patches: PatchPairs, device: Device, execution: Execution
) -> TrainingSteps:
    """The steps of a training that the device can take, with their initial state.

    Where XLA or a GPU could fail, the steps of one call and a batch of validation are taken and
    undone. After a failure they are taken again: without resident patches if the memory was
    exhausted, without XLA if it could not compile.

    Raises
    ------
    RuntimeError
        If the device has not the memory for a batch.
    """
    if not device.on_gpu and not execution.xla:
        return TrainingSteps(run, patches, device, execution)
    while True:
        steps, error = _tried(run, patches, device, execution)
        if steps is not None:
            return steps
        assert error is not None
        execution = _gentler(run, execution, error)
        del error
        gc.collect()  # of what failed, which holds the device's memory


def _tried(
    run: TrainingRun, patches: PatchPairs, device: Device, execution: Execution
) -> tuple[TrainingSteps | None, tf.errors.OpError | None]:
    """The steps, or the error that they ended with, without what it holds."""
    try:
        steps = TrainingSteps(run, patches, device, execution)
        initial = steps.state()
        _, batches, symmetries = steps.read_training_batches(range(execution.steps_per_call))
        steps.train(batches, symmetries).numpy()
        if execution.steps_per_call > 1:  # some calls take one
            steps.train(batches[:1], symmetries[:1]).numpy()
        steps.mean_losses(
            patches.validation[: validation_batch(run, patches)], after_batch=lambda: None
        )
        steps.set_state(*initial)
        return steps, None
    except tf.errors.OpError as error:
        return None, error.with_traceback(None)


def _gentler(run: TrainingRun, execution: Execution, error: tf.errors.OpError) -> Execution:
    """What to try after a failure; raises where nothing is left."""
    name = run.name
    reason = f"The device said: {type(error).__name__}: {error.message}"
    exhausted = is_out_of_memory(error)
    if execution.xla and (not exhausted or is_without_algorithm(error)):
        console.warning("%s: XLA cannot compile its steps: it trains without XLA. %s", name, reason)
        return replace(execution, **vars(PLAIN))
    if not exhausted:
        raise error
    if execution.resident:
        # What won with several steps per call may not be the fastest with one
        several = execution.steps_per_call > 1
        console.warning(
            "%s: out of memory with all patches on the device: it reads them from disk, batch by"
            " batch%s. %s",
            name,
            ", and takes its steps one by one without XLA" if several else "",
            reason,
        )
        return replace(execution, **(vars(PLAIN) if several else {}), resident=False)
    raise RuntimeError(
        f"model {name}: the device has not the memory for a training step with batch_size"
        f" {run.settings.batch_size}; set a smaller batch_size, or use a device with more memory."
        f" {reason}"
    )
