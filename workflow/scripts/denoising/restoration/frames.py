"""An image of any axes as images that a network takes one by one: frames, channels, planes.

A network of Z, Y and X takes each time and each channel of a TZCYX file as an image of its own,
with percentiles of its own; a network of Y and X takes each plane, with the percentiles of its
stack. A network of several channels takes those of a time together; each channel still has
percentiles of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from denoising.images.headers import UNNAMED, Header

Place = tuple[int | slice, ...]
ORDER = "TZCYX"  # of axes in files that ImageJ reads


@dataclass(frozen=True)
class Frames:
    """How a network takes an image.

    Attributes
    ----------
    axes : str
        Of the image.
    spatial : str
        The network's axes, in its order.
    channels : sequence of int or None
        The channels that are restored; None for all.
    takes_channels : bool
        Whether the network takes all channels together.
    """

    axes: str
    spatial: str
    channels: Sequence[int] | None = None
    takes_channels: bool = False

    @property
    def alone(self) -> str:
        """Axes along which every image has percentiles of its own."""
        return "".join(axis for axis in self.axes if axis not in self.spatial)

    @property
    def order(self) -> str:
        """Axes of the restoration, as ImageJ orders them."""
        return "".join(sorted(self.axes, key=ORDER.index))

    def chosen(self, image: np.ndarray) -> np.ndarray:
        """A view of the image with its axes in `order`, and the chosen channels."""
        view = image.transpose([self.axes.index(axis) for axis in self.order])
        if self.channels is None or "C" not in self.axes:
            return view
        first, step = self.channels[0], np.diff(self.channels)
        if len(step) and not (step == step[0]).all():
            raise ValueError(f"restore.channels is {list(self.channels)}, expected equal steps.")
        stop = self.channels[-1] + 1
        channels = slice(first, stop, int(step[0]) if len(step) else 1)
        return view[(slice(None),) * self.order.index("C") + (channels,)]

    def places(self, shape: Sequence[int]) -> Iterator[Place]:
        """Where each image lies in a view of this shape, with axes in `order`."""
        return self._along(self.alone, shape)

    @property
    def taken_axes(self) -> str:
        """Axes of what the network takes at once."""
        axes = self.spatial + ("C" if self.takes_channels else "")
        return "".join(axis for axis in self.order if axis in axes)

    def taken(self, shape: Sequence[int]) -> Iterator[Place]:
        """Where what the network takes at once lies: an image, or those of all channels."""
        return self._along("".join(a for a in self.alone if a not in self.taken_axes), shape)

    def _along(self, axes: str, shape: Sequence[int]) -> Iterator[Place]:
        lengths = [size for axis, size in zip(self.order, shape, strict=True) if axis in axes]
        for index in np.ndindex(*lengths):
            numbers = iter(index)
            yield tuple(next(numbers) if axis in axes else slice(None) for axis in self.order)

    def stack(self, place: Place) -> Place:
        """The place of the stack in which an image lies that may be a plane."""
        axes = zip(self.order, place, strict=True)
        return tuple(slice(None) if axis == "Z" else part for axis, part in axes)


def frames_of(
    header: Header,
    spatial: str,
    axes: str | None,
    channels: Sequence[int] | None,
    taken: int = 1,
) -> Frames:
    """How a network of the axes `spatial` takes an image.

    Parameters
    ----------
    header : Header
    spatial : {"YX", "ZYX"}
    axes : str or None
        The image's axes, if its file does not tell them rightly.
    channels : sequence of int or None
    taken : int
        Channels that the network takes together.

    Raises
    ------
    ValueError
        If axes are missing, unknown or in a number other than the image's, or channels are not
        those that the network takes.
    """
    axes = _named(header, spatial, axes)
    missing = [axis for axis in spatial if axis not in axes]
    if len(axes) < len(spatial):
        raise ValueError(
            f"is a plane {header.shape}, but the network restores stacks; leave it out, or name a "
            "network of planes in restore.model."
        )
    if missing or not set(axes) <= set(ORDER) or len(set(axes)) < len(axes):
        raise ValueError(
            f"axes are {axes} {header.shape}, but the network needs {spatial}, and T or C besides; "
            "name the axes of your files in restore.axes, as in restore: {axes: TZCYX}."
        )
    if channels is not None and "C" in axes:
        count = header.shape[axes.index("C")]
        if any(channel >= count for channel in channels):
            raise ValueError(
                f"has {count} channels, but restore.channels asks for {list(channels)}, which count"
                " from 0."
            )
    count = header.shape[axes.index("C")] if "C" in axes else 1
    if taken > 1 and len(channels or range(count)) != taken:
        chosen = f", of which restore.channels names {list(channels)}" if channels else ""
        raise ValueError(
            f"has {count} channels{chosen}, but the network takes {taken} together; name {taken} "
            "in restore.channels, or the axes of your files in restore.axes."
        )
    ordered = "".join(axis for axis in ORDER if axis in spatial)
    return Frames(axes, ordered, channels, takes_channels=taken > 1)


def _named(header: Header, spatial: str, axes: str | None) -> str:
    """The image's axes: those given, or the file's, in which an axis without a name may be Z."""
    if axes is not None:
        if len(axes) != len(header.shape):
            raise ValueError(
                f"has {len(header.shape)} axes {header.shape}, but restore.axes is {axes}; name as "
                "many."
            )
        return axes
    unnamed = [axis for axis in header.axes if axis in UNNAMED]
    is_colour = header.axes.endswith("S") and header.shape[-1] in (3, 4)
    if is_colour:
        raise ValueError(f"is a colour image {header.shape}; save each channel as grey values.")
    if "Z" in spatial and "Z" not in header.axes and len(unnamed) == 1:
        return header.axes.replace(unnamed[0], "Z")
    return header.axes
