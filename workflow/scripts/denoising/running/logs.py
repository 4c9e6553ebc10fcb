"""The log file of one job."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


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


@contextlib.contextmanager
def open_log(path: str) -> Iterator[None]:
    """Send all output of the block, that of C++ libraries too, to the log file at `path`.

    Messages of the logger "progress" are printed on the console as well. An error in the block is
    logged in full and printed on the console in one line, and the process ends with exit status 1.
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
    logging.getLogger("progress").addHandler(logging.StreamHandler(console))
    logging.captureWarnings(True)
    warnings.simplefilter("default", UserWarning)
    try:
        yield
    except Exception as error:
        logging.exception("failed")
        print(f"{type(error).__name__}: {error} (log: {path})", file=console, flush=True)
        sys.exit(1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
