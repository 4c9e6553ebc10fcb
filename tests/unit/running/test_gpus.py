"""What NVML tells of a GPU, by a made-up one."""

import pytest

from denoising.running import gpus
from denoising.running.gpus import Card, Gpu


class FakeNvml:
    """One card, known by its place on the bus and by its UUID."""

    NVMLError = RuntimeError

    def __init__(self, energy=5_000, has_driver=True):
        self.energy_counted = energy
        self.has_driver = has_driver

    def nvmlInit(self):
        if not self.has_driver:
            raise RuntimeError("no driver")

    def nvmlDeviceGetHandleByIndex(self, index):
        return f"card {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return f"card {uuid}"

    def nvmlDeviceGetName(self, handle):
        return f"the {handle}"

    def nvmlDeviceGetCudaComputeCapability(self, handle):
        return (8, 6)

    def nvmlSystemGetDriverVersion(self):
        return "550.54"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.energy_counted is None:
            raise RuntimeError("not supported")
        return self.energy_counted

    def nvmlDeviceGetMemoryInfo(self, handle):
        return type("Info", (), {"free": {"card 0": 8, "card 1": 7, "card GPU-ab": 6}[handle]})


@pytest.mark.parametrize(("visible", "free"), [(None, 8), ("1,0", 7), ("GPU-ab", 6), ("", None)])
def test_nvml_is_asked_of_the_first_visible_gpu(monkeypatch, visible, free):
    monkeypatch.setattr(gpus, "pynvml", FakeNvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu(on_gpu=True).free_memory() == free


def test_what_nvml_cannot_tell_is_left_out(monkeypatch):
    monkeypatch.setattr(gpus, "pynvml", FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert Gpu(on_gpu=True).energy() == 5.0  # J, counted in mJ
    monkeypatch.setattr(gpus, "pynvml", FakeNvml(energy=None))
    assert Gpu(on_gpu=True).energy() is None
    assert Gpu(on_gpu=True).free_memory() == 8


def test_a_card_is_told_by_name_capability_and_driver(monkeypatch):
    monkeypatch.setattr(gpus, "pynvml", FakeNvml())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-ab")
    assert Gpu(on_gpu=True).card() == Card("the card GPU-ab", (8, 6), "550.54")


@pytest.mark.parametrize("on_gpu", [True, False])
def test_there_is_nothing_to_tell_without_a_gpu_or_a_driver(on_gpu, monkeypatch):
    monkeypatch.setattr(gpus, "pynvml", FakeNvml(has_driver=False))
    gpu = Gpu(on_gpu)
    assert (gpu.energy(), gpu.free_memory(), gpu.card()) == (None, None, None)
