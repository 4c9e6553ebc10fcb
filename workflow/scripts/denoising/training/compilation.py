"""How the steps of a training are compiled: by XLA, in which layout, folded, several in a call.

The fastest way depends on the card and on the network. With `compute.xla: auto` a GPU's `trial`
measures it, in processes of its own, because XLA reads its flags once in a process. The
measurements are kept for the next training of such a network on such a card (see
`running.caches`). Nothing here imports TensorFlow, which must find the flags set.
"""

import contextlib
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from denoising.running.caches import cache_folder
from denoising.running.gpus import Card, Gpu
from denoising.running.outputs import write_json
from denoising.study.training import Compute, Training, TrainingRun

log = logging.getLogger(__name__)
console = logging.getLogger("progress")  # it writes to the console too

CHANNELS_LAST = "--xla_gpu_force_conv_nhwc=true"
# A way must save this share of the time of a training to be taken instead of the plain one: two
# measurements of one way may differ by as much
WORTH = 0.03
# A training that takes less by the plain steps is too short to try others, in seconds
SHORT = 60
LONGEST_TRIAL = 1800  # seconds
STEP_CODE = ("steps.py", "folded_pass.py", "network.py")  # beside this file
# Of the settings, those that change how long a step takes
OF_A_STEP = (
    "width", "depth", "kernel", "residual", "last_activation", "loss", "scale_weight", "batch_size",
    "augment", "precision",
)  # fmt: skip
SAID = "said: "  # begins a line of a trial that is for the console
MOST_ELEMENTS = 2**31 - 1  # of one array on the device: kernels count them in int32
LIBRARY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Compilation:
    """How steps are compiled.

    Attributes
    ----------
    xla : bool
        Whether XLA compiles them.
    channels_last : bool
        Whether XLA lays convolutions out channels last: by itself, TensorFlow 2.19's lays those of
        three dimensions out channels first.
    folded : bool
        Whether a training uses the folded pass.
    steps_per_call : int
        Steps that one call of the compiled function takes, where patches are resident.
    """

    xla: bool = False
    channels_last: bool = False
    folded: bool = False
    steps_per_call: int = 1

    def __str__(self) -> str:
        xla = "XLA" if self.xla else "no XLA"
        parts = [f"{xla}, channels last" if self.xla and self.channels_last else xla]
        parts += ["folded pass"] * self.folded
        parts += [f"{self.steps_per_call} steps per call"] * (self.steps_per_call > 1)
        return ", ".join(parts)


PLAIN = Compilation()


@dataclass(frozen=True)
class Measurement:
    """Seconds of a way's first call, which compiles, and of a step after it."""

    way: Compilation
    compiling: float
    step: float

    def seconds(self, steps: int) -> float:
        """Seconds that a training of `steps` steps takes."""
        return self.compiling + steps * self.step


@dataclass(frozen=True)
class Question:
    """What a process of `denoising.training.trial` is asked to measure.

    Attributes
    ----------
    settings : dict
        Of the training.
    shape : list of int
        Of a patch.
    steps : int
        Of the training.
    device : {"gpu", "cpu"}
    memory_growth, xla, channels_last : bool
    """

    settings: dict[str, Any]
    shape: list[int]
    steps: int
    device: str = "gpu"
    memory_growth: bool = True
    xla: bool = False
    channels_last: bool = False


def is_resident(compute: Compute, X: np.ndarray, gpu: Gpu) -> bool:
    """Whether all patches are kept in the device's memory.

    `auto`: where X and Y take less than half of the free memory of a GPU.
    """
    if compute.resident != "auto":
        return bool(compute.resident)
    free = gpu.free_memory() or 0
    return 2 * X.nbytes <= free / 2 and X.size <= MOST_ELEMENTS


def settle_compilation(
    run: TrainingRun, shape: Sequence[int], compute: Compute, card: Card | None, resident: bool
) -> Compilation:
    """How to compile this training's steps, and XLA_FLAGS for it; before TensorFlow is imported.

    Parameters
    ----------
    run : TrainingRun
    shape : sequence of int
        Of a patch.
    compute : Compute
    card : Card, optional
        The reserved GPU. None for a CPU, where trainings keep the plain way, so that they continue
        to the bit; and for a GPU that NVML cannot describe.
    resident : bool
        Whether all patches are in the device's memory: only then a call takes several steps.
    """
    if compute.xla != "auto":
        chosen = Compilation(bool(compute.xla), channels_last=compute.xla == "channels_last")
    elif card is None:
        chosen = PLAIN
    else:
        chosen = _fastest_on(card, run, shape, compute, resident)
    if chosen.channels_last:
        force_channels_last(os.environ)
    return chosen


