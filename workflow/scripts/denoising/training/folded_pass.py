"""The network's forward pass, folded: the same result with less arithmetic.

Restoration uses it, and training where it is faster. The pass layer by layer, `network(tiles)`,
tests it. It differs in this:

- On the way up, each level is cut to what the core of a tile needs.
- No tensor is upsampled or joined with its skip connection, which takes a third off the arithmetic
  of the convolution after it.

and where it trains, in this too:

- The final layers for mean and scale are one convolution.
- Pooling is a maximum along one axis after the other. A GPU adds up the gradient of a pooling layer
  in an order that changes; that of a maximum needs no adding up.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def folded_pass(
    network: keras.Model, tiles: tf.Tensor, cores: "Cores", trains: bool = False
) -> tf.Tensor:
    """What the network gives for the cores of tiles, whose shape is known.

    Parameters
    ----------
    network : keras.Model
        csbdeep's U-Net.
    tiles : Tensor of float32, (batch, *tile, channels)
    cores : Cores
    trains : bool
        Whether gradients are wanted.

    Returns
    -------
    Tensor of float32, (batch, *core, channels out)
        The expected values, and behind them a probabilistic network's scales.
    """
    layers = network.layers[1:]
    convolutions = [layer for layer in layers if hasattr(layer, "kernel_size")]
    depth = sum(_is_upsampling(layer) for layer in layers)
    margins = _margins(depth, convolutions[0].kernel_size[0])
    heads = [layer for layer in convolutions if set(layer.kernel_size) == {1}]
    parts: dict[int, Any] = {id(network.inputs[0]): Part(tiles, tf.zeros_like(cores.begin))}
    level = depth
    upsampled = None
    for layer in layers:
        tensors = tf.nest.flatten(layer.input)
        sources = [parts[id(tensor)] for tensor in tensors]
        if _is_upsampling(layer):  # left to the convolution after it
            level -= 1
            upsampled = layer.output
            result: Part | Join = cores.surrounded(sources[0], margins[level], 2 ** (level + 1))
        elif tensors[0] is upsampled:  # and so is the joining of the skip connection
            result = Join(sources[0], cores.surrounded(sources[1], margins[level], 2**level))
        elif isinstance(sources[0], Join):
            result = sources[0].convolved(layer)
        elif trains and layer in heads:
            if layer is heads[0]:
                values = _heads_at_once(heads, sources[0].values)
            result = Part(values[heads.index(layer)], sources[0].start)
        elif trains and type(layer).__name__.startswith("MaxPooling"):
            result = Part(_maximum_of_blocks(sources[0].values), sources[0].start)
        elif len(sources) > 1:
            sources = [cores.surrounded(source, margins[0], 1) for source in sources]
            result = Part(layer([source.values for source in sources]), sources[0].start)
        else:
            result = Part(layer(sources[0].values), sources[0].start)
        parts[id(layer.output)] = result
    return cores.surrounded(parts[id(network.outputs[0])], 0, 1).values


def _is_upsampling(layer: keras.Layer) -> bool:
    return type(layer).__name__.startswith("UpSampling")


def _heads_at_once(heads: list[keras.Layer], values: tf.Tensor) -> list[tf.Tensor]:
    """The results of convolutions with kernels of one voxel on the same values."""
    kernel = tf.concat([layer.kernel for layer in heads], -1)
    bias = tf.concat([layer.bias for layer in heads], 0)
    values = tf.cast(values, heads[0].compute_dtype)
    joint = tf.nn.convolution(values, tf.cast(kernel, values.dtype)) + tf.cast(bias, values.dtype)
    split = tf.split(joint, [layer.filters for layer in heads], -1)
    return [layer.activation(part) for layer, part in zip(heads, split, strict=True)]


def _maximum_of_blocks(values: tf.Tensor) -> tf.Tensor:
    """The maximum of blocks of two voxels along each axis of (batch, *size, channels)."""
    size = list(values.shape[1:])
    for axis in range(len(size) - 1):
        pairs = [*size[:axis], size[axis] // 2, 2, *size[axis + 1 :]]
        values = tf.reduce_max(tf.reshape(values, [-1, *pairs]), axis + 2)
        size[axis] //= 2
    return values


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
        below, skip, kernel, bias = (
            tf.cast(values, layer.compute_dtype)
            for values in (self.below.values, self.skip.values, layer.kernel, layer.bias)
        )
        upper = _upsampled_and_convolved(below, kernel[..., :channels, :])
        lower = tf.nn.convolution(skip, kernel[..., channels:, :], padding="SAME")
        return Part(layer.activation(upper + lower + bias), self.skip.start)


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
    sums = np.zeros((2, reach + 1, 2 * reach + 1), kernel.dtype.as_numpy_dtype)
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
