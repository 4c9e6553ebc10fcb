"""The log file of one job, whose last lines are the sentence on its error, if it failed.

Snakemake itself reads these sentences: nothing here needs a package that Snakemake lacks.
"""

import contextlib
import logging
import math
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from denoising.running.handovers import refuse_damaged
from denoising.running.remedies import IN_SENTENCES, with_remedy

FAILED = "FAILED: "  # begins each line of a sentence
# The environment variable of a job on another machine, whose console is not the user's
OWN_CONSOLE = "DENOISING_OWN_CONSOLE"

TERMINATED = 128 + signal.SIGTERM  # exit status, as a shell has it
STOPPED = (
    "stopped by SIGTERM, as a scheduler does at the end of a job's time, or somebody by kill; give"
    " it more time if need be, and run the same command."
)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Keep out of the log what C++ libraries say while the block loads them: it frightens, and
    means nothing. Errors of Python pass.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class OncePerMinute(logging.Filter):
    """Lets every warning through, and each line of code inform once per minute."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        place = (record.pathname, record.lineno)
        is_new = record.created > self.last.get(place, -math.inf) + 60
        if is_new:
            self.last[place] = record.created
        return is_new or record.levelno > logging.INFO


@contextlib.contextmanager
def open_log(path: str, made_before: Iterable[str] = ()) -> Iterator[None]:
    """Send all output of the block, that of C++ libraries too, to the log file at `path`.

    `made_before` are the job's inputs that earlier jobs made: if one is damaged, the block does not
    run.

    Messages of the logger "progress" are printed on the console as well, but for such as the same
    line of code printed there within a minute. An error in the block ends
    the process with exit status 1. It is in the log, in full and then in a sentence (see
    `sentence_in`), and on the console if that is a job's own, which may be all that is left of it.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    console = os.fdopen(os.dup(2), "w")
    with open(path, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s",
        level=logging.INFO,
        stream=sys.stderr,
        force=True,
    )
    on_console = logging.StreamHandler(console)
    on_console.addFilter(OncePerMinute())
    logging.getLogger("progress").addHandler(on_console)
    logging.captureWarnings(True)
    warnings.simplefilter("default", UserWarning)
    # Others came with this workflow, or are the user's
    paths = [path for path in map(str, made_before) if not os.path.isabs(path)]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(TERMINATED))
    try:
        refuse_damaged(paths)
        yield
    except Exception as error:
        logging.exception("failed")
        _say(with_remedy(error, _sentence(error), paths), console)
        sys.exit(1)
    except SystemExit as end:
        if end.code == TERMINATED:
            logging.error("failed")
            _say(STOPPED, console)
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _say(sentence: str, console: TextIO) -> None:
    """Write the sentence on an error to the log, and to the console if that is a job's own."""
    said = "".join(f"{FAILED}{line}\n" for line in sentence.splitlines())
    sys.stderr.write(said)
    if OWN_CONSOLE in os.environ:
        console.write(said)
        console.flush()


def _sentence(error: Exception) -> str:
    if isinstance(error, IN_SENTENCES) and str(error):
        return str(error)
    return "".join(traceback.format_exception_only(error))


def sentence_in(path: Path, since: float = 0.0) -> str:
    """The sentence on the error that ended the job of this log.

    It is empty if the job did not end with an error of Python, as one that is killed for its
    memory, and if the log was last written before `since`, in seconds since 1970.
    """
    if not path.is_file() or path.stat().st_mtime < since:
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line.removeprefix(FAILED) for line in lines if line.startswith(FAILED))


def lines_before_the_error(path: Path, most: int) -> list[str]:
    """The last lines of a job's log before its traceback and sentence, those with text."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    end = r"^(?:.*\bERROR failed$|Exception ignored in|Traceback \()"
    story = re.split(end, text, maxsplit=1, flags=re.MULTILINE)[0]
    return [line for line in story.splitlines() if line.strip()][-most:]
