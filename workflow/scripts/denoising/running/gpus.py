"""What NVML tells of the GPU of this process, without starting CUDA."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True)
class Card:
    """A GPU as NVML describes it."""

    name: str
    capability: tuple[int, int]
    driver: str


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

    def card(self) -> Card | None:
        """What it is."""
        return self._query(
            lambda handle: Card(
                pynvml.nvmlDeviceGetName(handle),
                pynvml.nvmlDeviceGetCudaComputeCapability(handle),
                pynvml.nvmlSystemGetDriverVersion(),
            )
        )

    def _query(self, query: Callable[[Any], Any]) -> Any:
        if self._handle is None:
            return None
        try:
            return query(self._handle)
        except pynvml.NVMLError:  # such as older cards, which count no energy
            return None


def _handle() -> Any:
    """NVML's handle of the first visible device, if one is."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if not first:
        return None
    try:
        pynvml.nvmlInit()
        if first.isdigit():  # in the order of the bus, as CUDA is asked to count too
            return pynvml.nvmlDeviceGetHandleByIndex(int(first))
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    except pynvml.NVMLError:
        return None
