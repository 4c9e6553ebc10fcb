"""The network: csbdeep's CARE U-Net, its configuration, its folder, and the device it runs on."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf
from csbdeep.models import CARE, Config

from denoising.running.caches import keep_compiled_kernels
from denoising.running.checksums import sha256_of
from denoising.running.reasons import is_not_the_files_fault, reason
from denoising.study.training import Training
from denoising.training.cards import check_card

log = logging.getLogger(__name__)
# Errors while a network is loaded that are not its files' fault
OF_THE_DEVICE = (
    tf.errors.ResourceExhaustedError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)
console = logging.getLogger("progress")  # it writes to the console too


@dataclass(frozen=True)
class Device:
    """Where this process runs its networks.

    `kind` is CPU or GPU; `capability` is a GPU's CUDA compute capability.
    """

    kind: str
    name: str
    capability: tuple[int, int] = (0, 0)

    @property
    def on_gpu(self) -> bool:
        return self.kind == "GPU"


def use_device(device: str, threads: int, memory_growth: bool = True) -> Device:
    """Choose where TensorFlow runs in this process, before it has run anything.

    Float32 is float32: a GPU does not round it to the 10 bits of TF32 in products, which a training
    may ask for (see `set_precision`).

    Parameters
    ----------
    device : {"auto", "cpu", "gpu"}
        `auto` takes a GPU where one is visible; `gpu` insists on one; `cpu` leaves it alone.
    threads : int
        CPU threads for one operation.
    memory_growth : bool
        Whether GPU memory is taken as it is needed, instead of the whole card at once.

    Raises
    ------
    RuntimeError
        If `device` is "gpu" and none is visible, or TensorFlow has no code for the card.
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as NVML counts them
    keep_compiled_kernels()
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise RuntimeError(
            "device: gpu, but TensorFlow sees no GPU. Check the driver (nvidia-smi), the CUDA"
            " libraries (make install-gpu), and that a cluster's job asked for a GPU; or set"
            " device: auto to run on the CPU."
        )
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    if device == "auto" and not gpus:
        _warn_of_missing_gpu()
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        chosen = Device("CPU", f"CPU, {threads} threads")
    else:
        tf.config.set_visible_devices(gpus[:1], "GPU")  # a job runs on one
        tf.config.experimental.set_memory_growth(gpus[0], memory_growth)
        details = tf.config.experimental.get_device_details(gpus[0])
        name = details.get("device_name", gpus[0].name)
        chosen = Device("GPU", f"GPU, {name}", details.get("compute_capability", (0, 0)))
        check_card(name, chosen.capability)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    log.info("device: %s", chosen.name)
    return chosen


def _warn_of_missing_gpu() -> None:
    """Warn on the console if this job has reserved a GPU that TensorFlow does not see."""
    reserved = os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith(("GPU-", "MIG-"))
    (console if reserved else log).warning(
        "no GPU is visible to TensorFlow%s: running on the CPU; with device: gpu this would be"
        " an error",
        ", though there is one (make install-gpu)" if reserved else "",
    )


def chosen_precision(precision: str, device: Device) -> str:
    """Arithmetic of the U-Net's body: `auto` takes the fastest that trains safely on the device.

    Parameters
    ----------
    precision : {"auto", "float32", "tf32", "bfloat16", "float16"}
    device : Device
        bfloat16, which needs no loss scaling, is fast from compute capability 8.0, float16 from
        7.0. Cards have TF32 from 8.0.

    Raises
    ------
    ValueError
        For tf32 on a device that has none, and for float16 on a CPU, where TensorFlow has not all
        it takes.
    """
    if precision == "float16" and not device.on_gpu:
        raise ValueError("precision: float16 needs a GPU; on a CPU set bfloat16, float32 or auto.")
    if precision == "tf32" and device.capability < (8, 0):
        raise ValueError(
            f"precision: tf32 needs a GPU of compute capability 8.0 or more, not {device.name}; set"
            " float32 or auto."
        )
    if precision != "auto":
        return precision
    if not device.on_gpu or device.capability < (7, 0):
        return "float32"
    return "bfloat16" if device.capability >= (8, 0) else "float16"


