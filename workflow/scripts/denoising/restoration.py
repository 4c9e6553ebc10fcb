"""Restoring volumes of any size with a trained network, tile by tile, exactly as in one piece.

A tile is a core that starts on a multiple of the network's 2**depth and a halo of context around it that reaches
the network's receptive field or the volume's edge, so the core's result does not depend on how the volume is cut.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE

from denoising.network import halo


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one size that cover a volume: every tile is `tile` voxels, halo included."""

    shape: tuple[int, ...]
    core: tuple[int, ...]
    tile: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(-(-s // c) for s, c in zip(self.shape, self.core, strict=True))

    @property
    def computed_voxels(self) -> int:
        """Voxels that pass through the network, overlaps counted each time."""
        return len(self) * math.prod(self.tile)

    def __iter__(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], tuple[slice, ...]]]:
        """For each tile: what it reads, what it gives, and where in the tile that lies."""
        along = [list(_along_axis(*axis)) for axis in zip(self.shape, self.core, self.tile, strict=True)]
        for axes in itertools.product(*along):
            yield tuple(zip(*axes, strict=True))


def _along_axis(size: int, core: int, tile: int) -> Iterator[tuple[slice, slice, slice]]:
    margin = (tile - core) // 2
    for start in range(0, size, core):
        stop = min(start + core, size)
        first = min(max(0, start - margin), size - tile)
        yield slice(first, first + tile), slice(start, stop), slice(start - first, stop - first)


def plan_tiles(shape: tuple[int, ...], margin: int, multiple: int, max_voxels: int) -> TilePlan:
    """The tiles of least recomputation that fit.

    Parameters
    ----------
    shape : tuple of int
        The padded volume's, each a multiple of `multiple`.
    margin : int
        Halo in voxels, a multiple of `multiple`.
    multiple : int
        2**depth of the network.
    max_voxels : int
        The most voxels of one tile, halo included.

    Raises
    ------
    ValueError
        If not even the smallest tile fits.
    """
    choices = [list(_axis_choices(size, margin, multiple)) for size in shape]
    plans = (TilePlan(shape, *map(tuple, zip(*axes, strict=True))) for axes in itertools.product(*choices))
    fitting = [plan for plan in plans if math.prod(plan.tile) <= max_voxels]
    if not fitting:
        smallest = math.prod(min(size, 2 * margin + multiple) for size in shape)
        raise ValueError(
            f"restoration.max_tile_voxels is {max_voxels}, but the smallest tile of a volume of {shape} with its "
            f"halo of {margin} has {smallest} voxels; raise it."
        )
    return min(fitting, key=lambda plan: (plan.computed_voxels, len(plan)))


def _axis_choices(size: int, margin: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Core and tile sizes along one axis for every useful number of tiles."""
    seen = set()
    for count in range(1, size // multiple + 1):
        core = -(-size // (count * multiple)) * multiple
        if core not in seen:
            seen.add(core)
            yield core, size if core == size else min(size, core + 2 * margin)


def pad_to(image: np.ndarray, multiple: int) -> tuple[np.ndarray, tuple[slice, ...]]:
    """Reflect `image` at its edges to multiples of `multiple`, as csbdeep's `PadAndCropResizer` does.

    Returns the padded image and the slices that cut the original out of it.
    """
    missing = [-size % multiple for size in image.shape]
    widths = [(m // 2, m - m // 2) for m in missing]
    inside = tuple(slice(before, before + size) for (before, _), size in zip(widths, image.shape, strict=True))
    return np.pad(image, widths, mode="reflect"), inside


def compiled(model: CARE) -> Callable[[np.ndarray], np.ndarray]:
    """The network's forward pass as one graph: float32 (batch, ..., 1) to the same shape, the expected value."""
    network = model.keras_model

    @tf.function(input_signature=[tf.TensorSpec(network.inputs[0].shape, tf.float32)], jit_compile=False)
    def forward(tile):
        return network(tile, training=False)[..., :1]

    return lambda tile: forward(tile).numpy()


def restore(forward: Callable, config, image: np.ndarray, max_tile_voxels: int) -> np.ndarray:
    """Restore one normalised image.

    Parameters
    ----------
    forward : callable
        From `compiled`.
    config : csbdeep.models.Config
        The model's.
    image : ndarray of float32
        `N(x; 3, 99.8)`, axes as the network's, (Z, Y, X) or (Y, X).
    max_tile_voxels : int
        The most voxels that pass through the network at once.

    Returns
    -------
    ndarray of float32
        The expected restored image; equal to csbdeep's prediction of the image in one piece.
    """
    multiple = 2**config.unet_n_depth
    padded, inside = pad_to(image.astype(np.float32, copy=False), multiple)
    margin = halo(config.unet_n_depth, config.unet_kern_size)
    restored = np.empty_like(padded)
    for read, give, within in plan_tiles(padded.shape, margin, multiple, max_tile_voxels):
        tile = forward(padded[read][None, ..., None])[0, ..., 0]
        restored[give] = tile[within]
    return restored[inside]
