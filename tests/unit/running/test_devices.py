"""Reservations: never two on one GPU, each of several its own, held until the holder has ended,
however it ends.
"""

import fcntl
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from denoising.running import devices
from denoising.running.devices import own_folder, reserve_device, visible_gpus

HOLD = """
import logging, signal, subprocess, sys, time
from denoising.running.devices import reserve_device
# which what runs in the background ignores
signal.signal(signal.SIGINT, signal.default_int_handler)
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
print("holds", reserve_device(sys.argv[1], sys.argv[2]), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine without driver, whose reservations are the test's own, and end with it."""
    opened = []
    system = os.open
    monkeypatch.setattr(os, "open", lambda *how: opened.append(system(*how)) or opened[-1])
    monkeypatch.setenv("DENOISING_LEASES", str(tmp_path / "leases"))
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "pynvml", FakeNvml([]))
    monkeypatch.setattr(devices, "POLL_SECONDS", 0.01)
    yield monkeypatch
    for descriptor in opened:
        with suppress(OSError):  # the others, which were not the chosen GPU's
            os.close(descriptor)


class FakeNvml:
    """Cards by UUID, in the order of the bus; None is another job's."""

    NVMLError = RuntimeError

    def __init__(self, cards):
        self.cards = cards
        self.initialised = 0

    def nvmlInit(self):
        if not self.cards:
            raise RuntimeError("no driver")
        self.initialised += 1

    def nvmlShutdown(self):
        self.initialised -= 1

    def nvmlDeviceGetCount(self):
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):
        if self.cards[index] is None:
            raise RuntimeError("no permission")
        return self.cards[index]

    def nvmlDeviceGetUUID(self, device):
        return device


class Holder:
    """A process of its own that holds a reservation until it is told to end."""

    def __init__(self, device="auto", job="a job", code=HOLD, **environment):
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(devices.__file__).parents[2]),
            **environment,
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [sys.executable, "-c", code, device, job]
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def wait_for(self, word):
        """Until the process has said a line with this word; returns the line."""
        limit = threading.Timer(30, self.process.kill)
        limit.start()
        line = next((line for line in self.process.stdout if word in line), None)
        limit.cancel()
        assert line, f"ended without {word!r}, by itself or after 30 s"
        return line.strip()

    def end(self):
        self.process.communicate()


@pytest.fixture
def hold():
    holders = []

    def start(*arguments, **environment):
        holders.append(Holder(*arguments, **environment))
        return holders[-1]

    yield start
    for holder in holders:
        holder.process.kill()
        holder.process.wait()
        holder.process.stdin.close()
        holder.process.stdout.close()


# Which devices


@pytest.mark.parametrize(
    ("cards", "visible", "expected"),
    [
        ([], None, []),
        (["GPU-a", "GPU-b"], None, ["GPU-a", "GPU-b"]),
        (["GPU-a", "GPU-b"], "1", ["GPU-b"]),
        (["GPU-a", "GPU-b"], " 1 , 0", ["GPU-b", "GPU-a"]),
        (["GPU-a", "GPU-b"], "GPU-b", ["GPU-b"]),
        (["GPU-a1", "GPU-b2"], "GPU-b", ["GPU-b2"]),  # CUDA takes the beginning of a UUID
        (["GPU-a", "GPU-b"], "1,GPU-b,1", ["GPU-b"]),
        (["GPU-a", "GPU-b"], "1,-1,0", ["GPU-b"]),  # CUDA stops at the first that is not there
        (["GPU-a", "GPU-b"], "1,2,0", ["GPU-b"]),
        (["GPU-a", "GPU-b"], "", []),
        (["GPU-a", "GPU-b"], "-1", []),
        (["GPU-a", "GPU-b"], "NoDevFiles", []),
        (["GPU-a"], "MIG-b,MIG-c", ["MIG-b", "MIG-c"]),
        ([None, "GPU-b"], None, ["GPU-b"]),
        ([None, "GPU-b"], "0", ["GPU-b"]),  # CUDA counts those that the job may use
        (["GPU-a"], "MIG-GPU-a/1/0", ["MIG-GPU-a/1/0"]),
        ([], "GPU-a,3", ["GPU-a", "3"]),  # a container without NVML
    ],
)
def test_devices_are_those_that_cuda_would_see(machine, cards, visible, expected):
    nvml = FakeNvml(cards)
    machine.setattr(devices, "pynvml", nvml)
    if visible is not None:
        machine.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == expected
    assert nvml.initialised == 0


