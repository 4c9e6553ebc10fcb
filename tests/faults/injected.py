"""Faults inside jobs. A copy of this file is the `sitecustomize` of a workflow under test, which
every job's Python imports at its start.

The environment variable FAULT says which faults: `ACTION@MOMENT`, one after the other between
commas. Each meets one job of each rule, when the job is about to write its first output (`first`),
to give the last of them its name (`last`), or to write the checkpoint of the second epoch
(`checkpoint`). FAULT_RULES are the rules that suffer it, all if it is empty. FAULT_FOLDER keeps
RULE.NUMBER for each fault that a rule has suffered. `unreadable@PATH` refuses every job that file.
"""

import errno
import os
import signal
import sys
import time
from pathlib import Path


def pause():
    """Until the file `go` appears in the folder of the faults, or a test has ended without it."""
    until = time.monotonic() + 300
    while not (FOLDER / "go").exists() and time.monotonic() < until:
        time.sleep(0.05)


def full():
    raise OSError(errno.ENOSPC, "No space left on device")


def out_of_memory():
    raise MemoryError


def device():
    """What TensorFlow raises when its GPU is gone."""
    import tensorflow as tf

    raise tf.errors.InternalError(None, None, "CUDA_ERROR_DEVICE_UNAVAILABLE: device is busy")


def device_memory():
    import tensorflow as tf

    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


ACTIONS = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "full": full,
    "memory": out_of_memory,
    "pause": pause,
    "device": device,
    "device-memory": device_memory,
}
WRITES = os.O_WRONLY | os.O_RDWR
FOLDER = Path(os.environ.get("FAULT_FOLDER", "."))
FAULTS = [fault.split("@") for fault in os.environ.get("FAULT", "").split(",") if fault]
RULES = os.environ.get("FAULT_RULES", "").split()


def written(event, arguments):
    """The path that is opened to be written, or that a file is about to get for its name."""
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        path, _, flags = arguments
        # In a folder tempfile opens a file without a name, or makes it in another way
        is_file = bool(flags & WRITES) and not os.path.isdir(path)
        return os.path.relpath(path) if is_file else None
    return os.path.relpath(arguments[1]) if event == "os.rename" else None


def is_moment(moment, path, outputs):
    """Whether this write is the one that meets the fault."""
    if moment == "checkpoint":
        return path.startswith("results/checkpoints/") and "/epoch-00002" in path
    its_own = [output for output in outputs if path == output or path.startswith(f"{output}/")]
    if moment == "first":
        return bool(its_own) or path.removesuffix(".partial") in outputs
    others = [output for output in outputs if output not in its_own]
    return bool(its_own) and all(map(os.path.exists, others))


def refuse_to_read(unreadable, event, arguments):
    """Refuse one file to Python itself."""
    path = arguments[0] if event == "open" else None
    if isinstance(path, (str, os.PathLike)) and os.path.relpath(path) == unreadable:
        raise PermissionError(errno.EACCES, "Permission denied", unreadable)


def meet(event, arguments):
    job = getattr(sys.modules.get("__main__"), "snakemake", None)
    if event not in ("open", "os.rename") or job is None or (RULES and job.rule not in RULES):
        return
    left = [
        (FOLDER / f"{job.rule}.{number}", *fault)
        for number, fault in enumerate(FAULTS)
        if not (FOLDER / f"{job.rule}.{number}").exists()
    ]
    if not left:
        return
    suffered, action, moment = left[0]
    if action == "unreadable":
        refuse_to_read(moment, event, arguments)
        return
    path = written(event, arguments)
    if path and is_moment(moment, path, list(job.output)):
        try:
            suffered.mkdir()
        except FileExistsError:  # another job of the rule was faster
            return
        ACTIONS[action]()


if FAULTS and "/.snakemake/scripts/" in " ".join(sys.orig_argv):
    sys.addaudithook(meet)
