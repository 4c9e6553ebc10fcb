"""Which GPUs this TensorFlow has code for.

TensorFlow carries machine code for some compute capabilities, which newer cards of the same
generation run too, and PTX of one, which the driver compiles for later cards at their first use.
"""

import logging

import tensorflow as tf

from denoising.running.caches import keep_compiled_kernels

console = logging.getLogger("progress")  # it writes to the console too

Capability = tuple[int, int]
# TensorFlow 2.19's PTX fails on these (CUDA_ERROR_INVALID_PTX, INVALID_HANDLE; its issues 89272,
# 97387, 99592, 101746)
FIRST_WITHOUT_CODE = (10, 0)


def check_card(name: str, capability: Capability) -> None:
    """Refuse a card without code, and say where the driver will compile it.

    Raises
    ------
    RuntimeError
        If TensorFlow has no code for the card.
    """
    known = _known()
    oldest = min(known, default=(0, 0))
    if capability >= FIRST_WITHOUT_CODE or capability < oldest:
        raise RuntimeError(
            f"{name} has compute capability {_text(capability)}, for which TensorFlow"
            f" {tf.__version__} has no code: it has code from {_text(oldest)} to below"
            f" {_text(FIRST_WITHOUT_CODE)}. Name another card in CUDA_VISIBLE_DEVICES, or set"
            " device: cpu."
        )
    folder = keep_compiled_kernels()
    if not _runs(capability, known) and not (folder.is_dir() and any(folder.iterdir())):
        console.warning(
            "TensorFlow has no machine code for compute capability %s (%s): the driver compiles it"
            " now, at the first start, which can take minutes. It is kept in %s.",
            _text(capability),
            name,
            folder,
        )


def _known() -> list[Capability]:
    """Compute capabilities of TensorFlow's machine code."""
    named = tf.sysconfig.get_build_info().get("cuda_compute_capabilities", [])
    codes = [name.removeprefix("sm_") for name in named if name.startswith("sm_")]
    return [(int(code[:-1]), int(code[-1])) for code in codes]


def _runs(capability: Capability, known: list[Capability]) -> bool:
    """Whether a card runs one of these machine codes."""
    major, minor = capability
    return any(code[0] == major and code[1] <= minor for code in known)


def _text(capability: Capability) -> str:
    return "{}.{}".format(*capability)
