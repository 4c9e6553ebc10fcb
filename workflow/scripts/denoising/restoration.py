"""Restoring volumes of any size with a trained network, tile by tile, exactly as in one piece.

A tile is a core that starts on a multiple of the network's 2**depth and a halo of context around it that reaches
the network's receptive field or the volume's edge, so the core's result does not depend on how the volume is cut.
Volumes are memory maps, of the input and of what is restored: memory holds a batch of tiles and what the network
makes of it, whatever the size of the volume.
"""

import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE
from tqdm import tqdm

from denoising.formats import Storage, scratch_array, write
from denoising.network import halo
from denoising.percentiles import limits
from denoising.volumes import INPUT_PERCENTILES, SCALES, TRUTH, Pair, open_volume, volume_header

log = logging.getLogger(__name__)

# Memory that the network takes at its peak: float32 values for each voxel of a tile, so many for each feature of its
# first level and so many besides (measured on a CPU: 3.9 to 5.1 a feature in all, in 2D and 3D, depths 2 and 3, kernels
# 3 and 5); and of what is free, the share that is counted on
VALUES_PER_FEATURE, VALUES_BESIDES = 5, 4
SHARE = 0.9
# On a CPU one tile at a time is the fastest (measured)
TILES_A_BATCH = {"CPU": 1, "GPU": 8}

Region = tuple[slice, ...]


