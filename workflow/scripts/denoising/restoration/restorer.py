"""Restoring volumes of any size with a trained network, tile by tile, exactly as in one piece.

A tile is a core that starts on a multiple of the network's 2**depth and a halo of context around it
that reaches the network's receptive field or the volume's edge, so the core's result does not
depend on how the volume is cut. Volumes are memory maps, of the input and of what is restored:
memory holds a batch of tiles and what the network makes of it, whatever the size of the volume. For
the same reason a volume can be shared by several jobs, each of which restores a slab of it
(`slab`), reading no more around it than the halo.
"""

import itertools
import json
import logging
import math
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE
from tqdm import tqdm

from denoising.images.files import Storage, write
from denoising.images.percentiles import limits
from denoising.images.slabs import scratch_array
from denoising.images.volumes import (
    INPUT_PERCENTILES,
    SCALES,
    TRUTH,
    Pair,
    open_volume,
    volume_header,
)
from denoising.restoration.forward_pass import compiled
from denoising.restoration.tiling import (
    Region,
    TilePlan,
    cropped,
    inside_of,
    padded_part,
    plan_tiles,
    shifted,
    slab,
)
from denoising.training.network import halo

log = logging.getLogger(__name__)

# On a CPU one tile at a time is the fastest (measured)
TILES_A_BATCH = {"CPU": 1, "GPU": 8}
# What cuDNN, cuBLAS, XLA and CUDA's driver say when a GPU has no memory left, in errors of these
# kinds too; not what they say of missing or wrong libraries
DISGUISES = (tf.errors.InternalError, tf.errors.UnknownError, tf.errors.NotFoundError)
EXHAUSTED = re.compile(
    "out[ _]of[ _]memory|failed to allocate|_ALLOC_FAILED|RESOURCE_EXHAUSTED|no algorithm worked"
    "|failed to (find|determine) best [^:]*algorithm",
    re.IGNORECASE,
)


