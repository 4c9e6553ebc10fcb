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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE
from tqdm import tqdm

from denoising.images.files import Storage, scratch_array, write
from denoising.images.percentiles import limits
from denoising.images.volumes import (
    INPUT_PERCENTILES,
    SCALES,
    TRUTH,
    Pair,
    open_volume,
    volume_header,
)
from denoising.training.network import halo

log = logging.getLogger(__name__)

# Memory that the network takes at its peak: float32 values for each voxel of a tile, so many for
# each feature of its first level and so many besides (measured on a CPU: 3.9 to 5.1 a feature in
# all, in 2D and 3D, depths 2 and 3, kernels 3 and 5); and of what is free, the share that is
# counted on
VALUES_PER_FEATURE, VALUES_BESIDES = 5, 4
SHARE = 0.9
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

Region = tuple[slice, ...]


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one size that cover a region of a volume of `shape`: every tile is `tile` voxels,
    halo of `margin` included, for `core` of the result."""

    shape: tuple[int, ...]
    region: Region
    margin: int
    core: tuple[int, ...]
    tile: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(len(_begins(*axis)) for axis in zip(self.region, self.core, strict=True))

    @property
    def computed_voxels(self) -> int:
        """Voxels that pass through the network, overlaps counted each time."""
        return len(self) * math.prod(self.tile)

    def __iter__(self) -> Iterator[tuple[Region, tuple[int, ...], Region, Region]]:
        """For each tile: what it reads, where in the tile its core starts, what of the volume it
        gives, and where in the core that lies."""
        each_axis = zip(self.shape, self.region, self.core, self.tile, strict=True)
        for axes in itertools.product(
            *(list(_along_axis(*axis, self.margin)) for axis in each_axis)
        ):
            yield tuple(zip(*axes, strict=True))


def _along_axis(size: int, wanted: slice, core: int, tile: int, margin: int) -> Iterator[tuple]:
    for start, begin in zip(
        range(wanted.start, wanted.stop, core), _begins(wanted, core), strict=True
    ):
        stop = min(start + core, wanted.stop)
        first = min(max(0, begin - margin), size - tile)
        yield (
            slice(first, first + tile),
            begin - first,
            slice(start, stop),
            slice(start - begin, stop - begin),
        )


def _begins(wanted: slice, core: int) -> list[int]:
    """Where cores begin along one axis; all are of one size, so the last two may overlap."""
    return [min(start, wanted.stop - core) for start in range(wanted.start, wanted.stop, core)]


def plan_tiles(
    shape: tuple[int, ...],
    margin: int,
    multiple: int,
    max_voxels: int,
    region: Region | None = None,
) -> TilePlan:
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
    region : tuple of slice, optional
        What of the volume is wanted, from and to multiples of `multiple`; by default all of it.

    Raises
    ------
    ValueError
        If not even the smallest tile fits.
    """
    region = region or tuple(slice(0, size) for size in shape)
    choices = [
        list(_axis_choices(*axis, margin, multiple)) for axis in zip(shape, region, strict=True)
    ]
    plans = (
        TilePlan(shape, region, margin, *map(tuple, zip(*axes, strict=True)))
        for axes in itertools.product(*choices)
    )
    fitting = [plan for plan in plans if math.prod(plan.tile) <= max_voxels]
    if not fitting:
        smallest = min(math.prod(tile for _, tile in axes) for axes in itertools.product(*choices))
        raise ValueError(
            f"a tile may have {max_voxels} voxels, but the smallest tile of a volume of {shape}"
            f" with its halo of {margin} has {smallest}; give the rule restore (or restore_slab)"
            " more memory (mem_mb, by the profile or --set-resources) or a larger GPU, or raise"
            " restoration.max_tile_voxels if it is set."
        )
    return min(fitting, key=lambda plan: (plan.computed_voxels, len(plan)))