def test_cuda_sees_the_reserved_device_alone(machine):
    machine.setattr(devices, "pynvml", FakeNvml(["GPU-a", "GPU-b"]))
    machine.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    device = reserve_device("gpu", "a job")
    assert device == os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"


def test_each_of_several_jobs_gets_a_device_of_its_own(machine, hold):
    """One told of it by UUID, the other by index."""
    assert hold(CUDA_VISIBLE_DEVICES="GPU-x").wait_for("holds") == "holds GPU-x"
    machine.setattr(devices, "pynvml", FakeNvml(["GPU-x", "GPU-y"]))
    machine.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert reserve_device("auto", "a job") == "GPU-y"


@pytest.mark.parametrize("cards", [[], ["GPU-a"]])
def test_a_cpu_is_not_reserved(machine, tmp_path, cards):
    """Where it is asked for, or all there is: two jobs run side by side."""
    machine.setattr(devices, "pynvml", FakeNvml(cards))
    device = "cpu" if cards else "auto"
    assert reserve_device(device, "a job") == reserve_device(device, "another job") == "CPU"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert not (tmp_path / "leases").exists()


def test_a_job_of_slurm_that_was_given_no_gpu_has_none_of_the_nodes(machine):
    machine.setattr(devices, "pynvml", FakeNvml(["GPU-a"]))
    machine.setenv("SLURM_JOB_ID", "7")
    machine.setenv("CUDA_VISIBLE_DEVICES", "to be put back as it was")
    machine.delenv("CUDA_VISIBLE_DEVICES")
    assert reserve_device("auto", "training") == "CPU"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


# Taking turns


@pytest.fixture
def one_gpu(machine):
    """A machine with one GPU, which its processes know by its UUID."""
    machine.setenv("CUDA_VISIBLE_DEVICES", "GPU-a")


@pytest.mark.usefixtures("one_gpu")
def test_the_one_that_waits_says_for_whom_and_goes_on_when_the_device_is_free(hold):
    first = hold("auto", "training of worm")
    first.wait_for("holds")
    second = hold("auto", "restoration of beetle")
    waits = (
        "restoration of beetle: waiting for a GPU, reserved: GPU-a by process"
        f" {first.process.pid}, training of worm"
    )
    assert waits in second.wait_for("waiting")
    first.end()
    assert "restoration of beetle: reserved GPU-a after" in second.wait_for("reserved GPU-a")


@pytest.mark.usefixtures("one_gpu")
def test_waiting_is_said_once_and_on_the_console(hold, machine, caplog):
    caplog.set_level(logging.INFO)
    holder = hold()
    holder.wait_for("holds")
    naps = []
    machine.setattr(
        time, "sleep", lambda seconds: naps.append(seconds) or (len(naps) == 5 and holder.end())
    )
    reserve_device("auto", "a job")
    said = [record.getMessage() for record in caplog.records if record.name == "progress"]
    assert len(naps) == 5
    assert [text.split(" ")[2] for text in said] == ["waiting", "reserved"]


@pytest.mark.usefixtures("one_gpu")
def test_a_free_device_is_reserved_at_once_and_quietly(caplog, machine):
    caplog.set_level(logging.INFO)
    machine.setattr(time, "sleep", None)
    reserve_device("auto", "a job")
    (record,) = caplog.records
    assert record.name == "denoising.running.devices"
    assert record.getMessage() == "a job: reserved GPU-a after 0.0 s"


@pytest.mark.usefixtures("one_gpu")
def test_a_holder_whose_work_is_done_keeps_the_device_until_it_has_ended(hold):
    """Until then TensorFlow has not given back the memory."""
    code = HOLD.replace("print(", "def work():\n    print(").replace(
        "sys.stdin.read()", "work()\nprint('done', flush=True)\nsys.stdin.read()"
    )
    first = hold(code=code)
    first.wait_for("done")
    second = hold()
    second.wait_for("waiting")
    first.end()
    second.wait_for("holds")


