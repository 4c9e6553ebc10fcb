"""The network's forward pass over tiles, folded: the same result with less arithmetic.

Two things are left out of the pass layer by layer (`model.keras_model(tiles)`, which tests this
one). On the way up, each level is cut to what the core of a tile needs. And no tensor is upsampled
or joined with its skip connection, which takes a third off the arithmetic of the convolution after
it.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE

log = logging.getLogger(__name__)

# Memory that the network takes at its peak: float32 values for each voxel of a tile, so many for
# each feature of its first level and so many besides (measured on a CPU: 3.9 to 5.1 per feature in
# all, in 2D and 3D, depths 2 and 3, kernels 3 and 5)
VALUES_PER_FEATURE = 5
VALUES_BESIDES = 4
SHARE = 0.9  # of the free memory, for a tile


def most_voxels_at_once(model: CARE, set_to: int | None, free_bytes: float) -> int:
    """Largest number of voxels of a tile.

    Parameters
    ----------
    model : csbdeep.models.CARE
    set_to : int or None
        The config's `restoration.max_tile_voxels`; None follows the memory.
    free_bytes : float
        Free memory of the device.
    """
    width = model.config.unet_n_first
    bytes_per_voxel = 4 * (VALUES_PER_FEATURE * width + VALUES_BESIDES)
    # Kernels count the values of a tensor in int32; the largest joins two of the first level's
    # width
    most = (2**31 - 1) // (2 * width)
    voxels = min(set_to or int(SHARE * free_bytes / bytes_per_voxel), most)
    log.info(
        "tiles of at most %d voxels: %.0f bytes per voxel, %.0f MB free",
        voxels,
        bytes_per_voxel,
        free_bytes / 1e6,
    )
    return voxels


def compiled(model: CARE, tile: tuple[int, ...], core: tuple[int, ...]) -> Callable:
    """The network's folded forward pass as one graph, for tiles and cores of these shapes.

    Returns
    -------
    callable
        Of float32 tiles (batch, *tile, channels) and the place in each tile where its core begins
        (axes), to float32 (batch, *core, channels out): the expected values, and behind them a
        probabilistic network's scales.
    """
    network = model.keras_model
    config = model.config
    margins = _margins(config.unet_n_depth, config.unet_kern_size)

    def forward(tiles: tf.Tensor, begin: tf.Tensor) -> tf.Tensor:
        cores = Cores(tile, core, begin)
        parts: dict[int, Any] = {id(network.inputs[0]): Part(tiles, tf.zeros_like(begin))}
        level = config.unet_n_depth
        upsampled = None
        for layer in network.layers[1:]:
            tensors = tf.nest.flatten(layer.input)
            sources = [parts[id(tensor)] for tensor in tensors]
            if type(layer).__name__.startswith("UpSampling"):  # left to the convolution after it
                level -= 1
                upsampled = layer.output
                result: Part | Join = cores.surrounded(sources[0], margins[level], 2 ** (level + 1))
            elif tensors[0] is upsampled:  # and so is the joining of the skip connection
                result = Join(sources[0], cores.surrounded(sources[1], margins[level], 2**level))
            elif isinstance(sources[0], Join):
                result = sources[0].convolved(layer)
            elif len(sources) > 1:
                sources = [cores.surrounded(source, margins[0], 1) for source in sources]
                result = Part(layer([source.values for source in sources]), sources[0].start)
            else:
                result = Part(layer(sources[0].values), sources[0].start)
            parts[id(layer.output)] = result
        return cores.surrounded(parts[id(network.outputs[0])], 0, 1).values

    signature = [
        tf.TensorSpec((None, *tile, config.n_channel_in), tf.float32),
        tf.TensorSpec((len(tile),), tf.int32),
    ]
    graph = tf.function(forward, input_signature=signature, autograph=False)
    return lambda tiles, begin: graph(tiles, np.array(begin, np.int32)).numpy()


def _margins(depth: int, kernel: int) -> list[int]:
    """Voxels of the image around the core that each level still needs on the way up, for its two
    convolutions and those after them.
    """
    reach = kernel // 2
    margins = [2 * reach]
    for level in range(1, depth):
        step = 2 ** (level + 1)  # the level below is cut to the same place
        margins.append(-(-(margins[-1] + step * reach) // step) * step)
    return margins


@dataclass(frozen=True)
class Part:
    """Values of one level, (batch, *size, channels), over a part of each tile that begins at voxel
    `start`, (axes).
    """

    values: tf.Tensor
    start: tf.Tensor


@dataclass(frozen=True)
class Cores:
    """Where the cores, of shape `size`, begin in tiles of shape `tile`."""

    tile: tuple[int, ...]
    size: tuple[int, ...]
    begin: tf.Tensor

    def surrounded(self, part: Part, margin: int, step: int) -> Part:
        """Cut a part to the core and `margin` voxels around it, as far as the tile goes.

        The part has one value per `step` voxels along each axis.
        """
        size = np.minimum(np.add(self.size, 2 * margin), self.tile)
        start = tf.clip_by_value(self.begin - margin, 0, self.tile - size)
        cut_size = size // step
        if tuple(part.values.shape[1:-1]) == tuple(cut_size):
            return Part(part.values, start)
        first = tf.concat([[0], (start - part.start) // step, [0]], 0)
        return Part(tf.slice(part.values, first, [-1, *cut_size, -1]), start)


@dataclass(frozen=True)
class Join:
    """Values of the level `below`, to be upsampled by two and joined with those of `skip`."""

    below: Part
    skip: Part

    def convolved(self, layer: Any) -> Part:
        """Result of a convolution layer on [upsampled `below`, `skip`], without either tensor."""
        channels = self.below.values.shape[-1]
        upper = _upsampled_and_convolved(self.below.values, layer.kernel[..., :channels, :])
        lower = tf.nn.convolution(self.skip.values, layer.kernel[..., channels:, :], padding="SAME")
        return Part(layer.activation(upper + lower + layer.bias), self.skip.start)


def _upsampled_and_convolved(below: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolution of `below`, upsampled by repetition, without the upsampled tensor.

    Even and odd voxels along an axis are the two phases of the result. Each phase is a convolution
    of `below` itself with about half the kernel's voxels, some of them summed.
    """
    axes = len(kernel.shape) - 2
    reach = kernel.shape[0] // 2
    first = _first_voxels(reach)
    padded = tf.pad(below, [[0, 0], *[[-first[0], first[1] + reach]] * axes, [0, 0]])
    phases = tf.nn.convolution(padded, _kernels_of_phases(kernel), padding="VALID")
    parts = []
    for values, phase in zip(
        tf.split(phases, 2**axes, -1), itertools.product((0, 1), repeat=axes), strict=True
    ):
        begin = [0, *(first[along_axis] - first[0] for along_axis in phase), 0]
        parts.append(tf.slice(values, begin, [-1, *below.shape[1:-1], -1]))
    return _interleaved(parts, below.shape[1:-1])


