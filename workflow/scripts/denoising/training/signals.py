"""Signals that ask a training to stop: it saves a checkpoint first, then the process ends."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from denoising.training.checkpoints import State

console = logging.getLogger("progress")  # it writes to the console too


class Stopped(SystemExit):
    """A signal stopped the training, which has saved its state.

    The exit status is the one that a shell gives for that signal.
    """


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT in a list while the block runs; they do not end the process."""
    requests: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, lambda n, _: requests.append(n)) for number in numbers]
    try:
        yield requests
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def stop_process(run: str, number: int, state: State) -> NoReturn:
    """Report how far the run has come, and end the process as signal `number` asks."""
    console.info(
        "%s: stopped by %s after %d epochs and %d steps; the next run goes on from there",
        run,
        signal.Signals(number).name,
        len(state.history),
        len(state.losses),
    )
    raise Stopped(128 + number)
