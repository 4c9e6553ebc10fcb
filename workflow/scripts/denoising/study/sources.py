"""Where the images of a dataset come from: one of these."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Simulation:
    """A dataset that is simulated here: species, volume shape (Z, Y, X) in voxels, and counts."""

    species: str
    shape: tuple[int, ...]
    train_volumes: int
    test_volumes: int
    patches: int


@dataclass(frozen=True)
class Archive:
    """A dataset that comes as an archive, from a URL or from a local path.

    `allow_http` is whether the URL may be one of http, or lead there.
    """

    url: str | None
    path: str | None
    sha256: str | None
    allow_http: bool = False


@dataclass(frozen=True)
class Pairs:
    """A dataset of image pairs, found by two glob patterns.

    `frames` is "all" or the numbers of the frames that are images; None if a file is one image.
    `channel` is the number of the channel, None if files have one. `largest_shift` is how many
    voxels a pair may be misaligned by without a warning.
    """

    low: str
    high: str
    axes: str
    frames: str | tuple[int, ...] | None
    channel: int | None
    test_fraction: float
    largest_shift: float

    @property
    def selection(self) -> dict[str, Any]:
        """The fields of `images.sources.Selection`, as a rule's params."""
        frames = list(self.frames) if isinstance(self.frames, tuple) else self.frames
        return {"axes": self.axes, "frames": frames, "channel": self.channel}


@dataclass(frozen=True)
class Npz:
    """A dataset of training patches alone, in a file that csbdeep saved.

    `channel` is the number of the channel, None if the file has one.
    """

    path: str
    channel: int | None
