"""What training costs, against known counts and a made-up GPU."""

import keras
import numpy as np
import pytest
from csbdeep.models import CARE
from made_up import training_settings

from denoising.training import costs
from denoising.training.costs import Gpu, device_memory, flop_per_voxel, host_memory, matmul_rate
from denoising.training.network import care_config


def network(axes="ZYX", **changes):
    return CARE(care_config(training_settings(**changes), axes), basedir=None).keras_model


def test_the_published_network_takes_a_third_of_a_mflop_a_voxel():
    assert flop_per_voxel(network()) == pytest.approx(0.347e6, rel=0.01)


@pytest.mark.parametrize(
    ("axes", "changes"), [("ZYX", {"width": 4}), ("YX", {"depth": 3, "width": 2, "kernel": 5})]
)
def test_flop_are_those_of_every_convolution_at_its_own_scale(axes, changes):
    """Counted anew from the shapes that a patch takes on its way."""
    model = network(axes, **changes)
    shape = (16,) * len(axes)
    layers = [layer for layer in model.layers if type(layer).__name__.startswith("Conv")]
    outputs = keras.Model(model.input, [layer.output for layer in layers])(
        np.zeros((1, *shape, 1), np.float32)
    )
    flop = sum(
        2 * np.prod(output.shape[1:]) * np.prod(layer.kernel.shape[:-1])
        for layer, output in zip(layers, outputs, strict=True)
    )
    assert flop_per_voxel(model) == pytest.approx(flop / np.prod(shape))


def test_matrix_multiplication_has_a_rate():
    assert 1e8 < matmul_rate("float32", on_gpu=False) < 1e14


def test_host_memory_counts_what_belongs_to_no_file(tmp_path):
    np.save(tmp_path / "mapped.npy", np.ones(20_000_000, np.uint8))
    before = host_memory()
    mapped = np.load(tmp_path / "mapped.npy", mmap_mode="r")
    assert mapped.sum() == 20_000_000
    assert host_memory() - before < 10
    # Large, because other memory of this process may go meanwhile
    own = np.ones(300_000_000, np.uint8)
    assert 150 < host_memory() - before < 350
    del own


class FakeNvml:
    """One card, known by its place on the bus and by its UUID."""

    NVMLError = RuntimeError

    def __init__(self, energy=5_000):
        self.energy_counted = energy

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByIndex(self, index):
        return f"card {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return f"card {uuid}"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.energy_counted is None:
            raise RuntimeError("not supported")
        return self.energy_counted

    def nvmlDeviceGetMemoryInfo(self, handle):
        return type("Info", (), {"free": {"card 0": 8, "card 1": 7, "card GPU-ab": 6}[handle]})


@pytest.mark.parametrize(("visible", "free"), [(None, 8), ("1,0", 7), ("GPU-ab", 6)])
def test_nvml_is_asked_of_the_first_visible_gpu(monkeypatch, visible, free):
    monkeypatch.setattr(costs, "pynvml", FakeNvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu(on_gpu=True).free_memory() == free
    assert Gpu(on_gpu=True).energy() == 5.0  # J, counted in mJ


def test_what_nvml_cannot_tell_is_left_out(monkeypatch):
    monkeypatch.setattr(costs, "pynvml", FakeNvml(energy=None))
    assert Gpu(on_gpu=True).energy() is None
    assert Gpu(on_gpu=True).free_memory() == 8


def test_there_is_nothing_to_tell_without_a_gpu():
    assert (Gpu(on_gpu=False).energy(), Gpu(on_gpu=False).free_memory(), device_memory()) == (
        None,
        None,
        None,
    )
    assert Gpu(on_gpu=True).free_memory() is None  # nor where NVML finds no driver