@dataclass(frozen=True)
class TilePlan:
    """Tiles of one size that cover a volume: every tile is `tile` voxels, halo included, for `core` of the result."""

    shape: tuple[int, ...]
    core: tuple[int, ...]
    tile: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(-(-s // c) for s, c in zip(self.shape, self.core, strict=True))

    @property
    def computed_voxels(self) -> int:
        """Voxels that pass through the network, overlaps counted each time."""
        return len(self) * math.prod(self.tile)

    def __iter__(self) -> Iterator[tuple[Region, tuple[int, ...], Region, Region]]:
        """For each tile: what it reads, where in the tile its core starts, what of the volume it gives, and where in
        the core that lies."""
        along = [list(_along_axis(*axis)) for axis in zip(self.shape, self.core, self.tile, strict=True)]
        for axes in itertools.product(*along):
            yield tuple(zip(*axes, strict=True))


def _along_axis(size: int, core: int, tile: int) -> Iterator[tuple[slice, int, slice, slice]]:
    count = -(-size // core)
    margin = (tile - core) // min(count - 1, 2) if count > 1 else 0
    for start in range(0, size, core):
        stop = min(start + core, size)
        first = min(max(0, start - margin), size - tile)
        begin = min(start, size - core)  # the last core overlaps the one before it: all are of one size
        yield slice(first, first + tile), begin - first, slice(start, stop), slice(start - begin, stop - begin)


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
        smallest = min(math.prod(tile for _, tile in axes) for axes in itertools.product(*choices))
        raise ValueError(
            f"a tile may have {max_voxels} voxels, but the smallest tile of a volume of {shape} with its halo of "
            f"{margin} has {smallest}; give the rule restore more memory (--set-resources restore:mem_mb=...) or a "
            "larger GPU, or raise restoration.max_tile_voxels where it is set."
        )
    return min(fitting, key=lambda plan: (plan.computed_voxels, len(plan)))


def _axis_choices(size: int, margin: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Core and tile sizes along one axis for every useful number of tiles."""
    seen = set()
    for count in range(1, size // multiple + 1):
        core = -(-size // (count * multiple)) * multiple
        if core not in seen:
            seen.add(core)
            sides = min(-(-size // core) - 1, 2)  # of two tiles, each has the volume's edge at one side
            yield core, min(size, core + sides * margin)


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
        self._forward = cache(lambda tile, core: compiled(model, tile, core))  # by the shapes of a plan

    @property
    def probabilistic(self) -> bool:
        return self.config.probabilistic

    def restore(
        self, image: np.ndarray, axes: str, mean: np.ndarray, scale: np.ndarray | None = None, low=0.0, high=1.0
    ) -> None:
        """Restore (image - low) / (high - low).

        Parameters
        ----------
        image : ndarray
            Any numbers, axes in any order: the network's Z, Y and X, and S, T or C. S and T are images on their own; C
            is too for networks of one channel.
        axes : str
        mean : ndarray of float32
            Written: the expected restored image, of `image`'s shape, equal to csbdeep's prediction in one piece.
        scale : ndarray of float32, optional
            Written: of a probabilistic network, the scale of the Laplace distribution of each voxel.
        low, high : float
            What of `image` is 0 and 1 for the network.

        Raises
        ------
        ValueError
            If the axes do not fit the network, or not even the smallest tile fits its memory.
        """
        if scale is not None and not self.probabilistic:
            raise ValueError("the network is not probabilistic and has no scale; restore the mean alone.")
        outputs = [mean] if scale is None else [mean, scale]
        source, *outputs = (self._arranged(array, axes) for array in (image, *outputs))
        padded = tuple(size + -size % self.multiple for size in source.shape[-self.config.n_dim - 1 : -1])
        while True:
            plan = plan_tiles(padded, self.margin, self.multiple, self.max_tile_voxels)
            try:
                return self._run(plan, source, outputs, low, high)
            except tf.errors.ResourceExhaustedError:
                if self.tiles_a_batch > 1:
                    self.tiles_a_batch = 1
                    log.warning("out of memory with several tiles of %s a batch: one at a time now", plan.tile)
                    continue
                self.max_tile_voxels = math.prod(plan.tile) // 2
                log.warning("out of memory with tiles of %s: at most %d voxels now", plan.tile, self.max_tile_voxels)

    def _arranged(self, array: np.ndarray, axes: str) -> np.ndarray:
        """A view with axes (images on their own..., the network's, channel)."""
        spatial = self.config.axes.replace("C", "")
        joint = "C" if "C" in axes and self.config.n_channel_in > 1 else ""
        alone = [axis for axis in axes if axis not in spatial + joint]
        channels = array.shape[axes.index("C")] if joint else 1
        if not set(spatial) <= set(axes) or not set(alone) <= set("STC") or len(axes) != array.ndim:
            raise ValueError(
                f"an image {array.shape} has axes {axes}, expected {spatial}, and at most S, T, C besides."
            )
        if channels != self.config.n_channel_in or channels != self.config.n_channel_out:
            raise ValueError(
                f"an image {array.shape} of axes {axes} has {channels} channels, expected "
                f"{self.config.n_channel_in}; the network gives {self.config.n_channel_out}."
            )
        view = array.transpose([axes.index(axis) for axis in (*alone, *spatial, *joint)])
        return view if joint else view[..., None]

    def _run(self, plan: TilePlan, source: np.ndarray, outputs: list, low: float, high: float) -> None:
        forward = self._forward(plan.tile, plan.core)
        axes = len(plan.shape)
        inside = _inside(source.shape[-axes - 1 : -1], self.multiple)
        places = itertools.product(np.ndindex(source.shape[: -axes - 1]), plan)
        at_once = max(1, min(self.tiles_a_batch, self.max_tile_voxels // math.prod(plan.tile)))
        for begin, batch in _batches(places, at_once):
            tiles = np.stack([_padded_part(source[index], read, inside) for index, (read, *_) in batch])
            tiles = (tiles.astype(np.float32) - np.float32(low)) / np.float32(high - low)
            for (index, (_, _, give, within)), core in zip(batch, forward(tiles, begin), strict=True):
                place, within = _cropped(give, within, inside)
                for i, output in enumerate(outputs):
                    channels = slice(i * source.shape[-1], (i + 1) * source.shape[-1])
                    output[index][place] = core[*within, channels]


def _batches(places: Iterator, size: int) -> Iterator[tuple[tuple[int, ...], list]]:
    """Places whose cores begin alike in their tiles, `size` at a time."""
    for begin, alike in itertools.groupby(places, key=lambda place: place[1][1]):
        while batch := list(itertools.islice(alike, size)):
            yield begin, batch


# Padding: reflected at the edges to multiples of 2**depth, as csbdeep's `PadAndCropResizer` does


def _inside(shape: tuple[int, ...], multiple: int) -> Region:
    """Where the image lies in the padded one."""
    befores = [-size % multiple // 2 for size in shape]
    return tuple(slice(before, before + size) for before, size in zip(befores, shape, strict=True))


def _padded_part(image: np.ndarray, read: Region, inside: Region) -> np.ndarray:
    """The part `read` of the padded image, (..., channels), of which only that part is in memory."""
    spans = [(r.start - i.start, r.stop - i.start, i.stop - i.start) for r, i in zip(read, inside, strict=True)]
    part = image[tuple(slice(max(start, 0), min(stop, size)) for start, stop, size in spans)]
    widths = [(max(-start, 0), max(stop - size, 0)) for start, stop, size in spans]
    return np.pad(part, [*widths, (0, 0)], mode="reflect") if np.any(widths) else part


def _cropped(give: Region, within: Region, inside: Region) -> tuple[Region, Region]:
    """Where in the image, instead of the padded one, a tile gives what of its core."""
    pairs = []
    for g, w, i in zip(give, within, inside, strict=True):
        start, stop = max(g.start, i.start), min(g.stop, i.stop)
        pairs.append((slice(start - i.start, stop - i.start), slice(w.start + start - g.start, w.stop + stop - g.stop)))
    return tuple(zip(*pairs, strict=True))


# The forward pass


def compiled(model: CARE, tile: tuple[int, ...], core: tuple[int, ...]) -> Callable:
    """The network's forward pass as one graph, for tiles and cores of these shapes.

    The halo is context for the way down alone: on the way up, each level is cut to what its convolutions and those
    after them need around the core.

    Returns
    -------
    callable
        Of float32 tiles (batch, *tile, channels) and the place in each tile where its core begins (axes), to float32
        (batch, *core, channels out): the expected values, and behind them a probabilistic network's scales.
    """
    network, config = model.keras_model, model.config
    margins = _margins(config.unet_n_depth, config.unet_kern_size)
    sizes = [np.minimum(np.add(core, 2 * margin), tile) for margin in margins]

    def cut(values, start, begin, level, step):
        """The region of a level from values that start elsewhere; a value each `step` voxels of the image."""
        size = core if level is None else sizes[level]
        wanted = begin if level is None else tf.clip_by_value(begin - margins[level], 0, tile - size)
        if tuple(values.shape[1:-1]) == tuple(np.floor_divide(size, step)):
            return values, wanted
        first = tf.concat([[0], (wanted - start) // step, [0]], 0)
        return tf.slice(values, first, [-1, *np.floor_divide(size, step), -1]), wanted

    def forward(tiles, begin):
        found = {id(network.inputs[0]): (tiles, tf.zeros_like(begin))}  # values, and where in the tile they start
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
    """What the convolution `layer` makes of [upsampled `below`, `skip`], without either: with a third less arithmetic.

    Of what is upsampled by repetition, even and odd voxels along an axis are convolutions of `below` itself with about
    half the kernel's voxels, some of them summed.
    """
    channels, axes, reach = below.shape[-1], len(layer.kernel_size), layer.kernel_size[0] // 2
    upper, lower = layer.kernel[..., :channels, :], layer.kernel[..., channels:, :]
    first = [(phase - reach) // 2 for phase in (0, 1)]  # voxel of `below`, from its own, that the kernel starts on
    sums = np.zeros((2, reach + 1, 2 * reach + 1), np.float32)
    for phase, place in itertools.product((0, 1), range(2 * reach + 1)):
        sums[phase, (phase + place - reach) // 2 - first[phase], place] = 1
    for _ in range(axes):  # the first axis of the kernel becomes its last two: a phase, and below's voxels
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
            tf.reshape(tf.stack(pair, axis + 2), [-1, *done, out]) for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
    return layer.activation(parts[0] + tf.nn.convolution(skip, lower, padding="SAME") + layer.bias)


def _margins(depth: int, kernel: int) -> list[int]:
    """Voxels of the image around the core that each level still needs on the way up: two convolutions a level."""
    margins = [2 * (kernel // 2)]
    for level in range(1, depth):
        step = 2 ** (level + 1)  # the level below is cut to the same place
        margins.append(-(-(margins[-1] + step * (kernel // 2)) // step) * step)
    return margins


# Memory


def most_voxels_at_once(model: CARE, set_to: int | None, free_bytes: float) -> int:
    """The most voxels of a tile: what the config sets, or what takes no more than its share of the free memory."""
    bytes_each = 4 * (VALUES_PER_FEATURE * model.config.unet_n_first + VALUES_BESIDES)
    # Kernels count the values of a tensor in int32; the largest joins two of the first level's width
    most = (2**31 - 1) // (2 * model.config.unet_n_first)
    voxels = min(set_to or int(SHARE * free_bytes / bytes_each), most)
    log.info("tiles of at most %d voxels: %.0f bytes a voxel, %.0f MB free", voxels, bytes_each, free_bytes / 1e6)
    return voxels


# Files


def restore_all(
    restorer: Restorer, pairs: list[Pair], folder: Path, settings: dict, threads: int, runtime: Path, told: dict
) -> None:
    """Restore the image of every pair to {condition}/{volume}.tif of `folder`, its scale to the same under scale/.

    A restored ground truth is compared, never calibrated: its scale is not written.
    `runtime` is written: JSON of `told` and the seconds that this took, the voxels and the threads.
    """
    start, voxels = time.perf_counter(), 0
    for pair in tqdm(pairs, desc="restored", unit="volume"):
        name = Path(pair.condition, f"{pair.volume}.tif")
        targets = folder / name, None if pair.condition == TRUTH else folder / SCALES / name
        voxels += restore_file(restorer, pair.image, pair.axes, *targets, settings, threads)
    spent = {"seconds": round(time.perf_counter() - start, 3), "voxels": voxels, "threads": threads}
    runtime.write_text(json.dumps(told | spent, indent=2) + "\n")


def restore_file(
    restorer: Restorer, source: Path, axes: str, mean: Path, scale: Path | None, settings: dict, threads: int
) -> int:
    """Restore `N(x; 3, 99.8)` of the volume at `source`, and write it as `settings` say.

    Parameters
    ----------
    restorer : Restorer
    source : Path
        The volume as acquired; larger than memory, if need be.
    axes : {"YX", "ZYX"}
    mean, scale : Path
        Written, by their TIFF names: the restoration, and of a probabilistic network its scale, if asked for, both with
        the axes and the size of a voxel of `source`.
    settings : dict
        format, dtype and compression, as the config's `restoration` has them.
    threads : int
        That compress.

    Returns
    -------
    int
        The number of voxels.

    Raises
    ------
    ValueError
        Naming the file, if it cannot be read or is constant, or no tile of it fits the memory.
    """
    mean.parent.mkdir(parents=True, exist_ok=True)
    image, header = open_volume(source, axes, scratch=mean.parent), volume_header(source)
    targets = [mean, scale] if restorer.probabilistic and scale else [mean]
    restored = [scratch_array(mean.parent, image.shape, np.float32) for _ in targets]
    try:
        low, high = limits(image, *INPUT_PERCENTILES)
        restorer.restore(image, axes, *restored, low=low, high=high)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    for target, array in zip(targets, restored, strict=True):
        write(target, array, axes, header.voxel_size, Storage.of(settings, header.dtype), threads)
    return image.size
