"""How the steps of a training are compiled: by XLA, in which layout, folded, several in a call.

What is fastest depends on the card and on the network, so with `compute.xla: auto` a GPU is asked:
`trial` takes a few steps in each way, in processes of its own, because XLA reads its flags once in
a process. What it found is kept for the next training of such a network on such a card (see
`running.caches`). Nothing here imports TensorFlow, which must find the flags set.
"""

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from denoising.running.caches import cache_folder
from denoising.running.devices import Card
from denoising.study.training import Compute, TrainingRun

log = logging.getLogger(__name__)
console = logging.getLogger("progress")  # it writes to the console too

CHANNELS_LAST = "--xla_gpu_force_conv_nhwc=true"
# A way must save this share of the time of a training to be taken instead of the plain one: less
# is within what two measurements of one way differ by
WORTH = 0.03
# A training that takes less by the plain steps is too short to try others, in seconds
SHORT = 60
# Of the settings, those that change how long a step takes
OF_A_STEP = (
    "width", "depth", "kernel", "residual", "last_activation", "loss", "scale_weight", "batch_size",
    "augment", "precision",
)  # fmt: skip
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
        parts += [f"{self.steps_per_call} steps a call"] * (self.steps_per_call > 1)
        return ", ".join(parts)


PLAIN = Compilation()


@dataclass(frozen=True)
class Measured:
    """What a trial found: seconds of the first call, which compiles, and of a step after it."""

    compilation: Compilation
    compiling: float
    step: float

    def seconds(self, steps: int) -> float:
        """Of a training of so many steps."""
        return self.compiling + steps * self.step


def settle_compilation(
    run: TrainingRun, shape: Sequence[int], compute: Compute, card: Card | None
) -> Compilation:
    """How to compile this training's steps, and XLA_FLAGS for it; before TensorFlow is imported.

    Parameters
    ----------
    run : TrainingRun
    shape : sequence of int
        Of a patch.
    compute : Compute
    card : Card, optional
        The reserved GPU; None for a CPU, where no way is faster than the plain one.
    """
    if compute.xla != "auto":
        chosen = Compilation(bool(compute.xla), channels_last=compute.xla == "channels_last")
    elif card is None:
        chosen = PLAIN
    else:
        chosen = _fastest_on(card, run, shape, compute)
    if chosen.channels_last:
        force_channels_last(os.environ)
    return chosen


def force_channels_last(environment: Any) -> None:
    """Add to XLA_FLAGS of an environment that convolutions are laid out channels last."""
    environment["XLA_FLAGS"] = " ".join(filter(None, [environment.get("XLA_FLAGS"), CHANNELS_LAST]))


def _fastest_on(
    card: Card, run: TrainingRun, shape: Sequence[int], compute: Compute
) -> Compilation:
    """The fastest way on a card, from the cache or from a trial now."""
    settings = run.settings
    steps = settings.epochs * settings.steps_per_epoch
    defined_by = [asdict(card), version("tensorflow"), list(shape)]
    defined_by.append({key: getattr(settings, key) for key in OF_A_STEP})
    path = _cached(defined_by)
    found = _read(path)
    if not found or (len(found) == 1 and found[0].seconds(steps) > SHORT):
        asked = {
            "settings": vars(settings),
            "shape": list(shape),
            "device": "gpu",
            "memory_growth": compute.memory_growth,
            "steps": steps,
        }
        console.info("%s: measuring how its steps run fastest on %s", run.name, card.name)
        found = trials(asked)
        _write(path, found)
    if not found:
        console.warning("%s: no trial on %s ended well: it trains without XLA", run.name, card.name)
        return PLAIN
    chosen = fastest(found, steps)
    said = "; ".join(f"{each.compilation}: {1000 * each.step:.3g} ms" for each in found)
    console.info("%s: %s (per step: %s)", run.name, chosen, said)
    return chosen


def fastest(found: Sequence[Measured], steps: int) -> Compilation:
    """Of ways that were measured, the one in which a training of so many steps ends first.

    The plain way is left only for one that saves a share of `WORTH`.
    """
    best = min(found, key=lambda each: each.seconds(steps))
    plain = [each for each in found if each.compilation == PLAIN]
    if plain and best.seconds(steps) > (1 - WORTH) * plain[0].seconds(steps):
        return PLAIN
    return best.compilation


def trials(asked: dict[str, Any]) -> list[Measured]:
    """What was measured without XLA and with XLA in both layouts; the plain way comes first.

    A way that fails is left out, and so are all others if a training would be short.
    """
    found = trial(asked | {"xla": False, "channels_last": False})
    if found and found[0].seconds(asked["steps"]) <= SHORT:
        return found[:1]
    for channels_last in (True, False):
        found = [*found, *trial(asked | {"xla": True, "channels_last": channels_last})]
    return found


def trial(asked: dict[str, Any]) -> list[Measured]:
    """What a process of `denoising.training.trial` measured; nothing if it failed."""
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    if asked["channels_last"]:
        force_channels_last(environment)
    command = [sys.executable, "-m", "denoising.training.trial"]
    text = json.dumps(asked)
    pipe = subprocess.PIPE
    done = subprocess.run(command, input=text, stdout=pipe, text=True, env=environment)
    if done.returncode:
        way = Compilation(asked["xla"], asked["channels_last"])
        log.warning("the trial of %s ended with exit status %d", way, done.returncode)
        return []
    return [_measured(each) for each in json.loads(done.stdout.splitlines()[-1])]


def _measured(told: dict[str, Any]) -> Measured:
    return Measured(Compilation(**told["compilation"]), told["compiling"], told["step"])


def _cached(defined_by: Any) -> Path:
    text = json.dumps(defined_by, sort_keys=True)
    return cache_folder() / f"steps-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> list[Measured]:
    """What the cache holds; nothing if it is not there or cannot be read."""
    try:
        return [_measured(each) for each in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _write(path: Path, found: Sequence[Measured]) -> None:
    """Keep what was found; without a folder that can be written, the next training asks again."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps([asdict(each) for each in found]))
        os.replace(partial, path)
    except OSError as error:
        log.warning("%s: what the trial found is not kept: %s", path, error)
