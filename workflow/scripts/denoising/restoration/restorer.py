"""Restoring volumes of any size with a trained network, tile by tile, exactly as in one piece.

Tiles (`tiling`) pass through the network (`forward_pass`) in batches. Volumes are memory maps, of
the input and of the restoration: memory holds a batch of tiles and the network's values for it,
whatever the size of the volume. For the same reason several jobs can share a volume: each restores
a slab of it and reads no more around it than the halo.
"""

import itertools
import json
import logging
import math
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE, Config
from tqdm import tqdm

from denoising.images.headers import Normalisation
from denoising.images.percentiles import blocks, limits
from denoising.images.slabs import scratch_array
from denoising.images.volumes import INPUT_PERCENTILES, Pair, open_volume, volume_header
from denoising.restoration.destination import Destination
from denoising.restoration.forward_pass import compiled
from denoising.restoration.tiling import (
    Region,
    Tile,
    TilePlan,
    cropped,
    inside_of,
    padded_part,
    plan_tiles,
    shifted,
    slab,
)
from denoising.study.names import SCALES, TRUTH
from denoising.training.device_errors import is_out_of_memory
from denoising.training.network import halo

log = logging.getLogger(__name__)

# On a CPU one tile at a time is the fastest (measured)
TILES_PER_BATCH = {"CPU": 1, "GPU": 8}


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
    """

    def __init__(
        self,
        model: CARE,
        max_tile_voxels: int,
        tiles_per_batch: int = 1,
        percentiles: tuple[float, float] = INPUT_PERCENTILES,
    ):
        self.percentiles = percentiles
        self.config = model.config
        self.axes = self.config.axes.replace("C", "")  # of space, in the network's order
        self.tiles_per_batch = tiles_per_batch
        self.max_tile_voxels = max_tile_voxels
        self.multiple = 2**self.config.unet_n_depth
        self.margin = halo(self.config.unet_n_depth, self.config.unet_kern_size)
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
            return plan_tiles(padded, self.margin, multiple, self.max_tile_voxels, region)
        except ValueError as error:
            raise ValueError(f"{error}{reason}") from None

    def _take_less(self, plan: TilePlan, reason: str) -> None:
        """Smaller batches than those of a plan, or else smaller tiles."""
        voxels = math.prod(plan.tile)
        if self.tiles_per_batch > 1 and 2 * voxels <= self.max_tile_voxels:
            self.tiles_per_batch = 1
            log.warning(
                "out of memory with several tiles of %s per batch: one at a time now.%s",
                plan.tile,
                reason,
            )
        else:
            self.max_tile_voxels = voxels // 2
            log.warning(
                "out of memory with tiles of %s: at most %d voxels now.%s",
                plan.tile,
                self.max_tile_voxels,
                reason,
            )

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


def restore_all(
    restorer: Restorer,
    pairs: list[Pair],
    destination: Destination,
    runtime: Path,
    record: dict,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Restore the image of every pair, or a part of each image.

    Parameters
    ----------
    restorer : Restorer
    pairs : list of Pair
    destination : Destination
        Written: {condition}/{volume}.tif, and of probabilistic networks
        scale/{condition}/{volume}.tif.
    runtime : Path
        Written: JSON of `record` and the seconds that this took, the voxels and the threads.
    record : dict
        method, dataset, device.
    part : tuple of int
        As in `slab`; images that have none of it leave no file.
    """
    start = time.perf_counter()
    voxels = 0
    destination.folder.mkdir(parents=True, exist_ok=True)
    for pair in tqdm(pairs, desc="restored", unit="volume"):
        voxels += restore_file(restorer, pair, destination, part)
    seconds = round(time.perf_counter() - start, 3)
    spent = {"seconds": seconds, "voxels": voxels, "threads": destination.threads}
    runtime.write_text(json.dumps(record | spent, indent=2) + "\n")


def restore_file(
    restorer: Restorer, pair: Pair, destination: Destination, part: tuple[int, int] = (1, 1)
) -> int:
    """Restore a pair's image, or a part of it, normalised by its percentiles.

    A restored ground truth is compared, never calibrated: its scale is not written.

    Parameters
    ----------
    restorer : Restorer
    pair : Pair
        Its image is as acquired; larger than memory, if need be.
    destination : Destination
        Written: the restoration, and of a probabilistic network its scale, with the axes, the
        units and the size of a voxel of the image.
    part : tuple of int
        As in `slab`; the percentiles are the whole volume's.

    Returns
    -------
    int
        The number of voxels restored; with 0, nothing is written.

    Raises
    ------
    ValueError
        Naming the file, if it cannot be read or is constant, or no tile of it fits the memory.
    """
    header = volume_header(pair.image)
    region = slab(header.shape, part, restorer.multiple)
    if region is None:
        return 0
    folder = destination.folder
    folder.mkdir(parents=True, exist_ok=True)
    has_scale = restorer.probabilistic and pair.condition != TRUTH
    try:
        mean, scale, bounds = _restore_region(restorer, pair, region, folder, has_scale)
    except ValueError as error:
        raise ValueError(f"{pair.image}: {error}") from None
    normalisation = Normalisation(*bounds, is_applied=True)
    destination.write(pair.restored_name, mean, pair.axes, header, normalisation)
    if scale is not None:
        name = SCALES / pair.restored_name
        destination.write(name, scale, pair.axes, header, normalisation.of_widths)
    return mean.size


def _restore_region(
    restorer: Restorer, pair: Pair, region: Region, scratch: Path, has_scale: bool
) -> tuple[np.ndarray, np.ndarray | None, tuple[float, float]]:
    """Mean and scale of a region of a pair's image, and the image's values that became 0 and 1.

    A network of several channels takes those of the pair together, each normalised by its own.
    """
    image = open_volume(pair.image, pair.axes, scratch=scratch)
    bounds = limits(image, *restorer.percentiles)
    axes, whole, given = pair.axes, region, bounds
    own: tuple[int, ...] = ()
    if pair.channels:
        image = _joint(pair, restorer.percentiles, scratch)
        axes, whole, given = f"C{axes}", (slice(0, len(pair.channels)), *region), (0.0, 1.0)
        own = (pair.channels.index(pair.image),)
    shape = tuple(axis.stop - axis.start for axis in whole)
    mean = scratch_array(scratch, shape, np.float32)
    scale = scratch_array(scratch, shape, np.float32) if has_scale else None
    of_network = tuple(region[pair.axes.index(axis)] for axis in restorer.axes)
    # Of a network of planes, those of this part
    planes = tuple(
        part if axis in pair.axes and axis not in restorer.axes else slice(None)
        for axis, part in zip(axes, whole, strict=True)
    )
    restorer.restore(image[planes], axes, mean, scale, given, of_network)
    return mean[own], None if scale is None else scale[own], bounds


def _joint(pair: Pair, percentiles: tuple[float, float], scratch: Path) -> np.ndarray:
    """The channels of a pair, (C, ...), each normalised by its own percentiles."""
    first = volume_header(pair.image).shape
    joint = scratch_array(scratch, (len(pair.channels), *first), np.float32)
    for path, normalised in zip(pair.channels, joint, strict=True):
        channel = open_volume(path, pair.axes, scratch=scratch)
        bounds = limits(channel, *percentiles, str(path))
        normalise(channel, Normalisation(*bounds), normalised)
    return joint


def normalise(image: np.ndarray, normalisation: Normalisation, out: np.ndarray) -> None:
    """Write an image normalised into `out`, of its shape, block by block."""
    for block in blocks(image):
        out[block] = normalisation.apply(image[block])