@pytest.mark.usefixtures("one_gpu")
def test_an_error_frees_the_device(hold):
    first = hold(code=HOLD.replace("sys.stdin.read()", "raise ValueError('in the work')"))
    first.wait_for("in the work")
    first.process.wait()
    hold().wait_for("holds")


@pytest.mark.usefixtures("one_gpu")
def test_a_killed_holder_frees_the_device_at_once_though_a_process_it_started_lives_on(
    hold, tmp_path
):
    """A process started without closing what it could inherit."""
    code = HOLD.replace(
        "sys.stdin.read()",
        "print(subprocess.Popen(['sleep', '60'], close_fds=False).pid, flush=True)",
    )
    code += "time.sleep(60)\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(devices.__file__).parents[2])}
    command = [sys.executable, "-c", code, "auto", "a job"]
    with subprocess.Popen(command, text=True, env=environment, stdout=subprocess.PIPE) as holder:
        lines = (line for line in holder.stdout if "INFO" not in line)
        assert next(lines) == "holds GPU-a\n"
        child = int(next(lines))
        try:
            second = hold()
            second.wait_for("waiting")
            holder.kill()
            start = time.monotonic()
            second.wait_for("holds")
            assert time.monotonic() - start < 2
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_one_that_waits_ends_at_once_when_asked_to(hold, number):
    hold().wait_for("holds")
    second = hold()
    second.wait_for("waiting")
    second.process.send_signal(number)
    assert second.process.wait(timeout=5) != 0


# The folder


@pytest.mark.usefixtures("one_gpu")
def test_the_folder_is_the_users_alone(tmp_path):
    reserve_device("auto", "a job")
    folder = tmp_path / "leases"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "GPU-a.lock").stat().st_mode) == 0o600


def test_the_folder_is_made_where_it_is_asked_for(machine, tmp_path):
    machine.setenv("DENOISING_LEASES", str(tmp_path / "of" / "leases"))
    assert stat.S_IMODE(own_folder().stat().st_mode) == 0o700


def test_an_own_folder_that_others_may_enter_is_closed(tmp_path):
    (tmp_path / "leases").mkdir(0o777)
    (tmp_path / "leases").chmod(0o777)
    assert stat.S_IMODE(own_folder().stat().st_mode) == 0o700


def test_the_folder_is_one_for_a_user_and_a_machine_whatever_the_run_calls_temporary(
    machine, tmp_path
):
    machine.delenv("DENOISING_LEASES")
    machine.setenv("TMPDIR", str(tmp_path))
    machine.setattr(os, "geteuid", lambda: 10**9 + 7)
    made = []
    machine.setattr(Path, "mkdir", lambda path, mode, parents: made.append((path, mode)))
    with pytest.raises(PermissionError, match="^/tmp/denoising-leases-1000000007: "):
        own_folder()
    assert made == [(Path("/tmp/denoising-leases-1000000007"), 0o700)]


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize("what", ["link", "file", "another user's"])
def test_what_another_user_put_there_is_refused(machine, tmp_path, what):
    path = tmp_path / "leases"
    if what == "link":
        (tmp_path / "elsewhere").mkdir()
        path.symlink_to(tmp_path / "elsewhere")
    elif what == "file":
        path.touch()
    else:
        path.mkdir()
        machine.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="expected a folder of this user's own"):
        reserve_device("auto", "a job")


@pytest.mark.usefixtures("one_gpu")
def test_the_folder_is_locked_against_cleaning_while_a_device_is_reserved(tmp_path):
    """systemd-tmpfiles leaves folders alone whose lock it cannot have."""
    folder = os.open(own_folder(), os.O_RDONLY)
    reserve_device("auto", "a job")
    with pytest.raises(BlockingIOError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_device_is_one_file_whatever_its_name_holds(machine, tmp_path):
    machine.setenv("CUDA_VISIBLE_DEVICES", "MIG-GPU-a/1/0")
    reserve_device("auto", "a job")
    assert (tmp_path / "leases" / "MIG-GPU-a_1_0.lock").exists()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-GPU-a/1/0"
