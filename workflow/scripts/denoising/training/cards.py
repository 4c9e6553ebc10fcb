"""Which GPUs TensorFlow 2.19 has code for.

It carries machine code for some compute capabilities, which newer cards of the same generation run
too, and PTX of one, which the driver compiles for later cards at their first use. Nothing here
imports TensorFlow.
"""

import logging
from importlib.metadata import version

from denoising.running.caches import keep_compiled_kernels

console = logging.getLogger("progress")  # it writes to the console too

Capability = tuple[int, int]
MACHINE_CODE: tuple[Capability, ...] = ((6, 0), (7, 0), (8, 0), (8, 9))
# Its PTX fails on these (CUDA_ERROR_INVALID_PTX, INVALID_HANDLE; TensorFlow's issues 89272, 97387,
# 99592, 101746)
FIRST_WITHOUT_CODE = (10, 0)


def check_card(name: str, capability: Capability) -> None:
    """Refuse a card without code, and say where the driver will compile it.

    Raises
    ------
    RuntimeError
        If TensorFlow has no code for the card.
    """
    oldest = min(MACHINE_CODE)
    if not oldest <= capability < FIRST_WITHOUT_CODE:
        raise RuntimeError(
            f"{name} has compute capability {_text(capability)}, for which TensorFlow"
            f" {version('tensorflow')} has no code: it has code from {_text(oldest)} to below"
            f" {_text(FIRST_WITHOUT_CODE)}. Name another card in CUDA_VISIBLE_DEVICES, or set"
            " device: cpu."
        )
    folder = keep_compiled_kernels()
    is_first_start = not (folder.is_dir() and any(folder.iterdir()))
    if is_first_start and not _runs_machine_code(capability):
        console.warning(
            "TensorFlow has no machine code for compute capability %s (%s): the driver compiles it"
            " now, at the first start, which can take minutes. It is kept in %s.",
            _text(capability),
            name,
            folder,
        )


def _runs_machine_code(capability: Capability) -> bool:
    major, minor = capability
    return any(code[0] == major and code[1] <= minor for code in MACHINE_CODE)


def _text(capability: Capability) -> str:
    return "{}.{}".format(*capability)
