"""The network's forward pass over tiles, compiled, and how large a tile may be."""

import logging
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from csbdeep.models import CARE

from denoising.training.folded_pass import Cores, folded_pass

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
    config = model.config

    def forward(tiles: tf.Tensor, begin: tf.Tensor) -> tf.Tensor:
        return folded_pass(model.keras_model, tiles, Cores(tile, core, begin))

    signature = [
        tf.TensorSpec((None, *tile, config.n_channel_in), tf.float32),
        tf.TensorSpec((len(tile),), tf.int32),
    ]
    graph = tf.function(forward, input_signature=signature, autograph=False)
    return lambda tiles, begin: graph(tiles, np.array(begin, np.int32)).numpy()
