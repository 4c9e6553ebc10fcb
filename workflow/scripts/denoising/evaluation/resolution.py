"""How fine the details are that a restoration shows rightly, and how much of them it keeps.

Two curves against spatial frequency compare the Fourier transforms R of a restoration and T of its
ground truth. Both are averages over Fourier coefficients, weighted by the truth's power |T|^2.

correlation
    Fourier ring correlation, Re sum(R T*) / sqrt(sum |R|^2 sum |T|^2) (Saxton and Baumeister,
    Journal of Microscopy 127, 127, 1982; van Heel and Schatz, Journal of Structural Biology 151,
    250, 2005): how far what is shown is true. The resolution is the period at which it falls below
    1/7 (Nieuwenhuizen et al., Nature Methods 10, 557, 2013). A positive factor for each frequency
    cancels, so a blurred image has the curve of the image itself.
transfer
    Re sum(R T*) / sum |T|^2, the gain from truth to restoration, divided by that over all
    frequencies together: how much of the truth is shown. A blur shows here, noise does not.

Voxels are longer along z, so XY and Z have curves of their own, as in sectioned Fourier shell
correlation (Koho et al., Nature Communications 10, 3103, 2019). Correlations are taken over rings
(a step of lateral frequency, in one plane of axial frequency kz). The curve of XY averages, at each
lateral frequency, the rings within `ANGLE` of the plane kz = 0; that of Z, at each kz, the rings
within `ANGLE` of the kz axis. Images (Y, X) have only the plane kz = 0.

Spectra are averaged over blocks (Welch, IEEE Transactions on Audio and Electroacoustics 15, 70,
1967), so memory is bounded: 32 bytes per voxel of a block. Each block is less its mean and under a
Hann window, without which the edges of the image would appear as details.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, radians, tan
from pathlib import Path

import numpy as np
from scipy.fft import rfftn

from denoising.evaluation.compared_images import compared_images
from denoising.evaluation.ssim import check_shapes
from denoising.images.volumes import Pair

LATERAL = "xy"
AXIAL = "z"
ANGLE = 30.0  # degrees
BLOCK = (128, 256, 256)  # voxels (Z, Y, X), at most
LEAST_CORRELATION = 1 / 7
LEAST_TRANSFER = 1 / 2


@dataclass(frozen=True)
class Curve:
    """Correlation and transfer in one direction.

    Attributes
    ----------
    direction : {"xy", "z"}
    frequency : ndarray of float64, (n,)
        Rising, in cycles per unit of the voxel size.
    correlation, transfer : ndarray of float64, (n,)
    count : ndarray of int, (n,)
        Fourier coefficients behind each value, over all blocks. They come in conjugate pairs.
    """

    direction: str
    frequency: np.ndarray
    correlation: np.ndarray
    transfer: np.ndarray
    count: np.ndarray

    @property
    def resolution(self) -> float:
        """The period at which the correlation falls below 1/7, see `period_below`."""
        return period_below(self.frequency, self.correlation, LEAST_CORRELATION)

    @property
    def detail(self) -> float:
        """The period at which the transfer falls below 1/2, see `period_below`."""
        return period_below(self.frequency, self.transfer, LEAST_TRANSFER)


@dataclass(frozen=True)
class Rings:
    """Where the rings of a block lie: its frequencies, and the ring of each coefficient.

    Attributes
    ----------
    axial : ndarray of float64, (planes,)
        |kz| of each plane that the transform of real blocks tells apart.
    lateral : ndarray of float64, (rings,)
    index : ndarray of int, (Y, X // 2 + 1)
        The ring of each coefficient; those beyond the last ring have the number after it.
    weight : ndarray of float64, (Y, X // 2 + 1)
        2 for coefficients that stand for their conjugates, too.
    """

    axial: np.ndarray
    lateral: np.ndarray
    index: np.ndarray
    weight: np.ndarray


def period_below(frequency: np.ndarray, values: np.ndarray, least: float) -> float:
    """The period, 1 / frequency, at which a curve first falls below `least`.

    It lies on the line between two frequencies. A curve that never falls gives its shortest period,
    about two voxels; one that begins below gives its longest.
    """
    below = np.flatnonzero(values < least)
    if not len(below):
        return 1 / float(frequency[-1])
    i = below[0]
    if i == 0:
        return 1 / float(frequency[0])
    share = (values[i - 1] - least) / (values[i - 1] - values[i])
    return 1 / float(frequency[i - 1] + share * (frequency[i] - frequency[i - 1]))


def resolution_curves(
    truth: np.ndarray,
    image: np.ndarray,
    voxel_size: Sequence[float] | None = None,
    by_plane: bool = False,
) -> list[Curve]:
    """Curves of an image against its ground truth: of XY, then of Z if there is such an axis.

    Parameters
    ----------
    truth, image : ndarray, (Z, Y, X) or (Y, X)
        Any units: neither a positive gain nor an offset changes a curve. Memory maps may be larger
        than memory.
    voxel_size : sequence of float, optional
        Along each axis, in micrometres; by default frequencies are in cycles per voxel.
    by_plane : bool
        Whether the planes of a stack are images, so that there is no curve of Z.

    Raises
    ------
    ValueError
        If shapes differ, or an image is constant or not finite.
    """
    check_shapes(truth, image, by_plane)
    size = tuple(voxel_size or [1.0] * truth.ndim)
    if truth.ndim == 2:
        truth = truth[np.newaxis]
        image = image[np.newaxis]
        size = (1.0, *size)
    shape = tuple(map(min, truth.shape, (1 if by_plane else BLOCK[0], *BLOCK[1:])))
    rings = rings_of(shape, size)
    sums = np.zeros((3, len(rings.axial), len(rings.lateral)))
    blocks = list(_blocks(truth.shape, shape))
    for block in blocks:
        sums += ring_sums(_windowed(truth[block]), _windowed(image[block]), rings)
    _check_power(sums)
    count = len(blocks) * _counts(rings, shape[0])
    curves = [_lateral_curve(sums, count, rings)]
    return curves + ([_axial_curve(sums, count, rings)] if shape[0] > 1 else [])


def resolution_of_pair(
    pair: Pair,
    restored: Path | None,
    voxel_size: Sequence[float] | None,
    scratch: Path | None = None,
) -> list[Curve]:
    """The curves of one volume in one condition.

    Parameters
    ----------
    pair : Pair
        The low-SNR volume and its ground truth.
    restored : Path or None
        Folder of restorations, {condition}/{volume}.tif; None takes the input.
    voxel_size : sequence of float or None
        In micrometres.
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.
    """
    with compared_images(pair, restored, scratch) as (truth, image):
        return resolution_curves(truth, image, voxel_size, pair.by_plane)


def rings_of(shape: Sequence[int], voxel_size: Sequence[float]) -> Rings:
    """The rings of blocks of this shape (Z, Y, X), as wide as the coarser step of X and Y."""
    z, y, x = (np.fft.fftfreq(n, size) for n, size in zip(shape, voxel_size, strict=True))
    step = max(abs(y[1]), abs(x[1]))
    last = int(min(abs(y).max(), abs(x).max()) / step + 1e-9)
    columns = shape[2] // 2 + 1
    index = np.rint(np.hypot(y[:, np.newaxis], x[:columns]) / step).astype(int)
    weight = np.full(index.shape, 2.0)
    weight[:, 0] = 1
    if shape[2] % 2 == 0:
        weight[:, -1] = 1
    axial = abs(z[: shape[0] // 2 + 1])
    return Rings(axial, step * np.arange(last + 1), np.minimum(index, last + 1), weight)


def ring_sums(truth: np.ndarray, image: np.ndarray, rings: Rings) -> np.ndarray:
    """Sums over every ring of Re(R T*), |T|^2 and |R|^2 (3, planes, rings), of one block each."""
    both = rfftn(truth), rfftn(image)
    sums = np.zeros((3, len(rings.axial), len(rings.lateral) + 1))
    depth = len(truth)
    for plane in range(depth):
        t, r = (spectrum[plane] for spectrum in both)
        products = ((r * t.conj()).real, abs(t) ** 2, abs(r) ** 2)
        for total, product in zip(sums, products, strict=True):
            total[min(plane, depth - plane)] += np.bincount(
                rings.index.ravel(), (rings.weight * product).ravel(), total.shape[1]
            )
    return sums[:, :, :-1]


def _counts(rings: Rings, depth: int) -> np.ndarray:
    """Coefficients of every ring (planes, rings)."""
    in_plane = np.bincount(rings.index.ravel(), rings.weight.ravel())[: len(rings.lateral)]
    planes = np.arange(depth)
    return np.outer(np.bincount(np.minimum(planes, depth - planes)), in_plane).astype(int)


def _blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """The fewest blocks that cover an image, evenly spaced; they may overlap."""
    starts = [
        np.linspace(0, size - length, ceil(size / length)).astype(int)
        for size, length in zip(shape, block, strict=True)
    ]
    for corner in itertools.product(*starts):
        yield tuple(slice(a, a + n) for a, n in zip(corner, block, strict=True))


def _windowed(block: np.ndarray) -> np.ndarray:
    """A block, float64, less its mean under a Hann window, and under this window."""
    windows = [_hann(size) for size in block.shape]
    mean = np.asarray(block, np.float64)
    for window in reversed(windows):
        mean = mean @ window / window.sum()
    image = block - mean
    for window in windows:
        image = np.moveaxis(image, 0, -1) * window
    return image


def _hann(size: int) -> np.ndarray:
    """A Hann window sampled between its zeros: symmetric, and 1 for a single plane."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def _check_power(sums: np.ndarray) -> None:
    for name, power in (("ground truth", sums[1]), ("image", sums[2])):
        total = power.sum()
        if not np.isfinite(total):
            raise ValueError(f"the {name} holds NaN or infinite values; make it again.")
        if total == 0:
            raise ValueError(f"the {name} is constant, so it has no details; leave it out.")


def _lateral_curve(sums: np.ndarray, count: np.ndarray, rings: Rings) -> Curve:
    is_near = rings.axial[:, np.newaxis] <= tan(radians(ANGLE)) * rings.lateral
    values = _averages(sums, count, is_near, axis=0)
    return Curve(LATERAL, rings.lateral[1:], *(column[1:] for column in values))


def _axial_curve(sums: np.ndarray, count: np.ndarray, rings: Rings) -> Curve:
    is_near = rings.lateral <= tan(radians(ANGLE)) * rings.axial[:, np.newaxis]
    values = _averages(sums, count, is_near, axis=1)
    return Curve(AXIAL, rings.axial[1:], *(column[1:] for column in values))


def _averages(
    sums: np.ndarray, count: np.ndarray, is_near: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlation and transfer, averaged along an axis over near rings, and their coefficients."""
    cross, truth, image = sums
    correlation = _ratio(cross, np.sqrt(truth * image))
    gain = cross.sum() / truth.sum()
    power = (truth * is_near).sum(axis)
    kept = _ratio((cross * is_near).sum(axis), power)
    return (
        _ratio((correlation * truth * is_near).sum(axis), power),
        # An image without correlation with the truth shows nothing of it
        kept / gain if gain > 0 else np.zeros_like(kept),
        (count * is_near).sum(axis),
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The ratio, 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
