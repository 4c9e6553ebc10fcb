"""What a device's errors mean: no memory left, or no way to compile.

A GPU's libraries (cuDNN, cuBLAS, XLA, CUDA's driver) say so in errors of several kinds.
"""

import re

import tensorflow as tf

from denoising.running.reasons import EXHAUSTED

DISGUISES = (tf.errors.InternalError, tf.errors.UnknownError, tf.errors.NotFoundError)
# Which has one of two causes: no memory for any algorithm, or none for such a convolution
NO_ALGORITHM = re.compile(
    "no algorithm worked|failed to (find|determine) best [^:]*algorithm", re.IGNORECASE
)


def is_out_of_memory(error: tf.errors.OpError) -> bool:
    """Whether the device lacked memory, or may have: see `is_without_algorithm`."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return True
    return _is_disguised(error) and bool(
        EXHAUSTED.search(error.message) or NO_ALGORITHM.search(error.message)
    )


def is_without_algorithm(error: tf.errors.OpError) -> bool:
    """Whether cuDNN found no algorithm for a convolution and did not say that memory was short."""
    return (
        _is_disguised(error)
        and bool(NO_ALGORITHM.search(error.message))
        and not EXHAUSTED.search(error.message)
    )


def _is_disguised(error: tf.errors.OpError) -> bool:
    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    return on_gpu and isinstance(error, DISGUISES)