def _first_voxels(reach: int) -> list[int]:
    """For each phase, the voxel of the level below, from its own, that the kernel starts on."""
    return [(phase - reach) // 2 for phase in (0, 1)]


def _kernels_of_phases(kernel: tf.Tensor) -> tf.Tensor:
    """Kernels on the level below, of shape (reach + 1, ..., channels, phases * channels out)."""
    axes = len(kernel.shape) - 2
    reach = kernel.shape[0] // 2
    first = _first_voxels(reach)
    sums = np.zeros((2, reach + 1, 2 * reach + 1), np.float32)
    for phase, place in itertools.product((0, 1), range(2 * reach + 1)):
        sums[phase, (phase + place - reach) // 2 - first[phase], place] = 1
    channels = kernel.shape[-2]
    # The first axis of the kernel becomes its last two: a phase, and the voxels of the level below
    for _ in range(axes):
        kernel = tf.tensordot(kernel, sums, [[0], [2]])
    # From channels in and out, then phase and voxel of each axis
    order = [*range(3, 2 + 2 * axes, 2), 0, *range(2, 2 + 2 * axes, 2), 1]
    return tf.reshape(tf.transpose(kernel, order), [reach + 1] * axes + [channels, -1])


def _interleaved(phases: list[tf.Tensor], size: Sequence[int]) -> tf.Tensor:
    """One tensor, twice as large along each axis, from its phases, each of `size`."""
    channels = phases[0].shape[-1]
    grown = list(size)
    for axis in reversed(range(len(grown))):
        grown[axis] *= 2
        pairs = zip(phases[::2], phases[1::2], strict=True)
        phases = [tf.reshape(tf.stack(pair, axis + 2), [-1, *grown, channels]) for pair in pairs]
    return phases[0]
