"""Where the low-SNR image of a pair lies against its ground truth, to a tenth of a voxel.

Shifts are found by phase correlation of a crop at the centre of both images (`CROP`), so that
neither is in memory as a whole. Slow changes of brightness are filtered out before, and so are all
frequencies at which an image has no more power than its noise.
"""

from dataclasses import dataclass
from math import log, nan

import numpy as np
from scipy.fft import fftfreq, fftn
from scipy.ndimage import gaussian_filter
from scipy.signal.windows import tukey
from skimage.registration import phase_cross_correlation

CROP = (32, 256, 256)  # voxels of a stack
FLAT_CROP = (1024, 1024)
ENDS_CROP = (8, 512, 512)  # in the first and the last third of a stack
SMALLEST = 8  # voxels: no shift is told along shorter axes
COARSE = 10.0  # voxels: structures larger than this are not compared
FINEST = 0.35  # periods per voxel, beyond which images are taken to show nothing but noise
ABOVE_NOISE = 4.0  # noise has more than four times its mean power at one frequency in fifty
LEAST_POWER = 1e-6  # of the highest: what computed images without noise hold below is their border
# In units of what chance makes of as many frequencies: above it, shifts of real and simulated pairs
# with added noise were right to half a voxel; below 2.5 some were wrong by a voxel and more
LEAST_EVIDENCE = 3.0
LEAST_CORRELATION = 50.0  # standard deviations, for a ratio of brightness to 3 %


@dataclass(frozen=True)
class Alignment:
    """The low-SNR image against its ground truth.

    `shift` is in voxels, in the order of the axes, nan where noise hides it. `drift` is how far the
    shift in Y and X changes from the first third of the planes to the last. `fading` is the
    brightness of the low-SNR image as a fraction of its partner's, in the last third over the
    first. Both are nan for flat images.
    """

    shift: tuple[float, ...]
    drift: float = nan
    fading: float = nan


def alignment(low: np.ndarray, high: np.ndarray) -> Alignment:
    """Compare the images of a pair, (Y, X) or (Z, Y, X), of one shape."""
    if low.ndim == 2:
        return Alignment(shift(_centre(low, FLAT_CROP), _centre(high, FLAT_CROP)))
    planes = len(low)
    if planes < SMALLEST:
        flat = (_centre(image, (planes, *FLAT_CROP)).mean(axis=0) for image in (low, high))
        return Alignment((nan, *shift(*flat)))
    third = planes // 3
    first = [_centre(image[:third], ENDS_CROP) for image in (low, high)]
    last = [_centre(image[-third:], ENDS_CROP) for image in (low, high)]
    first_shift, last_shift = (shift(*(part.mean(axis=0) for part in end)) for end in (first, last))
    return Alignment(
        shift(_centre(low, CROP), _centre(high, CROP)),
        drift=float(np.hypot(*np.subtract(last_shift, first_shift))),
        fading=_gain(*last) / _gain(*first),
    )


def shift(low: np.ndarray, high: np.ndarray) -> tuple[float, ...]:
    """How far what `low` shows lies from where `high` shows it, in voxels per axis.

    All are nan if the two have no more in common than noise has by chance.
    """
    if min(low.shape) < SMALLEST:
        return (nan,) * low.ndim
    image = _phases(low)
    truth = _phases(high)
    if not (image.any() and truth.any()):
        return (nan,) * low.ndim
    moved, _, _ = phase_cross_correlation(
        truth, image, space="fourier", normalization=None, upsample_factor=10
    )
    if _evidence(image, truth, moved) < LEAST_EVIDENCE:
        return (nan,) * low.ndim
    return tuple(round(-float(step), 1) + 0.0 for step in moved)


def _phases(image: np.ndarray) -> np.ndarray:
    """The image's spectrum with amplitudes of 1, and of 0 for all that does not exceed its noise.

    Without that, phase correlation finds shifts in the noise of images that show little detail.
    """
    spread = (image.max() - image.min()) or 1
    image = ((image - image.min()) / spread).astype(np.float32)
    image -= gaussian_filter(image, COARSE)
    for axis, size in enumerate(image.shape):  # fades to nothing towards the borders
        image *= _along(axis, tukey(size, 0.25).astype(np.float32), image.ndim)
    spectrum = fftn(image)
    power = np.square(np.abs(spectrum)) + np.float32(1e-30)
    radius = sum(
        np.square(_along(axis, fftfreq(size), image.ndim)) for axis, size in enumerate(image.shape)
    )
    # The power of white noise at one frequency has an exponential distribution
    noise = np.median(power[radius > FINEST**2]) / log(2)
    noise = max(noise, LEAST_POWER * power.max())
    return spectrum / np.sqrt(power) * np.clip(1 - ABOVE_NOISE * noise / power, 0, None)


def _along(axis: int, values: np.ndarray, ndim: int) -> np.ndarray:
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _evidence(image: np.ndarray, truth: np.ndarray, moved: np.ndarray) -> float:
    """Correlation of both spectra after the shift, in units of what chance makes of as many
    frequencies.
    """
    common = truth.conj() * image
    energy = np.sqrt(np.square(np.abs(image)).sum() * np.square(np.abs(truth)).sum())
    for axis, step in enumerate(moved):
        turned = np.exp(-2j * np.pi * step * fftfreq(image.shape[axis])).astype(np.complex64)
        common *= _along(axis, turned, image.ndim)
    return float(common.real.sum() / (energy or 1) * np.sqrt(np.count_nonzero(common)))


def _centre(image: np.ndarray, most: tuple[int, ...]) -> np.ndarray:
    """The centre of an image, float64, of at most so many voxels."""
    starts = [max(0, (size - limit) // 2) for size, limit in zip(image.shape, most, strict=True)]
    region = tuple(slice(a, a + limit) for a, limit in zip(starts, most, strict=True))
    return np.asarray(image[region], np.float64)


def _gain(low: np.ndarray, high: np.ndarray) -> float:
    """Slope of the low-SNR image over its partner, which noise and offsets leave as it is; nan if
    nothing in one follows the other.
    """
    low = low - low.mean()
    high = high - high.mean()
    covariance = (low * high).mean()
    variance = np.square(high).mean()
    chance = np.sqrt(np.square(low).mean() * variance / low.size)
    return float(covariance / variance) if covariance > LEAST_CORRELATION * chance else nan
