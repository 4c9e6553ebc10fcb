"""Leases: one training or restoration at a time on a device, and a device of its own for each of
several at once.

A lease is a lock on a file that names the device, in one folder for each user of a machine. The
system drops the lock with the process that holds it, however that ends; programs that the holder
starts do not inherit it.

The folder is in /tmp, whatever TMPDIR says, which Snakemake and users set by run, job or study, and
never beside the results: studies in two folders share the device. The environment variable
DENOISING_LEASES names another, for containers that each have their own /tmp, and for tests.
"""

import fcntl
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pynvml
from filelock import FileLock, Timeout

log = logging.getLogger(__name__)
progress = logging.getLogger("progress")  # said on the console too

POLL_SECONDS = 0.5


@contextmanager
def lease(device: str, job: str) -> Iterator[str]:
    """Wait for a device that no other lease of this user has, and let CUDA see that one alone.

    To be entered before TensorFlow first asks for GPUs: what CUDA sees cannot be changed
    afterwards.

    Parameters
    ----------
    device : {"auto", "cpu", "gpu"}
        `auto` and `gpu` lease a GPU where `visible_gpus` finds any; else, and for `cpu`, the CPU is
        leased: there is one such lease on a machine. In a job of Slurm the CPU is the job's own, so
        there is one in each job: jobs on a node do not wait for each other, while what runs side by
        side in one allocation does.
    job : str
        What the lease is for, said to those who wait.

    Yields
    ------
    str
        The leased device: a GPU as CUDA_VISIBLE_DEVICES has it now, its UUID wherever NVML tells
        it, or the CPU.

    Raises
    ------
    PermissionError
        If the folder of the leases is not this user's own.
    """
    if "SLURM_JOB_ID" in os.environ:
        os.environ.setdefault(
            "CUDA_VISIBLE_DEVICES", ""
        )  # given no GPU, it has none, whatever the node has
    gpus = [] if device == "cpu" else visible_gpus()
    folder = own_folder()
    kept = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(
            kept, fcntl.LOCK_SH
        )  # systemd does not clean up a locked folder, even after days of training
        name, lock = _wait(gpus or [_cpu()], folder, job)
        try:
            _holder(folder, name).write_text(f"process {os.getpid()}, {job}")
            if gpus:
                os.environ["CUDA_VISIBLE_DEVICES"] = name
            yield name
        finally:
            log.info("%s: released %s", job, name)
            lock.release()
    finally:
        os.close(kept)


def _wait(devices: list[str], folder: Path, job: str) -> tuple[str, FileLock]:
    """The first of the devices that is free, and its lock, acquired."""
    locks = {name: FileLock(_file(folder, name, "lock"), mode=0o600) for name in devices}
    start, waited = time.monotonic(), False
    while True:
        for name, lock in locks.items():
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            (progress if waited else log).info(
                "%s: leased %s after %.1f s", job, name, time.monotonic() - start
            )
            return name, lock
        if not waited:
            held = "; ".join(f"{name} by {_said(_holder(folder, name))}" for name in devices)
            progress.info("%s: waiting for a device, leased: %s", job, held)
            waited = True
        time.sleep(POLL_SECONDS)


def _file(folder: Path, name: str, kind: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9-]', '_', name)}.{kind}"


def _holder(folder: Path, name: str) -> Path:
    """Where a lease says whose it is: not in the locked file, which every attempt to lock it
    empties.
    """
    return _file(folder, name, "holder")


def _said(holder: Path) -> str:
    return holder.read_text() if holder.exists() else "a process that has not said more yet"


def own_folder() -> Path:
    """The folder of this user's leases on this machine, made if need be, which nobody else may
    enter.

    Raises
    ------
    PermissionError
        If what has its name is no folder of this user's, as when another user has put one there, or
        a link.
    """
    folder = Path(os.environ.get("DENOISING_LEASES") or f"/tmp/denoising-leases-{os.geteuid()}")
    try:
        folder.mkdir(0o700, parents=True)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(
                f"{folder}: expected a folder of this user's own, for leases on devices; found a"
                " link, or what belongs to another user. Have it removed, or name another folder"
                " of this machine in DENOISING_LEASES."
            ) from None
        folder.chmod(0o700)
    return folder


def _cpu() -> str:
    """The CPU, of the machine or of the job of Slurm."""
    job = os.environ.get("SLURM_JOB_ID")
    return f"CPU of job {job}" if job else "CPU"


def visible_gpus() -> list[str]:
    """The GPUs that CUDA would see, found without starting CUDA.

    Those that CUDA_VISIBLE_DEVICES names, where it is set (as a scheduler does for its jobs), up to
    the first that is not there, as CUDA reads it, but indices count in the order of the bus, as
    nvidia-smi has them; else all of them.

    Returns
    -------
    list of str
        UUIDs, of the MIG devices where a GPU is split into them. What CUDA_VISIBLE_DEVICES names
        stays as it is where NVML cannot tell its UUID.
    """
    cards = _cards()
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        return sum(cards, [])
    found = []
    for token in map(str.strip, os.environ["CUDA_VISIBLE_DEVICES"].split(",")):
        named = _named(token, cards)
        if not named:
            break
        found += named
    return list(dict.fromkeys(found))


def _named(token: str, cards: list[list[str]]) -> list[str]:
    """The devices that an entry of CUDA_VISIBLE_DEVICES names: by an index, or by a UUID or its
    beginning.
    """
    if token.isdigit():
        return sum(cards[int(token) :][:1], []) if cards else [token]
    if token.startswith(("GPU-", "MIG-")):
        return [uuid for uuid in sum(cards, []) if uuid.startswith(token)] or [token]
    return []


def _cards() -> list[list[str]]:
    """UUIDs of each card's devices (itself, or its MIG devices), in the order of the bus; none
    without a driver.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        cards = _told(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [[pynvml.nvmlDeviceGetUUID(device) for device in _devices(card)] for card in cards]
    finally:
        pynvml.nvmlShutdown()


def _devices(card) -> list:
    """NVML's handles of a card's MIG devices, or of the card where it is not split."""
    modes = _told(pynvml.nvmlDeviceGetMigMode, [card])  # none of a card that cannot be split
    if not modes or modes[0][0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return [card]
    numbers = range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card))
    return _told(lambda number: pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, number), numbers)


def _told(question: Callable, each: Iterable) -> list:
    """NVML's answers, without those it refuses: a card that is another job's, a MIG device that
    does not exist.
    """
    answers = []
    for thing in each:
        with suppress(pynvml.NVMLError):
            answers.append(question(thing))
    return answers
