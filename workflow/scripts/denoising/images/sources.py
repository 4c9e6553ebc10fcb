"""Images in a user's own files: which axes of a file are those that the config states.

The config's `axes` win over the names that a file gives to its axes: many programs call the planes
of a stack times (T), or channels (C). Which of several frames or channels are images, the config
says too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoising.images.files import find_image, map_image, read_header
from denoising.images.formats import UnusableImageError
from denoising.images.headers import UNNAMED, Header, VoxelSize

MOST_CHANNELS = 4  # more "channels" are planes of a stack, as some writers have them


@dataclass(frozen=True)
class Selection:
    """The images in a file: their `axes`, and which frames and channel of the file they are.

    `frames` is "all", or the numbers of frames that are images, each by itself; None if the file is
    one image. `channel` is None if the file has one channel.
    """

    axes: str
    frames: str | Sequence[int] | None = None
    channel: int | None = None


@dataclass(frozen=True)
class Source:
    """A file, and the images in it, which have `axes` and `shape`.

    `frames` are their numbers, (None,) where the file is one image. `index` takes an image from the
    file's array, but for the axis `frame_axis`. `doubts` say what was not clear about the file.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    voxel_size: VoxelSize
    frames: tuple[int | None, ...]
    index: tuple[int | slice | None, ...]
    frame_axis: int | None
    doubts: tuple[str, ...]

    def images(self, scratch: Path) -> Iterator[np.ndarray]:
        """The images, in the order of `frames`, as parts of a read-only memory map.

        Of a compressed file, the map is of a copy in the folder `scratch`, see `map_image`.
        """
        array, _ = map_image(find_image(self.path), scratch)
        for frame in self.frames:
            index = list(self.index)
            if self.frame_axis is not None and frame is not None:
                index[self.frame_axis] = frame
            yield array[tuple(index)]


def find_source(path: Path, selection: Selection) -> Source:
    """The images in a file, by its header.

    Raises
    ------
    UnusableImageError
        Naming the file: it cannot be read, or its axes do not have what the config states.
    """
    header = read_header(find_image(path))
    if header.dtype.kind not in "uif":
        raise UnusableImageError(
            f"{path}: holds {header.dtype}, expected integer or floating point numbers; export it"
            " again with 8 bits or more."
        )
    index: list[int | slice | None] = [slice(None)] * len(header.axes)
    if selection.channel is not None:
        axis = _channel_axis(path, header, selection.channel)
        if axis is not None:
            index[axis] = selection.channel
    for axis, (name, size) in enumerate(zip(header.axes, header.shape, strict=True)):
        is_open = isinstance(index[axis], slice)
        if is_open and size == 1 and name in "TCZ" + UNNAMED and name not in selection.axes:
            index[axis] = 0
    frames: tuple[int | None, ...] = (None,)
    frame_axis = None
    if selection.frames is not None:
        frame_axis = _frame_axis(header, index, selection)
        frames = _frames(path, header, frame_axis, selection.frames)
        if frame_axis is not None:
            index[frame_axis] = 0
    left = [axis for axis, part in enumerate(index) if isinstance(part, slice)]
    names = "".join(header.axes[axis] for axis in left)
    shape = tuple(header.shape[axis] for axis in left)
    doubts = header.doubts
    if selection.axes == "ZYX" and _can_be(names, shape, "YX"):
        # Files do not keep a Z of one
        names, shape, index = f"Z{names}", (1, *shape), [None, *index]
        frame_axis = None if frame_axis is None else frame_axis + 1
        doubts += ("it is one plane, and taken for a stack of one, as pairs.axes has it",)
    if not _can_be(names, shape, selection.axes):
        raise UnusableImageError(_other_axes(path, header, names, shape, selection))
    if names[0] in "TCS":
        called = f"its {shape[0]} planes are called {names[0]}"
        doubts += (f"{called}, and taken for Z, as pairs.axes has it",)
    return Source(
        path,
        selection.axes,
        shape,
        header.voxel_size,
        frames,
        tuple(index),
        frame_axis,
        doubts,
    )