def force_channels_last(environment: Any) -> None:
    """Add to XLA_FLAGS of an environment that convolutions are laid out channels last."""
    environment["XLA_FLAGS"] = " ".join(filter(None, [environment.get("XLA_FLAGS"), CHANNELS_LAST]))


def _fastest_on(
    card: Card, run: TrainingRun, shape: Sequence[int], compute: Compute, resident: bool
) -> Compilation:
    """The fastest way on a card, from the cache or from a trial now."""
    settings = run.settings
    steps = settings.epochs * settings.steps_per_epoch
    path = _cached(card, settings, shape)
    measurements = _read(path)
    if not measurements or (len(measurements) == 1 and measurements[0].seconds(steps) > SHORT):
        question = Question(vars(settings), list(shape), steps, memory_growth=compute.memory_growth)
        measurements = trials(question)
        if not measurements:  # as where TensorFlow sees no GPU
            log.warning("no trial ended well: the training takes the plain way")
            return PLAIN
        _write(path, measurements)
    chosen = fastest(measurements, steps, resident)
    times = "; ".join(f"{found.way}: {1000 * found.step:.3g} ms" for found in measurements)
    console.info("%s: %s (per step: %s)", run.name, chosen, times)
    return chosen


def fastest(measurements: Sequence[Measurement], steps: int, resident: bool) -> Compilation:
    """The measured way in which a training of `steps` steps ends first.

    The plain way, which is the first, is left only for one that saves a share of `WORTH`.
    """
    possible = [found for found in measurements if resident or found.way.steps_per_call == 1]
    best = min(possible, key=lambda found: found.seconds(steps))
    is_worth_it = best.seconds(steps) <= (1 - WORTH) * measurements[0].seconds(steps)
    return best.way if is_worth_it else PLAIN


def trials(question: Question) -> list[Measurement]:
    """Measurements without XLA and with XLA in both layouts, the plain way first.

    A way that fails is left out, and so are all others if a training would be short. Nothing is
    measured if the plain way fails: no other could be compared with it.
    """
    measurements = trial(question)
    if not measurements or measurements[0].way != PLAIN:
        return []
    if measurements[0].seconds(question.steps) <= SHORT:
        return measurements[:1]
    console.info("measuring how the steps of such a network run fastest on this GPU")
    for channels_last in (True, False):
        of_xla = trial(replace(question, xla=True, channels_last=channels_last))
        measurements = [*measurements, *of_xla]
    return measurements


def trial(question: Question) -> list[Measurement]:
    """What a process measured, up to its end or to `LONGEST_TRIAL`.

    What it has to say on the console is said here as it comes.
    """
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    if question.channels_last:
        force_channels_last(environment)
    start = time.monotonic()
    # -P: nothing in the folder of the study is taken for a library
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "denoising.training.trial"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        limit = threading.Timer(LONGEST_TRIAL, process.kill)
        limit.start()
        try:
            assert process.stdin is not None and process.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                process.stdin.write(json.dumps(asdict(question)))
                process.stdin.close()
            measurements = _heard(process.stdout)
            process.wait()
        finally:
            limit.cancel()
            process.kill()  # where this process is to end
    if process.returncode:
        way = Compilation(question.xla, question.channels_last)
        seconds = time.monotonic() - start
        log.warning(
            "the trial of %s ended after %.0f s with exit status %d",
            way,
            seconds,
            process.returncode,
        )
    return measurements


def _heard(lines: Iterable[str]) -> list[Measurement]:
    """The measurements in what a trial writes; what is for the console is said there."""
    measurements = []
    for line in lines:
        if line.startswith(SAID):
            console.warning(line.removeprefix(SAID).rstrip())
        elif line.startswith("{"):
            measurements.append(_measurement(json.loads(line)))
    return measurements


def _measurement(record: dict[str, Any]) -> Measurement:
    return Measurement(Compilation(**record["way"]), record["compiling"], record["step"])


def _cached(card: Card, settings: Training, shape: Sequence[int]) -> Path:
    of_a_step = {name: getattr(settings, name) for name in OF_A_STEP}
    code = [Path(__file__).with_name(name).read_text() for name in STEP_CODE]
    defined_by = [asdict(card), version("tensorflow"), list(shape), of_a_step, code]
    text = json.dumps(defined_by, sort_keys=True)
    return cache_folder() / f"steps-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> list[Measurement]:
    """What the cache holds; nothing if it is not there or cannot be read."""
    try:
        return [_measurement(record) for record in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _write(path: Path, measurements: Sequence[Measurement]) -> None:
    """Keep measurements; without a folder that can be written, the next training measures again."""
    try:
        own = path.with_name(f"{path.name}.{os.getpid()}")  # another training may write too
        write_json(own, [asdict(measurement) for measurement in measurements])
        os.replace(own, path)
    except OSError as error:
        log.warning("%s: the measurements are not kept: %s", path, error)