class Restorer:
    """A network, compiled, that restores images tile by tile.

    Parameters
    ----------
    model : csbdeep.models.CARE
    max_tile_voxels : int
        The most voxels of one tile, halo included; halved whenever the device has not the memory.
    tiles_a_batch : int
        As many tiles at a time where all of them together have no more voxels than that.
    """

    def __init__(self, model: CARE, max_tile_voxels: int, tiles_a_batch: int = 1):
        self.config = model.config
        self.tiles_a_batch = tiles_a_batch
        self.max_tile_voxels = max_tile_voxels
        self.multiple = 2**self.config.unet_n_depth
        self.margin = halo(self.config.unet_n_depth, self.config.unet_kern_size)
        self._forward = cache(
            lambda tile, core: compiled(model, tile, core)
        )  # by the shapes of a plan

    @property
    def probabilistic(self) -> bool:
        return self.config.probabilistic

    def restore(
        self,
        image: np.ndarray,
        axes: str,
        mean: np.ndarray,
        scale: np.ndarray | None = None,
        low: float = 0.0,
        high: float = 1.0,
        region: Region | None = None,
    ) -> None:
        """Restore (image - low) / (high - low).

        Parameters
        ----------
        image : ndarray
            Any numbers, axes in any order: the network's Z, Y and X, and S, T or C. S and T are
            images on their own; C is too for networks of one channel.
        axes : str
        mean : ndarray of float32
            Written: the expected restored image, of `image`'s shape or the region's, equal to
            csbdeep's prediction in one piece.
        scale : ndarray of float32, optional
            Written: of a probabilistic network, the scale of the Laplace distribution of each
            voxel.
        low, high : float
            What of `image` is 0 and 1 for the network.
        region : tuple of slice, optional
            What of `image` is restored, a slice for each of the network's axes in their order; by
            default all of it. Of the rest, no more is read than the halo.

        Raises
        ------
        ValueError
            If the axes do not fit the network, or not even the smallest tile fits its memory; it
            then says what the device said.
        """
        if scale is not None and not self.probabilistic:
            raise ValueError(
                "the network is not probabilistic and has no scale; restore the mean alone."
            )
        outputs = [mean] if scale is None else [mean, scale]
        source, *outputs = (self._arranged(array, axes) for array in (image, *outputs))
        shape = source.shape[-self.config.n_dim - 1 : -1]
        inside = inside_of(shape, self.multiple)
        wanted = shifted(region, inside) if region else inside
        said = ""
        while (
            True
        ):  # ends: each failure makes batches or tiles smaller, and there is a smallest tile
            try:
                plan = self._plan(shape, wanted)
            except ValueError as error:
                raise ValueError(f"{error}{said}") from None
            try:
                return self._run(plan, source, outputs, wanted, low, high)
            except tf.errors.OpError as error:
                if not _out_of_memory(error):
                    raise
                # the error itself holds tiles
                said = f" The device said: {type(error).__name__}: {error.message}"
            self._take_less(plan, said)

    def _plan(self, shape: tuple[int, ...], wanted: Region) -> TilePlan:
        """Tiles for what is wanted of the padded image."""
        padded = tuple(size + -size % self.multiple for size in shape)
        edges = [(w.start // self.multiple, -(-w.stop // self.multiple)) for w in wanted]
        region = tuple(slice(first * self.multiple, last * self.multiple) for first, last in edges)
        return plan_tiles(padded, self.margin, self.multiple, self.max_tile_voxels, region)

    def _take_less(self, plan: TilePlan, said: str) -> None:
        """Smaller batches than those of a plan, or else smaller tiles."""
        if self.tiles_a_batch > 1 and 2 * math.prod(plan.tile) <= self.max_tile_voxels:
            self.tiles_a_batch = 1
            log.warning(
                "out of memory with several tiles of %s a batch: one at a time now.%s",
                plan.tile,
                said,
            )
        else:
            self.max_tile_voxels = math.prod(plan.tile) // 2
            values = plan.tile, self.max_tile_voxels, said
            log.warning("out of memory with tiles of %s: at most %d voxels now.%s", *values)

    def _arranged(self, array: np.ndarray, axes: str) -> np.ndarray:
        """A view with axes (images on their own..., the network's, channel)."""
        spatial = self.config.axes.replace("C", "")
        joint = "C" if "C" in axes and self.config.n_channel_in > 1 else ""
        alone = [axis for axis in axes if axis not in spatial + joint]
        channels = array.shape[axes.index("C")] if joint else 1
        if not set(spatial) <= set(axes) or not set(alone) <= set("STC") or len(axes) != array.ndim:
            raise ValueError(
                f"an image {array.shape} has axes {axes}, expected {spatial}, and at most S, T, C"
                " besides."
            )
        if channels != self.config.n_channel_in or channels != self.config.n_channel_out:
            raise ValueError(
                f"an image {array.shape} of axes {axes} has {channels} channels, expected "
                f"{self.config.n_channel_in}; the network gives {self.config.n_channel_out}."
            )
        view = array.transpose([axes.index(axis) for axis in (*alone, *spatial, *joint)])
        return view if joint else view[..., None]

    def _run(
        self,
        plan: TilePlan,
        source: np.ndarray,
        outputs: list,
        wanted: Region,
        low: float,
        high: float,
    ) -> None:
        forward = self._forward(plan.tile, plan.core)
        axes = len(plan.shape)
        inside = inside_of(source.shape[-axes - 1 : -1], self.multiple)
        places = itertools.product(np.ndindex(source.shape[: -axes - 1]), plan)
        at_once = max(1, min(self.tiles_a_batch, self.max_tile_voxels // math.prod(plan.tile)))
        for begin, batch in _batches(places, at_once):
            parts = (padded_part(source[index], read, inside) for index, (read, *_) in batch)
            tiles = np.stack([part.astype(np.float32) for part in parts])
            tiles -= np.float32(low)  # in place: beside a narrow network, copies of a tile count
            tiles /= np.float32(high - low)
            for (index, (_, _, give, within)), core in zip(
                batch, forward(tiles, begin), strict=True
            ):
                place, within = cropped(give, within, wanted)
                for i, output in enumerate(outputs):
                    channels = slice(i * source.shape[-1], (i + 1) * source.shape[-1])
                    output[index][place] = core[*within, channels]


def _batches(places: Iterator, size: int) -> Iterator[tuple[tuple[int, ...], list]]:
    """Places whose cores begin alike in their tiles, `size` at a time."""
    for begin, alike in itertools.groupby(places, key=lambda place: place[1][1]):
        while batch := list(itertools.islice(alike, size)):
            yield begin, batch


def _out_of_memory(error: tf.errors.OpError) -> bool:
    """Whether the device lacked memory; a GPU's libraries say so in errors of several kinds."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return True
    on_gpu = bool(tf.config.get_visible_devices("GPU"))
    return on_gpu and isinstance(error, DISGUISES) and bool(EXHAUSTED.search(error.message))


def restore_all(
    restorer: Restorer,
    pairs: list[Pair],
    folder: Path,
    settings: dict,
    threads: int,
    runtime: Path,
    told: dict,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Restore the image of every pair to {condition}/{volume}.tif of `folder`, its scale to the
    same under scale/.

    Of each image, `part` is restored, as in `slab`; images that have none of it leave no file. A
    restored ground truth is compared, never calibrated: its scale is not written. `runtime` is
    written: JSON of `told` and the seconds that this took, the voxels and the threads.
    """
    start, voxels = time.perf_counter(), 0
    folder.mkdir(parents=True, exist_ok=True)
    for pair in tqdm(pairs, desc="restored", unit="volume"):
        name = pair.restored_name
        targets = folder / name, None if pair.condition == TRUTH else folder / SCALES / name
        voxels += restore_file(restorer, pair.image, pair.axes, *targets, settings, threads, part)
    spent = {"seconds": round(time.perf_counter() - start, 3), "voxels": voxels, "threads": threads}
    runtime.write_text(json.dumps(told | spent, indent=2) + "\n")


def restore_file(
    restorer: Restorer,
    source: Path,
    axes: str,
    mean: Path,
    scale: Path | None,
    settings: dict,
    threads: int,
    part: tuple[int, int] = (1, 1),
) -> int:
    """Restore `N(x; 3, 99.8)` of the volume at `source`, or of a part of it, and write it as
    `settings` say.

    Parameters
    ----------
    restorer : Restorer
    source : Path
        The volume as acquired; larger than memory, if need be.
    axes : {"YX", "ZYX"}
    mean, scale : Path
        Written, by their TIFF names: the restoration, and of a probabilistic network its scale, if
        asked for, both with the axes and the size of a voxel of `source`.
    settings : dict
        format, dtype and compression, as the config's `restoration` has them.
    threads : int
        That compress.
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
    header = volume_header(source)
    region = slab(header.shape, part, restorer.multiple)
    if region is None:
        return 0
    mean.parent.mkdir(parents=True, exist_ok=True)
    image, shape = (
        open_volume(source, axes, scratch=mean.parent),
        tuple(r.stop - r.start for r in region),
    )
    targets = [mean, scale] if restorer.probabilistic and scale else [mean]
    restored = [scratch_array(mean.parent, shape, np.float32) for _ in targets]
    try:
        low, high = limits(image, *INPUT_PERCENTILES)
        restorer.restore(image, axes, *restored, low=low, high=high, region=region)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    for target, array in zip(targets, restored, strict=True):
        write(target, array, axes, header.voxel_size, Storage.of(settings, header.dtype), threads)
    return math.prod(shape)
