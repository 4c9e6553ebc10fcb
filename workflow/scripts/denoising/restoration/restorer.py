"""Restoring volumes of any size with a trained network, tile by tile, exactly as in one piece.

Tiles (`tiling`) pass through the network (`forward_pass`) in batches. Volumes are memory maps, of
the input and of the restoration: memory holds a batch of tiles and the network's values for it,
whatever the size of the volume. For the same reason several jobs can share a volume: each restores
a slab of it and reads no more around it than the halo.
"""

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE, Config

from denoising.images.headers import Normalisation, Scale
from denoising.images.volumes import INPUT_PERCENTILES
from denoising.restoration.forward_pass import compiled
from denoising.restoration.tile_shapes import TileShapes
from denoising.restoration.tiling import (
    Region,
    Tile,
    TilePlan,
    cropped,
    inside_of,
    padded_part,
    plan_tiles,
    shifted,
)
from denoising.training.device_errors import is_out_of_memory
from denoising.training.network import Device, halo

log = logging.getLogger(__name__)

# On a CPU one tile at a time is the fastest (measured)
TILES_PER_BATCH = {"CPU": 1, "GPU": 8}
# Voxels that a device restores in the time of preparing another graph. On a CPU no plan but the
# best is taken, so that a result does not depend on the images before it. That of a GPU is a guess.
GRAPH_VOXELS = {"CPU": 0, "GPU": 2**25}


