"""A process that takes a few training steps in several ways and says how long they take.

`python -m denoising.training.trial` reads a `compilation.Question` as JSON from stdin. It writes
each measurement as a line of JSON as soon as it has it, so that a crash loses no other. Patches are
noise: the time does not depend on what they show.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd
import tensorflow as tf

from denoising.study.training import Training, TrainingRun
from denoising.training.batches import PatchPairs
from denoising.training.compilation import PLAIN, SHORT, Compilation, Measurement, Question
from denoising.training.network import Device, chosen_precision, use_device
from denoising.training.steps import Execution, TrainingSteps

log = logging.getLogger(__name__)

WARM_STEPS = 24  # whose time counts, after those that compile
STEPS_PER_CALL = 8
ROUNDS = 2  # of which the faster counts


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    question = Question(**json.load(sys.stdin))
    device = use_device(question.device, threads=1, memory_growth=question.memory_growth)
    for measurement in measurements(question, device):
        print(json.dumps(asdict(measurement)), flush=True)


def measurements(question: Question, device: Device) -> Iterator[Measurement]:
    """The plain and the folded pass, and the faster with several steps a call; what fails is left
    out. A training that is short by the plain way is measured no further.
    """
    run = TrainingRun("trial", Training(**question.settings), seed=0)
    patches = noise(tuple(question.shape), run.settings.batch_size)
    measure = partial(_measured, run, patches, device)
    of_passes: list[Measurement] = []
    for folded in (False, True):
        way = Compilation(question.xla, question.channels_last, folded)
        if measurement := measure(way):
            of_passes.append(measurement)
            yield measurement
            if way == PLAIN and measurement.seconds(question.steps) <= SHORT:
                return
    if of_passes:
        best = min(of_passes, key=lambda one: one.step).way
        if measurement := measure(replace(best, steps_per_call=STEPS_PER_CALL)):
            yield measurement


def noise(shape: tuple[int, ...], batch_size: int) -> PatchPairs:
    """Two batches to train on, and a patch to validate on."""
    count = 2 * batch_size + 1
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((count, *shape), np.float32) for _ in range(2))
    parts = ["train"] * (count - 1) + ["validation"]
    return PatchPairs(X, Y, pd.DataFrame({"patch": range(count), "part": parts}))


def _measured(
    run: TrainingRun, patches: PatchPairs, device: Device, way: Compilation
) -> Measurement | None:
    """The measurement of a way; None if it fails."""
    precision = chosen_precision(run.settings.precision, device)
    execution = Execution(**vars(way), precision=precision, resident=True)
    try:
        steps = TrainingSteps(run, patches, device, execution)
        compiling = _seconds(steps, 1)
        rounds = [_seconds(steps, WARM_STEPS // way.steps_per_call) for _ in range(ROUNDS)]
    except tf.errors.OpError as error:
        log.warning("%s failed: %s", way, error.message)
        return None
    return Measurement(way, compiling, min(rounds) / WARM_STEPS)


def _seconds(steps: TrainingSteps, calls: int) -> float:
    """Time of calls of the compiled step, whose results are waited for at the end."""
    per_call = steps.execution.steps_per_call
    batches = [
        steps.read_training_batches(range(call * per_call, (call + 1) * per_call))
        for call in range(calls)
    ]
    start = time.perf_counter()
    losses = [steps.train(batch, symmetries) for _, batch, symmetries in batches]
    tf.concat(losses, 0).numpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
