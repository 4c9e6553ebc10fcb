"""Images larger than memory: slices that together are the image, and arrays in nameless files."""

import errno
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from denoising.running.reasons import FULL

SLAB_BYTES = 1 << 23


class NoRoomError(OSError):
    """A disk without room for an array; the message says where, how much, and what to do."""


def slabs(
    shape: Sequence[int], itemsize: int, chunk: Sequence[int] | None = None, most: int | None = None
) -> Iterator[tuple[slice, ...]]:
    """Slices of every axis that together are the image.

    A slab is of whole chunks and at most about `most` bytes, by default `SLAB_BYTES`; a larger
    chunk is a slab by itself. Without chunks, slabs follow one another in the order of a file.
    """
    steps = list(chunk or [1] * len(shape))
    for axis in reversed(range(len(shape))):
        fitting = (most or SLAB_BYTES) // max(1, math.prod(steps) * itemsize)
        steps[axis] *= max(1, min(fitting, -(-shape[axis] // steps[axis])))
    starts = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + n, size)) for a, n, size in zip(corner, steps, shape, strict=True)
        )


def whole_blocks(shape: Sequence[int], edges: Sequence[int]) -> list[tuple[slice, ...]]:
    """Blocks of these edges side by side, without the last ones of each axis if they are cut.

    Edges longer than the image are cut to its own; blocks of fewer axes than the image are planes.
    """
    of_axes = (1,) * (len(shape) - len(edges)) + tuple(edges)
    lengths = [min(size, edge) for size, edge in zip(shape, of_axes, strict=True)]
    starts = (range(0, size - n + 1, n) for size, n in zip(shape, lengths, strict=True))
    return [
        tuple(slice(a, a + n) for a, n in zip(corner, lengths, strict=True))
        for corner in itertools.product(*starts)
    ]


def scratch_array(folder: Path, shape: Sequence[int], dtype: DTypeLike) -> np.memmap:
    """Zeros in a file of `folder` that has no name, and so is gone with the array however the
    process ends.

    Raises
    ------
    NoRoomError
        If the disk has no room for it, as for an image whose header lies; before it is written.
    """
    shape = tuple(shape)
    with tempfile.TemporaryFile(dir=folder) as file:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        also = "or, if the image is smaller than that, export it again"
        take_room(file.fileno(), folder, size, "a copy of the image", also)
        return np.memmap(file, dtype, "w+", shape=shape)


def take_room(descriptor: int, folder: Path, size: int, what: str, also: str = "") -> None:
    """Reserve all bytes of a file in `folder` on its disk.

    A full disk is then an error now. Later, writing to a memory map of the file would end the
    process without a message. `what` is the file in words, `also` a remedy besides the usual ones.

    Raises
    ------
    NoRoomError
    """
    free = shutil.disk_usage(folder).free
    try:
        if size > free:
            raise OSError(errno.ENOSPC, "")
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoomError(
            f"{what} takes {size / 1e9:.3g} GB in {folder.absolute()}, where {free / 1e9:.3g} GB"
            f" are free or allowed; make room, run on a larger disk by --directory"
            f"{also and ', ' + also}."
        ) from None