def _axis_choices(
    size: int, wanted: slice, margin: int, multiple: int
) -> Iterator[tuple[int, int]]:
    """Core and tile sizes along one axis for every useful number of tiles."""
    length, seen = wanted.stop - wanted.start, set()
    for count in range(1, length // multiple + 1):
        core = -(-length // (count * multiple)) * multiple
        if core not in seen:
            seen.add(core)
            spans = [
                (max(0, at - margin), min(size, at + core + margin)) for at in _begins(wanted, core)
            ]
            yield core, max(stop - start for start, stop in spans)


# The network


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
        inside = _inside(shape, self.multiple)
        wanted = _shifted(region, inside) if region else inside
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
        inside = _inside(source.shape[-axes - 1 : -1], self.multiple)
        places = itertools.product(np.ndindex(source.shape[: -axes - 1]), plan)
        at_once = max(1, min(self.tiles_a_batch, self.max_tile_voxels // math.prod(plan.tile)))
        for begin, batch in _batches(places, at_once):
            parts = (_padded_part(source[index], read, inside) for index, (read, *_) in batch)
            tiles = np.stack([part.astype(np.float32) for part in parts])
            tiles -= np.float32(low)  # in place: beside a narrow network, copies of a tile count
            tiles /= np.float32(high - low)
            for (index, (_, _, give, within)), core in zip(
                batch, forward(tiles, begin), strict=True
            ):
                place, within = _cropped(give, within, wanted)
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


# Padding: reflected at the edges to multiples of 2**depth, as csbdeep's `PadAndCropResizer` does


def _inside(shape: tuple[int, ...], multiple: int) -> Region:
    """Where the image lies in the padded one."""
    befores = [-size % multiple // 2 for size in shape]
    return tuple(slice(before, before + size) for before, size in zip(befores, shape, strict=True))


def _padded_part(image: np.ndarray, read: Region, inside: Region) -> np.ndarray:
    """The part `read` of the padded image, (..., channels); only that part is in memory."""
    spans = [
        (r.start - i.start, r.stop - i.start, i.stop - i.start)
        for r, i in zip(read, inside, strict=True)
    ]
    part = image[tuple(slice(max(start, 0), min(stop, size)) for start, stop, size in spans)]
    widths = [(max(-start, 0), max(stop - size, 0)) for start, stop, size in spans]
    return np.pad(part, [*widths, (0, 0)], mode="reflect") if np.any(widths) else part


def _shifted(region: Region, inside: Region) -> Region:
    """Where in the padded image a region of the image lies."""
    pairs = zip(region, inside, strict=True)
    return tuple(slice(r.start + i.start, r.stop + i.start) for r, i in pairs)


def _cropped(give: Region, within: Region, wanted: Region) -> tuple[Region, Region]:
    """Where in what is wanted of the padded image a tile gives what of its core."""
    pairs = []
    for g, w, i in zip(give, within, wanted, strict=True):
        start, stop = max(g.start, i.start), min(g.stop, i.stop)
        pairs.append(
            (
                slice(start - i.start, stop - i.start),
                slice(w.start + start - g.start, w.stop + stop - g.stop),
            )
        )
    return tuple(zip(*pairs, strict=True))


# The forward pass


def compiled(model: CARE, tile: tuple[int, ...], core: tuple[int, ...]) -> Callable:
    """The network's forward pass as one graph, for tiles and cores of these shapes.

    The halo is context for the way down alone: on the way up, each level is cut to what its
    convolutions and those after them need around the core.

    Returns
    -------
    callable
        Of float32 tiles (batch, *tile, channels) and the place in each tile where its core begins
        (axes), to float32 (batch, *core, channels out): the expected values, and behind them a
        probabilistic network's scales.
    """
    network, config = model.keras_model, model.config
    margins = _margins(config.unet_n_depth, config.unet_kern_size)
    sizes = [np.minimum(np.add(core, 2 * margin), tile) for margin in margins]

    def cut(values, start, begin, level, step):
        """The region of a level from values that start elsewhere; a value each `step` voxels of the
        image.
        """
        size = core if level is None else sizes[level]
        wanted = (
            begin if level is None else tf.clip_by_value(begin - margins[level], 0, tile - size)
        )
        if tuple(values.shape[1:-1]) == tuple(np.floor_divide(size, step)):
            return values, wanted
        first = tf.concat([[0], (wanted - start) // step, [0]], 0)
        return tf.slice(values, first, [-1, *np.floor_divide(size, step), -1]), wanted

    def forward(tiles, begin):
        found = {
            id(network.inputs[0]): (tiles, tf.zeros_like(begin))
        }  # values, and where in the tile they start
        level, below = config.unet_n_depth, None
        for layer in network.layers[1:]:
            tensors = tf.nest.flatten(layer.input)
            sources = [found[id(tensor)] for tensor in tensors]
            values, start = [each for each, _ in sources], sources[0][1]
            if type(layer).__name__.startswith("UpSampling"):  # left to the convolution after it
                level, below = level - 1, layer.output
                result = cut(*sources[0], begin, level, 2 ** (level + 1))
            elif tensors[0] is below:  # and so is the joining of the skip connection
                skip, start = cut(*sources[1], begin, level, 2**level)
                result = (values[0], skip), start
            elif isinstance(values[0], tuple):
                result = _upsample_join_convolve(layer, *values[0]), start
            elif len(sources) > 1:
                values = [cut(*each, begin, 0, 1) for each in sources]
                result = layer([each for each, _ in values]), values[0][1]
            else:
                result = layer(values[0]), start
            found[id(layer.output)] = result
        return cut(*found[id(network.outputs[0])], begin, None, 1)[0]

    graph = tf.function(
        forward,
        input_signature=[
            tf.TensorSpec((None, *tile, config.n_channel_in), tf.float32),
            tf.TensorSpec((len(tile),), tf.int32),
        ],
    )
    return lambda tiles, begin: graph(tiles, np.array(begin, np.int32)).numpy()


def _upsample_join_convolve(layer, below, skip):
    """What the convolution `layer` makes of [upsampled `below`, `skip`], without either: with a
    third less arithmetic.

    Of what is upsampled by repetition, even and odd voxels along an axis are convolutions of
    `below` itself with about half the kernel's voxels, some of them summed.
    """
    channels, axes, reach = below.shape[-1], len(layer.kernel_size), layer.kernel_size[0] // 2
    upper, lower = layer.kernel[..., :channels, :], layer.kernel[..., channels:, :]
    first = [
        (phase - reach) // 2 for phase in (0, 1)
    ]  # voxel of `below`, from its own, that the kernel starts on
    sums = np.zeros((2, reach + 1, 2 * reach + 1), np.float32)
    for phase, place in itertools.product((0, 1), range(2 * reach + 1)):
        sums[phase, (phase + place - reach) // 2 - first[phase], place] = 1
    for _ in range(
        axes
    ):  # the first axis of the kernel becomes its last two: a phase, and below's voxels
        upper = tf.tensordot(upper, sums, [[0], [2]])
    # channels in and out, then phase and voxel of each axis
    order = [*range(3, 2 + 2 * axes, 2), 0, *range(2, 2 + 2 * axes, 2), 1]
    upper = tf.transpose(upper, order)
    out = upper.shape[-1]
    upper = tf.reshape(upper, [reach + 1] * axes + [channels, -1])
    padded = tf.pad(below, [[0, 0], *[[-first[0], first[1] + reach]] * axes, [0, 0]])
    phases = tf.split(tf.nn.convolution(padded, upper, padding="VALID"), 2**axes, -1)
    sizes = below.shape[1:-1]
    parts = []
    for values, phase in zip(phases, itertools.product((0, 1), repeat=axes), strict=True):
        begin = [0, *(first[each] - first[0] for each in phase), 0]
        parts.append(tf.slice(values, begin, [-1, *sizes, -1]))
    done = list(sizes)
    for axis in reversed(range(axes)):
        done[axis] *= 2
        parts = [
            tf.reshape(tf.stack(pair, axis + 2), [-1, *done, out])
            for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
    return layer.activation(parts[0] + tf.nn.convolution(skip, lower, padding="SAME") + layer.bias)


def _margins(depth: int, kernel: int) -> list[int]:
    """Voxels of the image around the core that each level still needs on the way up: two
    convolutions a level.
    """
    margins = [2 * (kernel // 2)]
    for level in range(1, depth):
        step = 2 ** (level + 1)  # the level below is cut to the same place
        margins.append(-(-(margins[-1] + step * (kernel // 2)) // step) * step)
    return margins


# Memory


def most_voxels_at_once(model: CARE, set_to: int | None, free_bytes: float) -> int:
    """The most voxels of a tile: what the config sets, or what takes no more than its share of the
    free memory.
    """
    bytes_each = 4 * (VALUES_PER_FEATURE * model.config.unet_n_first + VALUES_BESIDES)
    # Kernels count the values of a tensor in int32; the largest joins two of the first level's
    # width
    most = (2**31 - 1) // (2 * model.config.unet_n_first)
    voxels = min(set_to or int(SHARE * free_bytes / bytes_each), most)
    log.info(
        "tiles of at most %d voxels: %.0f bytes a voxel, %.0f MB free",
        voxels,
        bytes_each,
        free_bytes / 1e6,
    )
    return voxels


# Slabs


def slab(shape: tuple[int, ...], part: tuple[int, int], multiple: int) -> Region | None:
    """The part of an image that one of several jobs restores: a slab across its longest axis.

    Parameters
    ----------
    shape : tuple of int
    part : tuple of int
        Which part (from 1) of how many; slabs are of one thickness, but for the last.
    multiple : int
        2**depth of the network: slabs meet on multiples of it in the padded image, where they cost
        no recomputation but the halo's.

    Returns
    -------
    tuple of slice, or None where the image is too short for so many parts, and this one has none of
    it.
    """
    axis = shape.index(max(shape))
    inside, padded = _inside(shape, multiple)[axis], shape[axis] + -shape[axis] % multiple
    thickness = -(-padded // (part[1] * multiple)) * multiple
    start, stop = (
        min(max(0, n * thickness - inside.start), shape[axis]) for n in (part[0] - 1, part[0])
    )
    whole = [slice(0, size) for size in shape]
    return (*whole[:axis], slice(start, stop), *whole[axis + 1 :]) if start < stop else None


# Files


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