class Restorer:
    """A network, compiled, that restores images tile by tile.

    Parameters
    ----------
    model : csbdeep.models.CARE
    max_tile_voxels : int
        Largest number of voxels of one tile, halo included; halved whenever the device has not the
        memory.
    tiles_per_batch : int
        Number of tiles at a time, if together they have no more voxels than that.
    percentiles : tuple of float
        Of each image, which become 0 and 1 for the network.
    graph_voxels : int
        How many voxels more may be computed to save a graph.
    """

    def __init__(
        self,
        model: CARE,
        max_tile_voxels: int,
        tiles_per_batch: int = 1,
        percentiles: tuple[float, float] = INPUT_PERCENTILES,
        graph_voxels: int = 0,
    ):
        self.percentiles = percentiles
        self.config = model.config
        self.axes = self.config.axes.replace("C", "")  # of space, in the network's order
        self.tiles_per_batch = tiles_per_batch
        self.max_tile_voxels = max_tile_voxels
        self.multiple = 2**self.config.unet_n_depth
        self.margin = halo(self.config.unet_n_depth, self.config.unet_kern_size)
        self.shapes = TileShapes(graph_voxels)
        # One graph for each pair of shapes, of tile and core
        self._forward = cache(lambda tile, core: compiled(model, tile, core))

    @property
    def probabilistic(self) -> bool:
        return self.config.probabilistic

    def restore(
        self,
        image: np.ndarray,
        axes: str,
        mean: np.ndarray,
        scale: np.ndarray | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        region: Region | None = None,
    ) -> None:
        """Restore (image - low) / (high - low), where `bounds` are low and high.

        Parameters
        ----------
        image : ndarray
            Any numbers, axes in any order: the network's Z, Y and X, and S, T or C. S and T are
            images on their own; so are planes (Z) for networks of Y and X, and channels for
            networks of one.
        axes : str
        mean : ndarray of float32
            Written: the expected restored image, of `image`'s shape or the region's, equal to
            csbdeep's prediction in one piece.
        scale : ndarray of float32, optional
            Written: scale of the Laplace distribution of each voxel, by a probabilistic network.
        bounds : tuple of float
            Values of `image` that are 0 and 1 for the network.
        region : tuple of slice, optional
            The part of `image` that is restored, a slice for each of the network's axes in their
            order; by default all of it. No more is read around it than the halo.

        Raises
        ------
        ValueError
            If the axes do not fit the network, or not even the smallest tile fits its memory; the
            message then holds the device's own.
        """
        if scale is not None and not self.probabilistic:
            raise ValueError(
                "the network is not probabilistic and has no scale; restore the mean alone."
            )
        source = arranged(image, axes, self.config)
        outputs = [arranged(mean, axes, self.config)]
        if scale is not None:
            outputs.append(arranged(scale, axes, self.config))
        shape = source.shape[-self.config.n_dim - 1 : -1]
        inside = inside_of(shape, self.multiple)
        wanted = shifted(region, inside) if region else inside
        reason = ""
        # Ends: each failure makes batches or tiles smaller, and there is a smallest tile
        while True:
            plan = self._plan(shape, wanted, reason)
            try:
                return self._run(plan, source, outputs, wanted, bounds)
            except tf.errors.OpError as error:
                if not is_out_of_memory(error):
                    raise
                # The error itself holds tiles
                reason = f" The device said: {type(error).__name__}: {error.message}"
            self._take_less(plan, reason)

    def _plan(self, shape: tuple[int, ...], wanted: Region, reason: str) -> TilePlan:
        """Tiles for the wanted part of the padded image; `reason` is why they must be small."""
        multiple = self.multiple
        padded = tuple(size + -size % multiple for size in shape)
        region = tuple(
            slice(part.start // multiple * multiple, -(-part.stop // multiple) * multiple)
            for part in wanted
        )
        try:
            best = plan_tiles(padded, self.margin, multiple, self.max_tile_voxels, region)
        except ValueError as error:
            raise ValueError(f"{error}{reason}") from None
        return self.shapes.chosen(best, self.max_tile_voxels)

    def _take_less(self, plan: TilePlan, reason: str) -> None:
        """Smaller batches than those of a plan, or else smaller tiles."""
        voxels = math.prod(plan.tile)
        if self.tiles_per_batch > 1 and 2 * voxels <= self.max_tile_voxels:
            self.tiles_per_batch = 1
            said = f"several tiles of {plan.tile} per batch: one at a time now"
        else:
            self.max_tile_voxels = voxels // 2
            said = f"tiles of {plan.tile}: at most {self.max_tile_voxels} voxels now"
        log.warning("out of memory with %s.%s", said, reason)

    def _run(
        self,
        plan: TilePlan,
        source: np.ndarray,
        outputs: list[np.ndarray],
        wanted: Region,
        bounds: tuple[float, float],
    ) -> None:
        """Restore every tile of a plan, in every image."""
        normalisation = Normalisation(*bounds)
        forward = self._forward(plan.tile, plan.core)
        images = source.shape[: -len(plan.shape) - 1]
        channels = source.shape[-1]
        inside = inside_of(source.shape[len(images) : -1], self.multiple)
        tiles_at_once = min(self.tiles_per_batch, self.max_tile_voxels // math.prod(plan.tile))
        places = itertools.product(np.ndindex(images), plan)
        for begin, batch in _batches(places, max(1, tiles_at_once)):
            parts = (padded_part(source[index], tile.read, inside) for index, tile in batch)
            values = np.stack([normalisation.apply(part) for part in parts])
            for (index, tile), core in zip(batch, forward(values, begin), strict=True):
                place, within = cropped(tile.give, tile.within, wanted)
                for i, output in enumerate(outputs):
                    output[index][place] = core[*within, i * channels : (i + 1) * channels]


def restorer_on(
    device: Device, model: CARE, max_tile_voxels: int, percentiles: Scale = INPUT_PERCENTILES
) -> Restorer:
    """A restorer with as many tiles in a batch, and as few graphs, as suit the device."""
    batch, graph = TILES_PER_BATCH[device.kind], GRAPH_VOXELS[device.kind]
    return Restorer(model, max_tile_voxels, batch, percentiles, graph)


def arranged(array: np.ndarray, axes: str, config: Config) -> np.ndarray:
    """A view with axes (images on their own..., the network's, channel).

    Raises
    ------
    ValueError
        If axes or channels do not fit the network's `config`.
    """
    spatial = config.axes.replace("C", "")
    joint = "C" if "C" in axes and config.n_channel_in > 1 else ""
    alone = [axis for axis in axes if axis not in spatial + joint]
    channels = array.shape[axes.index("C")] if joint else 1
    if not set(spatial) <= set(axes) or not set(alone) <= set("STCZ") or len(axes) != array.ndim:
        raise ValueError(
            f"an image {array.shape} has axes {axes}, expected {spatial}, and at most S, T, C"
            " besides."
        )
    if channels != config.n_channel_in or channels != config.n_channel_out:
        raise ValueError(
            f"an image {array.shape} of axes {axes} has {channels} channels, expected "
            f"{config.n_channel_in}; the network gives {config.n_channel_out}."
        )
    view = array.transpose([axes.index(axis) for axis in (*alone, *spatial, *joint)])
    return view if joint else view[..., None]


Place = tuple[tuple[int, ...], Tile]  # index of an image, and a tile of it


def _batches(places: Iterable[Place], size: int) -> Iterator[tuple[tuple[int, ...], list[Place]]]:
    """Places whose cores begin alike in their tiles, `size` at a time."""
    for begin, alike in itertools.groupby(places, key=lambda place: place[1].begin):
        while batch := list(itertools.islice(alike, size)):
            yield begin, batch
