"""How volumes are restored: the test volumes of a study, and new images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Restoration:
    """How test volumes are restored and stored."""

    max_tile_voxels: int | None
    jobs: int
    format: str
    dtype: str
    compression: bool
    keep: bool


@dataclass(frozen=True)
class NewImages:
    """New images to restore, with which network, and how; `model` may be a folder."""

    images: tuple[str, ...]
    model: str
    output: str
    axes: str | None
    channels: tuple[int, ...] | None
    percentiles: tuple[float, float] | None
    format: str
    dtype: str
    compression: bool
