"""Reservation of GPUs: one training or restoration at a time on each.

A reservation is a lock on a file named for the GPU, in a folder of this user on this machine.
The system drops the lock with the process that holds it, however that ends, and not before: a
process gives back the memory of a GPU only at its end, and the next job would find it taken.
Programs that the process starts do not inherit the lock.

The folder is in /tmp, whatever TMPDIR says, so that studies in several folders share the GPUs.
The environment variable DENOISING_LEASES names another folder, for containers that each have their
own /tmp, and for tests.
"""

import fcntl
import logging
import os
import re
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import pynvml

log = logging.getLogger(__name__)
progress = logging.getLogger("progress")  # printed on the console too

POLL_SECONDS = 0.5


def reserve_device(device: str, job: str) -> str:
    """Wait for a GPU that no other job of this user has reserved, and let CUDA see it alone.

    It is this process's until it ends. Call this before TensorFlow first asks for GPUs: later,
    CUDA sees what it saw then.

    Parameters
    ----------
    device : {"auto", "cpu", "gpu"}
        "auto" and "gpu" reserve one of `visible_gpus`. Without any, and for "cpu", nothing is
        reserved: Snakemake's cores limit what runs on a CPU.
    job : str
        Its name, which is printed to those that wait.

    Returns
    -------
    str
        The reserved GPU as CUDA_VISIBLE_DEVICES names it now, or "CPU".

    Raises
    ------
    PermissionError
        If the folder of the locks is not this user's own.
    """
    if "SLURM_JOB_ID" in os.environ:  # a job without GPU unless Slurm names one
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    gpus = [] if device == "cpu" else visible_gpus()
    if not gpus:
        return "CPU"
    folder = own_folder()
    opened = os.open(folder, os.O_RDONLY)
    fcntl.flock(opened, fcntl.LOCK_SH)  # systemd cleans up no locked folder, even after days
    files = {gpu: _lock_file(folder, gpu) for gpu in gpus}
    gpu = _wait(files, job)
    for other, file in files.items():
        if other != gpu:
            os.close(file)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    return gpu


def _lock_file(folder: Path, gpu: str) -> int:
    name = re.sub("[^A-Za-z0-9-]", "_", gpu)
    return os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)


def _wait(files: dict[str, int], job: str) -> str:
    """Lock the file of the first GPU that is free, and write into it who holds it."""
    start = time.monotonic()
    logger = log
    while True:
        for gpu, file in files.items():
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.truncate(file, 0)
                os.pwrite(file, f"process {os.getpid()}, {job}".encode(), 0)
                logger.info("%s: reserved %s after %.1f s", job, gpu, time.monotonic() - start)
                return gpu
        if logger is log:
            logger = progress
            held = (f"{gpu} by {os.pread(file, 999, 0).decode()}" for gpu, file in files.items())
            logger.info("%s: waiting for a GPU, reserved: %s", job, "; ".join(held))
        time.sleep(POLL_SECONDS)


def own_folder() -> Path:
    """Folder of this user's locks on this machine, made if need be, which nobody else may enter."""
    folder = Path(os.environ.get("DENOISING_LEASES") or f"/tmp/denoising-leases-{os.geteuid()}")
    with suppress(FileExistsError):
        folder.mkdir(0o700, parents=True)
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(
            f"{folder}: expected a folder of this user's own, for locks on devices, but it is a"
            " link, a file or another user's. Have it removed, or name another folder of this"
            " machine in DENOISING_LEASES."
        )
    folder.chmod(0o700)
    return folder


def visible_gpus() -> list[str]:
    """GPUs that CUDA would see, without starting CUDA, by UUID if NVML knows it.

    These are the GPUs that CUDA_VISIBLE_DEVICES names, up to the first that is not there; all GPUs
    if it is not set. Its indices count in the order of the bus. A GPU that is split into MIG
    devices counts as one, unless CUDA_VISIBLE_DEVICES names parts.
    """
    uuids = _uuids()
    if "CUDA_VISIBLE_DEVICES" not in os.environ:
        return uuids
    entries = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    named = (_named(entry.strip(), uuids) for entry in entries)
    return list(dict.fromkeys(takewhile(bool, named)))


def _named(entry: str, uuids: list[str]) -> str:
    """The GPU that an entry names by its index, its UUID or the UUID's beginning; "" if none."""
    if entry.isdigit():
        return dict(enumerate(uuids)).get(int(entry), "") if uuids else entry
    if entry.startswith(("GPU-", "MIG-")):
        return next((uuid for uuid in uuids if uuid.startswith(entry)), entry)
    return ""


def _uuids() -> list[str]:
    """UUIDs of this machine's GPUs in the order of the bus; none without a driver."""
    uuids = []
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            with suppress(pynvml.NVMLError):  # another job's GPU
                uuids.append(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))
        pynvml.nvmlShutdown()
    return uuids