def _channel_axis(path: Path, header: Header, channel: int) -> int | None:
    """The axis of channels or, of an RGB image, of colours; None if there is one channel."""
    axis = header.axes.find("C")
    if axis < 0:
        axis = header.axes.find("S")
    count = header.shape[axis] if axis >= 0 else 1
    if channel >= count:
        raise UnusableImageError(
            f"{path}: has {count} channel{'s' if count > 1 else ''} (axes {header.axes},"
            f" {header.shape}), but pairs.channel is {channel}; channels count from 0."
        )
    return axis if axis >= 0 else None


def _frame_axis(
    header: Header, index: Sequence[int | slice | None], selection: Selection
) -> int | None:
    """The axis of frames: times or, if the file has none, the one axis too many."""
    left = [axis for axis, part in enumerate(index) if isinstance(part, slice)]
    times = [axis for axis in left if header.axes[axis] == "T"]
    if times:
        return times[0]
    if len(left) != len(selection.axes) + 1 or _is_channel(header, left[0]):
        return None
    return left[0]


def _is_channel(header: Header, axis: int) -> bool:
    return header.axes[axis] in "CS" and header.shape[axis] <= MOST_CHANNELS


def _frames(
    path: Path, header: Header, axis: int | None, wanted: str | Sequence[int]
) -> tuple[int, ...]:
    count = 1 if axis is None else header.shape[axis]
    if isinstance(wanted, str):
        return tuple(range(count))
    missing = [frame for frame in wanted if frame >= count]
    if missing:
        raise UnusableImageError(
            f"{path}: has {count} frame{'s' if count > 1 else ''} (axes {header.axes},"
            f" {header.shape}), but pairs.frames has {missing[0]}; frames count from 0."
        )
    return tuple(wanted)


def _can_be(names: str, shape: tuple[int, ...], axes: str) -> bool:
    """Whether axes that a file calls `names` can be those that the config states."""
    if len(names) != len(axes):
        return False
    plane = names[-2:]
    if not all(a == e or a in UNNAMED for a, e in zip(plane, axes[-2:], strict=True)):
        return False
    if len(axes) == 2:
        return True
    return names[0] in "ZTQI" or (names[0] in "CS" and shape[0] > MOST_CHANNELS)


def _other_axes(
    path: Path, header: Header, names: str, shape: tuple[int, ...], selection: Selection
) -> str:
    """The message on a file whose axes are not those stated, with what the config could state."""
    ways = _ways(list(zip(names, shape, strict=True)), selection)
    remedy = f"in pairs {' or '.join(ways)}" if ways else f"save it as {selection.axes}"
    return f"{path}: axes are {header.axes} {header.shape}, expected {selection.axes}; {remedy}."


def _ways(axes: list[tuple[str, int]], selection: Selection) -> list[str]:
    """What could be changed in the config so that a file with these axes can be used.

    `axes` are names and sizes; of several axes with one name, each counts.
    """
    ways = []
    first = ""
    channel = next((axis for axis in axes if axis[0] in "CS"), None)
    if channel and selection.channel is None:
        first = f"add channel: 0 (the first of its {channel[1]} channels)"
        axes = [axis for axis in axes if axis != channel]
        if _fits(axes, selection.axes):
            ways.append(first)
        first += " and "
    frames = next((axis for axis in axes if axis[0] == "T"), axes[0])
    place = axes.index(frames)
    if selection.frames is None and _fits(axes[:place] + axes[place + 1 :], selection.axes):
        ways.append(f"{first}add frames: all (each of its {frames[1]} frames is an image)")
    for stated, what in {"ZYX": "a stack", "YX": "one plane"}.items():
        if stated != selection.axes and _fits(axes, stated):
            ways.append(f"{first}set axes: {stated} (it is {what})")
    return ways


def _fits(axes: list[tuple[str, int]], stated: str) -> bool:
    return _can_be("".join(name for name, _ in axes), tuple(size for _, size in axes), stated)
