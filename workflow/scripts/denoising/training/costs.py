"""Costs of training: arithmetic, memory and energy, beside the rate of the device."""

import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import pynvml
import tensorflow as tf

log = logging.getLogger(__name__)

MEGA = 1e6


def flop_per_voxel(network: keras.Model) -> float:
    """Floating-point operations of one forward pass per voxel of a patch.

    Only convolutions count, with 2 operations per multiplication. A training step takes three times
    as many: one pass forward, and the gradients to inputs and to weights.
    """
    return sum(
        scale * 2 * layer.kernel.shape.num_elements()
        for layer, scale in scaled_layers(network)
        if type(layer).__name__.startswith("Conv")
    )


def scaled_layers(network: keras.Model) -> Iterator[tuple[keras.Layer, float]]:
    """Each layer in the order of the forward pass, and its voxels per voxel of a patch."""
    scale = 1.0
    for layer in network.layers:
        name = type(layer).__name__
        if name.startswith("MaxPooling"):
            scale /= 2 ** len(layer.pool_size)
        elif name.startswith("UpSampling"):
            scale *= 2 ** len(layer.size)
        yield layer, scale


def matmul_rate(precision: str, on_gpu: bool) -> float:
    """FLOP per second that the device reaches in multiplying square matrices, the best of ten."""
    size = 8192 if on_gpu else 1536
    dtype = "float32" if precision == "tf32" else precision
    matrix = tf.cast(tf.random.stateless_uniform((size, size), [0, 0]), dtype)
    # One value comes back, which waits for the product
    product = tf.function(lambda: tf.linalg.matmul(matrix, matrix)[0, 0])
    product().numpy()
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        product().numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def matmul_rate_if_it_can(precision: str, on_gpu: bool) -> float | None:
    """`matmul_rate`, or None if the device has not the memory for it now."""
    try:
        return matmul_rate(precision, on_gpu)
    except tf.errors.OpError as error:
        log.warning("the rate of matrix products is not known: %s", error.message)
        return None


def host_memory() -> float:
    """Anonymous resident memory of this process now, in MB.

    Mapped files do not count, because they are the system's cache.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
        return kib * 1024 / MEGA
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGA  # bytes on macOS


def device_memory() -> float | None:
    """Peak of the GPU memory that TensorFlow has allocated, in MB; None without a GPU."""
    if not tf.config.get_visible_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / MEGA


class Gpu:
    """The GPU that this process runs on, as NVML sees it; every value is None without one."""

    def __init__(self, on_gpu: bool):
        self._handle = _handle() if on_gpu else None
        self._origin: float | None = None  # reading of the counter at which nothing was used

    def energy(self) -> float | None:
        """Energy used since the driver was loaded, by all its processes, in joules."""
        return self._query(lambda handle: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000)

    def start(self, earlier: float | None = 0.0) -> None:
        """Count energy from here on, and add what was used `earlier`, in joules."""
        now = self.energy()
        self._origin = None if now is None or earlier is None else now - earlier

    def used(self) -> float | None:
        """Energy used since `start`, with that of earlier, in joules."""
        now = self.energy()
        return None if now is None or self._origin is None else now - self._origin

    def free_memory(self) -> int | None:
        """Bytes that no process has taken."""
        return self._query(lambda handle: int(pynvml.nvmlDeviceGetMemoryInfo(handle).free))

    def _query(self, query: Callable[[Any], Any]) -> Any:
        if self._handle is None:
            return None
        try:
            return query(self._handle)
        except pynvml.NVMLError:  # older cards count no energy
            return None


def _handle() -> Any:
    """NVML's handle of the first visible device."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    try:
        pynvml.nvmlInit()
        if first.isdigit():  # in the order of the bus, which network.use_device asks CUDA for too
            return pynvml.nvmlDeviceGetHandleByIndex(int(first))
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    except pynvml.NVMLError:
        return None
