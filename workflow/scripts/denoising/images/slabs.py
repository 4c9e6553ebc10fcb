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

SLAB_BYTES = 1 << 23


class NoRoomError(OSError):
    """A disk without room for an image; the message says where, how much, and what to do."""


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
    size = math.prod(shape) * np.dtype(dtype).itemsize
    free = shutil.disk_usage(folder).free
    if size > free:
        raise _no_room(folder, size, free)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error now, and not the death of the process later
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                raise _no_room(folder, size, free) from None
        return np.memmap(file, dtype, "w+", shape=shape)


def _no_room(folder: Path, size: int, free: int) -> NoRoomError:
    return NoRoomError(
        f"a copy of the image takes {size / 1e9:.3g} GB in {folder.absolute()}, where"
        f" {free / 1e9:.3g} GB are free or allowed; make room, run on a larger disk by --directory,"
        " or, if the image is smaller than that, export it again."
    )
