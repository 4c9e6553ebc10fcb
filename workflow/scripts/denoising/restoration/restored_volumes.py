"""Restoring the volumes of a study: files in, files out, one volume after the other.

While the network works on a volume, the next is read and the one before is written, so that a GPU
seldom waits. Files without a name then hold the restorations of two volumes, beside what is read.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from denoising.images.headers import Header, Normalisation
from denoising.images.percentiles import blocks, limits
from denoising.images.slabs import scratch_array
from denoising.images.volumes import Pair, open_volume, volume_header
from denoising.restoration.destination import Destination
from denoising.restoration.overlap import overlapped
from denoising.restoration.restorer import Restorer
from denoising.restoration.tiling import Region, slab
from denoising.running.outputs import write_json
from denoising.study.names import SCALES, TRUTH


@dataclass(frozen=True)
class Source:
    """A volume to be restored: views of arrays on disk.

    Attributes
    ----------
    pair : Pair
    header : Header
    image : ndarray
        What the network takes, of `axes`: the channels together, or the planes of this part.
    axes : str
    bounds, of_image : tuple of float
        Values that become 0 and 1 for the network, and those of the image for which they stand.
    whole, region : tuple of slice
        The part that is restored, of the image's axes and of the network's.
    channel : int or None
        That of several which is written.
    """

    pair: Pair
    header: Header
    image: np.ndarray
    axes: str
    bounds: tuple[float, float]
    of_image: tuple[float, float]
    whole: Region
    region: Region
    channel: int | None


@dataclass(frozen=True)
class RestoredVolume:
    """What the network made of a pair's image: the mean, and the scale if it is to be written.

    Both are of the normalised image; `normalisation` leads back to its units.
    """

    pair: Pair
    header: Header
    normalisation: Normalisation
    mean: np.ndarray
    scale: np.ndarray | None


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
        Images as acquired, larger than memory if need be. Each is normalised by the percentiles of
        the whole volume.
    destination : Destination
        Written: {condition}/{volume}.tif, and of probabilistic networks
        scale/{condition}/{volume}.tif, with the axes, the units and the size of a voxel of the
        image. A restored ground truth is compared, never calibrated: its scale is not written.
    runtime : Path
        Written: JSON of `record` and the seconds that this took, the voxels and the threads.
    record : dict
        method, dataset, device.
    part : tuple of int
        As in `slab`; images that have none of it leave no file.

    Raises
    ------
    ValueError
        Naming the file, if it cannot be read or is constant, or no tile of it fits the memory.
    """
    start = time.perf_counter()
    destination.folder.mkdir(parents=True, exist_ok=True)
    volumes = VolumeRestoration(restorer, destination, part)
    done = overlapped(pairs, volumes.read, volumes.restore, volumes.write)
    voxels = sum(size() for _, size in tqdm(done, "restored", len(pairs), unit="volume"))
    seconds = round(time.perf_counter() - start, 3)
    spent = {"seconds": seconds, "voxels": voxels, "threads": destination.threads}
    write_json(runtime, record | spent)


@dataclass(frozen=True)
class VolumeRestoration:
    """The three steps of restoring a volume, or a part of it."""

    restorer: Restorer
    destination: Destination
    part: tuple[int, int] = (1, 1)

    def read(self, pair: Pair) -> Source | None:
        """Open a pair's image, and find what is 0 and 1 for the network; None if nothing of it is
        in this part.

        A network of several channels takes those of the pair together, each normalised by its own
        percentiles.
        """
        restorer, scratch = self.restorer, self.destination.folder
        header = volume_header(pair.image)
        region = slab(header.shape, self.part, restorer.multiple)
        if region is None:
            return None
        try:
            image = open_volume(pair.image, pair.axes, scratch=scratch)
            of_image = limits(image, *restorer.percentiles)
            axes, whole, bounds, channel = pair.axes, region, of_image, None
            if pair.channels:
                image = _joint(pair, restorer.percentiles, scratch)
                axes, whole = f"C{axes}", (slice(0, len(pair.channels)), *region)
                bounds, channel = (0.0, 1.0), pair.channels.index(pair.image)
        except ValueError as error:
            raise _naming(pair, error) from None
        # Of a network of planes, those of this part
        planes = tuple(
            part if axis in pair.axes and axis not in restorer.axes else slice(None)
            for axis, part in zip(axes, whole, strict=True)
        )
        of_network = tuple(region[pair.axes.index(axis)] for axis in restorer.axes)
        return Source(
            pair, header, image[planes], axes, bounds, of_image, whole, of_network, channel
        )

    def restore(self, source: Source | None) -> RestoredVolume | None:
        """Restore what was read, into files without a name."""
        if source is None:
            return None
        scratch = self.destination.folder
        shape = tuple(axis.stop - axis.start for axis in source.whole)
        has_scale = self.restorer.probabilistic and source.pair.condition != TRUTH
        mean = scratch_array(scratch, shape, np.float32)
        scale = scratch_array(scratch, shape, np.float32) if has_scale else None
        try:
            self.restorer.restore(
                source.image, source.axes, mean, scale, source.bounds, source.region
            )
        except ValueError as error:
            raise _naming(source.pair, error) from None
        own = () if source.channel is None else (source.channel,)
        return RestoredVolume(
            source.pair,
            source.header,
            Normalisation(*source.of_image, is_applied=True),
            mean[own],
            None if scale is None else scale[own],
        )

    def write(self, restored: RestoredVolume | None) -> int:
        """Write what was restored, in the image's units; returns its number of voxels."""
        if restored is None:
            return 0
        name, axes, header = restored.pair.restored_name, restored.pair.axes, restored.header
        normalisation = restored.normalisation
        self.destination.write(name, restored.mean, axes, header, normalisation)
        if restored.scale is not None:
            of_scale = normalisation.of_widths
            self.destination.write(SCALES / name, restored.scale, axes, header, of_scale)
        return restored.mean.size


def _naming(pair: Pair, error: ValueError) -> ValueError:
    return ValueError(f"{pair.image}: {error}")


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
