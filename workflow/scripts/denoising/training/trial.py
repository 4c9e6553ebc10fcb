"""A process that takes a few training steps in several ways and says how long they take.

`python -m denoising.training.trial` reads a `compilation.Question` as JSON from stdin. It writes
each measurement as a line of JSON as soon as it has it, so that a crash loses no other. Patches are
noise: the time does not depend on what they show.
"""

import ctypes
import json
import logging
import signal
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
from denoising.training.compilation import PLAIN, SAID, SHORT, Compilation, Measurement, Question
from denoising.training.network import Device, chosen_precision, use_device
from denoising.training.steps import Execution, TrainingSteps

log = logging.getLogger(__name__)

STEPS_PER_CALL = 8
ROUND = 0.5  # seconds of steps that are timed together, at the least; the faster of two counts
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, of Linux


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    on_console = logging.StreamHandler(sys.stdout)
    on_console.setFormatter(logging.Formatter(f"{SAID}%(message)s"))
    logging.getLogger("progress").addHandler(on_console)
    end_with_the_training()
    question = Question(**json.load(sys.stdin))
    try:
        device = use_device(question.device, threads=1, memory_growth=question.memory_growth)
        for measurement in measurements(question, device):
            print(json.dumps(asdict(measurement)), flush=True)
    except (RuntimeError, ValueError) as error:  # the training will say it
        log.warning("%s", error)
        sys.exit(1)


def end_with_the_training() -> None:
    """Have this process killed if the training dies, so that it does not keep the GPU's memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


def measurements(question: Question, device: Device) -> Iterator[Measurement]:
    """The plain and the folded pass, and the faster with several steps per call; what fails is left
    out. A training that is short by the plain way is measured no further.
    """
    run = TrainingRun("trial", Training(**question.settings), seed=0)
    patches = noise(tuple(question.shape), run.settings.batch_size)
    measure = partial(_measured, run, patches, device)
    # Loads the libraries, and compiles them for the card at its first start, which is no way's own
    measure(PLAIN, rounds=0)
    of_passes: list[Measurement] = []
    for folded in (False, True):
        way = Compilation(question.xla, question.channels_last, folded)
        if measurement := measure(way):
            of_passes.append(measurement)
            yield measurement
            if way == PLAIN and measurement.seconds(question.steps) <= SHORT:
                return
    if of_passes:
        best = min(of_passes, key=lambda found: found.step).way
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
    run: TrainingRun, patches: PatchPairs, device: Device, way: Compilation, rounds: int = 2
) -> Measurement | None:
    """The measurement of a way; None if it fails."""
    precision = chosen_precision(run.settings.precision, device)
    execution = Execution(**vars(way), precision=precision, resident=True)
    try:
        steps = TrainingSteps(run, patches, device, execution)
        compiling = _seconds(steps, 1)
        per_step = [_seconds_per_step(steps) for _ in range(rounds)]
    except tf.errors.OpError as error:
        log.warning("%s failed: %s", way, error.message)
        return None
    return Measurement(way, compiling, min(per_step, default=0))


def _seconds_per_step(steps: TrainingSteps) -> float:
    calls = 1
    while (seconds := _seconds(steps, calls)) < ROUND:
        calls *= 2
    return seconds / (calls * steps.execution.steps_per_call)


def _seconds(steps: TrainingSteps, calls: int) -> float:
    """Time to read batches and to call the compiled step on them, up to its last result."""
    per_call = steps.execution.steps_per_call
    losses = []
    start = time.perf_counter()
    for call in range(calls):
        numbers = range(call * per_call, (call + 1) * per_call)
        _, batches, symmetries = steps.read_training_batches(numbers)
        losses.append(steps.train(batches, symmetries))
    tf.concat(losses, 0).numpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
