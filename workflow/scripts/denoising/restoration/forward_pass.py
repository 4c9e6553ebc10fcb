"""The network's forward pass over one tile, folded: less arithmetic than layer by layer, the same
result.
"""

import itertools
import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE

log = logging.getLogger(__name__)

# Memory that the network takes at its peak: float32 values for each voxel of a tile, so many for
# each feature of its first level and so many besides (measured on a CPU: 3.9 to 5.1 a feature in
# all, in 2D and 3D, depths 2 and 3, kernels 3 and 5); and of what is free, the share that is
# counted on
VALUES_PER_FEATURE, VALUES_BESIDES = 5, 4
SHARE = 0.9


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