def set_precision(network: keras.Model, precision: str) -> None:
    """Let the U-Net's body compute in `precision`; weights, final layers and output stay float32.

    The final layers are the convolutions with kernels of one voxel, for mean and scale, and all
    that follows them. Except for "float32", a GPU may multiply their float32 values in TF32, whose
    mantissa has 10 bits, more than that of bfloat16 and as many as that of float16.
    """
    tf.config.experimental.enable_tensor_float_32_execution(precision != "float32")
    policy = "float32" if precision in ("float32", "tf32") else f"mixed_{precision}"
    for layer in network.layers:
        if set(getattr(layer, "kernel_size", ())) == {1}:
            return
        if not isinstance(layer, keras.layers.InputLayer):
            layer.dtype_policy = keras.DTypePolicy(policy)


def care_config(settings: Training, axes: str) -> Config:
    """csbdeep's configuration of one model, for patches with the axes "YX" or "ZYX"."""
    return Config(
        axes,
        n_channel_in=1,
        n_channel_out=1,
        probabilistic=settings.is_probabilistic,
        unet_n_depth=settings.depth,
        unet_kern_size=settings.kernel,
        unet_n_first=settings.width,
        unet_residual=settings.residual,
        unet_last_activation=settings.last_activation,
        train_loss=settings.loss,
        train_epochs=settings.epochs,
        train_steps_per_epoch=settings.steps_per_epoch,
        train_batch_size=settings.batch_size,
        train_learning_rate=settings.learning_rate,
        train_reduce_lr={
            "factor": settings.plateau_factor,
            "patience": settings.plateau_patience,
            "min_delta": settings.plateau_min_delta,
        },
        train_tensorboard=False,
        train_checkpoint="weights_best.h5",
        train_checkpoint_last=None,
        train_checkpoint_epoch=None,
    )


def load_model(folder: Path) -> CARE:
    """Load a model folder (config.json, weights_best.h5 or other weights), as csbdeep would.

    Raises
    ------
    ValueError
        If it has no weights: csbdeep would only warn, and restore with random ones. If they do
        not fit its config.json. If a training of this workflow wrote other files than those that
        are there.
    """
    if not list(folder.glob("*.h5")):
        raise ValueError(
            f"{folder}: holds no weights (weights_best.h5); train the model again, or copy all of "
            "its folder here."
        )
    _check_sealed(folder)
    try:
        return CARE(None, name=folder.name, basedir=str(folder.parent))
    except OF_THE_DEVICE:
        raise
    # h5py and Keras raise errors of many kinds for files that are damaged or made to do harm
    except Exception as error:
        if is_not_the_files_fault(error):
            raise
        raise ValueError(
            f"{folder}: the weights do not fit the network that config.json describes, or are "
            f"damaged; copy both files of the same training here. Keras said: {reason(error)}"
        ) from None


def _check_sealed(folder: Path) -> None:
    """Refuse weights under the name of a training that did not write them."""
    described = folder / "training.json"
    sums = json.loads(described.read_text()).get("sha256", {}) if described.is_file() else {}
    for name, expected in sums.items():
        if sha256_of(folder / name) != expected:
            raise ValueError(
                f"{folder / name}: is not the file that the training wrote, by its checksum in "
                "training.json; train the model again, or give its folder another name and delete "
                "training.json there."
            )


def halo(depth: int, kernel: int) -> int:
    """Voxels of context that a core starting on a multiple of 2**depth needs on each side.

    Each level has two convolutions on the way down and two on the way up (two at the bottom), each
    reaching kernel // 2 voxels of its level; pooling and upsampling add up to 2**depth - 1. Rounded
    up to a multiple of 2**depth: 24 for depth 2 and kernel 3.
    """
    step = 2**depth
    reach = (kernel // 2) * (4 * (step - 1) + 2 * step) + step - 1
    return -(-reach // step) * step
