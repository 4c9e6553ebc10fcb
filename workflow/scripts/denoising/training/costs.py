"""Costs of training: arithmetic and memory, beside the rate of the device."""

import logging
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from denoising.running.gpus import Gpu

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


def free_memory(on_gpu: bool, job_mb: float) -> float:
    """Bytes that a network may take, before TensorFlow takes any of them.

    They are those of the GPU; without one, or if it does not tell, what is left of the job's
    `job_mb` megabytes.
    """
    return Gpu(on_gpu).free_memory() or (job_mb - host_memory()) * MEGA


def device_memory() -> float | None:
    """Peak of the GPU memory that TensorFlow has allocated, in MB; None without a GPU."""
    if not tf.config.get_visible_devices("GPU"):
        return None
    try:
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / MEGA
    except (tf.errors.OpError, ValueError) as error:
        log.warning("the peak of the GPU's memory is not known: %s", error)
        return None
