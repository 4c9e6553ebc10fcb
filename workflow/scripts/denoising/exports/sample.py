"""The image that goes with an exported network, and what the network makes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from csbdeep.models import Config
from PIL import Image

from denoising.images.headers import Normalisation
from denoising.images.percentiles import limits
from denoising.images.volumes import Pair, open_volume
from denoising.restoration.restorer import Restorer
from denoising.training.network import halo

LONGEST = 96  # voxels of an edge, if a tile of the network can be so small
COVER = 320  # pixels of the edge of one half of the cover picture


@dataclass(frozen=True)
class Sample:
    """A part of a test image as acquired, and restored, normalised by percentiles of this part.

    Both are float32, (1, Z, Y, X, channel) or (1, Y, X, channel); the restoration of a
    probabilistic network has scales after its means.
    """

    image: np.ndarray
    restored: np.ndarray


def draw_sample(restorer: Restorer, pair: Pair) -> Sample:
    """Cut a part of a pair's image around its brightest voxel, and restore it.

    Its edges are multiples of 2**depth, and hold a tile; a shorter image is reflected at its edges.

    Parameters
    ----------
    restorer : Restorer
    pair : Pair
        Its channels are taken together if it has them.

    Raises
    ------
    ValueError
        Naming the file, if the part cannot be normalised.
    """
    files = pair.channels or (pair.image,)
    images = [_of_network(open_volume(file, pair.axes), pair.axes, restorer) for file in files]
    images = [_padded(one, restorer) for one in images]
    part = _part(images[0], restorer)
    image = np.stack([one[part] for one in images], axis=-1)
    normalised = normalise_channels(image, restorer.percentiles, files)
    mean = np.empty_like(normalised)
    scale = np.empty_like(normalised) if restorer.probabilistic else None
    restorer.restore(normalised, restorer.axes + "C", mean, scale)
    restored = mean if scale is None else np.concatenate([mean, scale], axis=-1)
    return Sample(image[None], restored[None])


def normalise_channels(
    image: np.ndarray, percentiles: tuple[float, float], files: tuple[Path, ...]
) -> np.ndarray:
    """The image with each of its channels, the last axis, normalised by its own percentiles."""
    normalised = np.empty(image.shape, np.float32)
    for channel, file in enumerate(files):
        bounds = limits(image[..., channel], *percentiles, f"a part of {file}")
        normalised[..., channel] = Normalisation(*bounds).apply(image[..., channel])
    return normalised


def _of_network(image: np.ndarray, axes: str, restorer: Restorer) -> np.ndarray:
    """The axes that the network takes, float32; of others the middle."""
    middle = tuple(
        slice(None) if axis in restorer.axes else size // 2
        for axis, size in zip(axes, image.shape, strict=True)
    )
    kept = [axis for axis in axes if axis in restorer.axes]
    return image[middle].transpose([kept.index(axis) for axis in restorer.axes]).astype(np.float32)


def smallest_tile(config: Config) -> int:
    """Voxels of the shortest edge of a tile: a core of 2**depth between two halos."""
    return 2 * halo(config.unet_n_depth, config.unet_kern_size) + 2**config.unet_n_depth


def _padded(image: np.ndarray, restorer: Restorer) -> np.ndarray:
    least = smallest_tile(restorer.config)
    edges = [max(size + -size % restorer.multiple, least) for size in image.shape]
    widths = [(0, edge - size) for edge, size in zip(edges, image.shape, strict=True)]
    return np.pad(image, widths, mode="reflect")


def _part(image: np.ndarray, restorer: Restorer) -> tuple[slice, ...]:
    """Where the padded image is cut: around its brightest voxel."""
    longest = max(LONGEST // restorer.multiple * restorer.multiple, smallest_tile(restorer.config))
    part = []
    for size, middle in zip(
        image.shape, np.unravel_index(image.argmax(), image.shape), strict=True
    ):
        length = min(size, longest)
        start = min(max(int(middle) - length // 2, 0), size - length)
        part.append(slice(start, start + length))
    return tuple(part)


def draw_cover(sample: Sample, path: Path) -> None:
    """Write a PNG, twice as wide as high: the sample's middle section, and its restoration."""
    halves = []
    for array in (sample.image, sample.restored):
        section = array[0, ..., 0]
        section = section if section.ndim == 2 else section[len(section) // 2]
        low, high = np.percentile(section, (0.5, 99.9))
        grey = np.clip((section - low) / max(high - low, 1e-12), 0, 1) ** 0.7
        half = Image.fromarray((255 * grey).astype(np.uint8))
        halves.append(np.asarray(half.resize((COVER, COVER), Image.Resampling.NEAREST)))
    Image.fromarray(np.hstack(halves)).save(path)
