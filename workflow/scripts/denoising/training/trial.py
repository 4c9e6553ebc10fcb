"""A process that takes a few training steps in several ways and says how long each takes.

`python -m denoising.training.trial` reads what to try as JSON from stdin (see `compilation.trials`)
and writes JSON as its last line. Patches are noise: the time does not depend on what they show.
"""

import json
import logging
import sys
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from denoising.study.training import Training, TrainingRun
from denoising.training.batches import PatchPairs
from denoising.training.compilation import PLAIN, SHORT, Compilation, Measured
from denoising.training.network import Device, chosen_precision, use_device
from denoising.training.steps import Execution, TrainingSteps

log = logging.getLogger(__name__)

WARM_STEPS = 24  # whose time counts, after those that compile
STEPS_PER_CALL = 8
ROUNDS = 2  # of which the faster counts


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asked = json.load(sys.stdin)
    device = use_device(asked["device"], threads=1, memory_growth=asked["memory_growth"])
    run = TrainingRun("trial", Training(**asked["settings"]), seed=0)
    found = measured(run, tuple(asked["shape"]), device, asked)
    print(json.dumps([asdict(each) for each in found]))


def measured(
    run: TrainingRun, shape: tuple[int, ...], device: Device, asked: dict[str, Any]
) -> list[Measured]:
    """The plain and the folded pass, and the faster with several steps a call; what fails is left
    out. A training that is short by the plain way is measured no further.
    """
    patches = noise(shape, run.settings.batch_size)
    found: list[Measured] = []
    for folded in (False, True):
        way = Compilation(asked["xla"], asked["channels_last"], folded)
        found += _tried(run, patches, device, way)
        if way == PLAIN and found and found[0].seconds(asked["steps"]) <= SHORT:
            return found
    if found:
        best = min(found, key=lambda each: each.step).compilation
        found += _tried(run, patches, device, replace(best, steps_per_call=STEPS_PER_CALL))
    return found


def noise(shape: tuple[int, ...], batch_size: int) -> PatchPairs:
    """Two batches to train on, and a patch to validate on."""
    count = 2 * batch_size + 1
    rng = np.random.default_rng(0)
    X, Y = (rng.standard_normal((count, *shape), np.float32) for _ in range(2))
    parts = ["train"] * (count - 1) + ["validation"]
    return PatchPairs(X, Y, pd.DataFrame({"patch": range(count), "part": parts}))


def _tried(
    run: TrainingRun, patches: PatchPairs, device: Device, way: Compilation
) -> list[Measured]:
    """One way, or nothing if it fails."""
    precision = chosen_precision(run.settings.precision, device)
    execution = Execution(**vars(way), precision=precision, resident=True)
    try:
        steps = TrainingSteps(run, patches, device, execution)
        compiling = _seconds(steps, 1)
        rounds = [_seconds(steps, WARM_STEPS // way.steps_per_call) for _ in range(ROUNDS)]
    except tf.errors.OpError as error:
        log.warning("%s failed: %s", way, error.message)
        return []
    return [Measured(way, compiling, min(rounds) / WARM_STEPS)]


def _seconds(steps: TrainingSteps, calls: int) -> float:
    """Time of calls of the compiled step, whose results are waited for at the end."""
    several = steps.execution.steps_per_call
    batches = [
        steps.read_training_batches(range(call * several, (call + 1) * several))
        for call in range(calls)
    ]
    start = time.perf_counter()
    losses = [steps.train(batch, symmetries) for _, batch, symmetries in batches]
    tf.concat(losses, 0).numpy()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
