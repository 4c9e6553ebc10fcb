"""A reader at work on one input, in a process of its own that has little time, memory and disk, and
what became of it.
"""

import contextlib
import json
import os
import re
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from denoising.running.logs import IN_SENTENCES

SECONDS = 8  # of computing
MOST_SECONDS = 60  # by the clock, on a machine that does much else
MEMORY = 1 << 30  # bytes beyond what the tests themselves take
LARGEST_FILE = 1 << 28
LONGEST = 700  # characters of a sentence
# What no sentence holds: names of Python, addresses in memory, raw bytes
DUMPS = re.compile(
    r"Traceback|<(class|function|module|built-in)|object at 0x|(?<!['\"\w])b['\"]|\n"
)


@dataclass(frozen=True)
class Outcome:
    """How a reader ended: "value", "error" (of Python), or "died", with the error's kind and
    message; and the files that it left beside its folder.
    """

    ended: str
    kind: str = ""
    message: str = ""
    is_told: bool = True  # an error that the workflow prints as a sentence
    beside: tuple[str, ...] = ()


def outcome(read: Callable[[Path], object], folder: Path) -> Outcome:
    """What becomes of `read(folder / "scratch")`, which may write in that folder alone."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    before = _files(folder)
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        _work(read, scratch, sender)
    os.close(sender)
    with os.fdopen(receiver) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    beside = tuple(sorted(_files(folder) ^ before))
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        return Outcome(
            "died", name, "too slow" if name in ("SIGALRM", "SIGXCPU") else "", beside=beside
        )
    return Outcome(**json.loads(said), beside=beside)


def _files(folder: Path) -> set[str]:
    """All files of a folder with their sizes, but for those that a reader may write."""
    found = (path for path in folder.rglob("*") if "scratch" not in path.parts)
    return {f"{path} {path.lstat().st_size}" for path in found if not path.is_dir()}


def _work(read: Callable[[Path], object], scratch: Path, sender: int) -> None:
    said: dict[str, object] = {"ended": "value"}
    try:
        os.chdir(scratch)
        _limit()
        # What libraries print of bad files is in the job's log, not on the console
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            os.dup2(nowhere.fileno(), 2)
            read(scratch)
    except BaseException as error:
        is_told = isinstance(error, (*IN_SENTENCES, MemoryError)) and bool(str(error))
        message = str(error)[: 10 * LONGEST]
        said = {"ended": "error", "kind": type(error).__name__, "message": message}
        said["is_told"] = is_told
    finally:
        os.write(sender, json.dumps(said).encode())
        os._exit(0)


def _limit() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(MOST_SECONDS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = resource.getrusage(resource.RUSAGE_SELF)  # by this process, since it was forked
    seconds = int(used.ru_utime + used.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def faults(found: Outcome, name: str) -> list[str]:
    """What is wrong with how a reader ended that was given a stranger's file of this name."""
    wrong = [f"left or changed {file}" for file in found.beside]
    if found.ended == "died":
        wrong.append(f"died of {found.kind} {found.message}")
    if found.ended == "error" and found.is_told:
        wrong += faults_of_sentence(found.message, name)
    elif found.ended == "error":
        wrong.append(f"a bare {found.kind}: {found.message[:LONGEST]}")
    return wrong


def faults_of_sentence(text: str, name: str) -> list[str]:
    if name not in text:
        return [f"does not name {name}: {text[:LONGEST]}"]
    if DUMPS.search(text) or len(text) > LONGEST:
        return [f"no sentence ({len(text)} characters): {text[:LONGEST]}"]
    return []


def faults_of_each(cases: Iterable[tuple[str, Callable[[], object]]], name: str) -> list[str]:
    """What is wrong with how each of many readers ends, by the name of its case; in one process."""
    wrong = []
    for case, read in cases:
        try:
            read()
        except (*IN_SENTENCES, MemoryError) as error:
            wrong += [f"{case}: {fault}" for fault in faults_of_sentence(str(error), name)]
        except Exception as error:
            wrong.append(f"{case}: a bare {type(error).__name__}: {error}")
    return wrong
