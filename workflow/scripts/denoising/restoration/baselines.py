"""Classical baselines that the networks are compared with: each has one strength, tuned on
validation patches.

A tuned strength is a JSON file:

    baseline, tuned_on     the method, and the dataset whose patches tuned it
    unit                   "voxels", or "noise": standard deviations of the estimated noise
    strength, z_scale      the choice; `z_scale` is the strength along Z over that along Y and X
    patches, patch_shape   number of patches that it was tuned on, and their shape, in whose blocks
                           noise is estimated
    nrmse, at_edge         of the choice; whether a strength beyond the grid may have been better
    grid                   strength, z_scale, nrmse: a row for everything tried

The 2019 study ran non-local means with h of 0.8 times the noise of the whole volume; here h is
tuned like every strength, and its patch of 5 and distance of 6 stay.

docs/extending.md shows how to add a baseline.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pywt
from tqdm import tqdm

from denoising.evaluation.moments import nrmse, scale_to
from denoising.images.headers import Normalisation
from denoising.images.percentiles import limits
from denoising.images.slabs import scratch_array, whole_blocks
from denoising.images.volumes import Pair, open_volume, volume_header
from denoising.restoration import nlm  # noqa: F401  (makes itself one of METHODS)
from denoising.restoration.destination import Destination
from denoising.restoration.filters import METHODS, Method
from denoising.restoration.tiling import Region, equal_parts
from denoising.running.random_streams import random_stream

log = logging.getLogger(__name__)

# Voxels of an image, by its number of axes, that a local filter has in memory beside its reach
BLOCK = {2: (512, 512), 3: (32, 128, 128)}
MAD_OF_NORMAL = 0.6744897501960817  # median absolute deviation of a standard normal variable


@dataclass(frozen=True)
class Setting:
    """A baseline with its strength; `block` is the shape of the blocks in which noise is estimated.

    For `strength` and `z_scale` see the module.
    """

    baseline: str
    strength: float
    z_scale: float
    block: tuple[int, ...]


def noise(image: np.ndarray, block: Sequence[int], dark: float = 0.0) -> float:
    """Standard deviation of the noise where the specimen is.

    Noise grows with the signal, and most of a volume may be background; patches show specimens.
    A strength that was tuned on patches holds for a volume when noise is estimated alike: in blocks
    of a patch's shape, the median of those at least half as bright as the average. On simulated
    volumes that was 1.03 (planaria) and 0.96 (tribolium) of the mean over patches cut from them; of
    the whole volume it was 0.92 and 0.94, and less the more background there is.

    Parameters
    ----------
    image : ndarray
        Any numbers; of a memory map, a block at a time is in memory.
    block : sequence of int
        Edges of a block in voxels; see `whole_blocks`.
    dark : float
        Brightness that counts as none, in the image's units.

    Returns
    -------
    float
        In the image's units: median absolute deviation of the finest wavelet coefficients over
        0.6745 (Donoho and Johnstone 1994; scikit-image's `estimate_sigma`). 0 where there are none,
        as in a constant image.
    """
    blocks = [image[place] for place in whole_blocks(image.shape, block)]
    means = np.array([part.mean(dtype=np.float64) for part in blocks]) - dark
    average = means.mean()
    # The average may be below 0, as in a patch of background: half of it is then not less
    dim = min(average / 2, average)
    bright = [part for part, mean in zip(blocks, means, strict=True) if mean >= dim]
    return float(np.median([_deviation(np.squeeze(part)) for part in bright]))


def _deviation(block: np.ndarray) -> float:
    finest = np.abs(pywt.dwtn(block, "db2")["d" * block.ndim])
    finest = finest[finest > 0]
    return float(np.median(finest)) / MAD_OF_NORMAL if finest.size else 0.0


def denoise(
    image: np.ndarray,
    setting: Setting,
    bounds: tuple[float, float] = (0.0, 1.0),
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Denoise (image - low) / (high - low), where `bounds` are low and high.

    Local filters go block by block: of memory maps, no more is in memory, and the result is that of
    the image in one piece. Total variation and wavelets take the image as a whole.

    Parameters
    ----------
    image : ndarray
        Any numbers, (Z, Y, X) or (Y, X). Planes are filtered one by one where the blocks of the
        setting are (Y, X).
    setting : Setting
    bounds : tuple of float
        Values of `image` that become 0 and 1: about its darkest and brightest.
    out : ndarray of float32, optional
        Array that takes the result.

    Returns
    -------
    ndarray of float32
        Not filtered where the strength is in units of the noise and no noise is found.
    """
    low, high = bounds
    method = METHODS[setting.baseline]
    strengths = [setting.strength, setting.z_scale]
    is_noiseless = False
    if method.unit == "noise":
        sigma = noise(image, setting.block, low) / (high - low)
        strengths = [setting.strength * sigma]
        is_noiseless = sigma <= 1e-6  # what rounding leaves
    reach = method.reach(len(setting.block), *strengths) if method.reach else None
    normalisation = Normalisation(low, high)
    restored = np.empty(image.shape, np.float32) if out is None else out
    by_plane = image.ndim > len(setting.block)
    for source, target in zip(image, restored, strict=True) if by_plane else [(image, restored)]:
        for give, read, inside in _blocks(source.shape, reach):
            part = normalisation.apply(source[read])
            target[give] = part[inside] if is_noiseless else method.filter(part, inside, *strengths)
    return restored


def _blocks(
    shape: tuple[int, ...], reach: list[int] | None
) -> Iterator[tuple[Region, Region, Region]]:
    """Blocks of an image: the place of the result, the part of the image that it takes, and the
    place of the result in that. One block without `reach`.
    """
    longest = BLOCK[len(shape)] if reach else shape
    reaches = reach or [0] * len(shape)
    along = [list(_along_axis(*axis)) for axis in zip(shape, longest, reaches, strict=True)]
    for parts in product(*along):
        give, read, inside = zip(*parts, strict=True)
        yield give, read, inside


def _along_axis(size: int, longest: int, reach: int) -> Iterator[tuple[slice, slice, slice]]:
    for start, stop in equal_parts(0, size, longest):
        first = max(0, start - reach)
        read = slice(first, min(size, stop + reach))
        yield slice(start, stop), read, slice(start - first, stop - first)


def tune(
    baseline: str,
    X: np.ndarray,
    Y: np.ndarray,
    split: pd.DataFrame,
    voxel_size: list[float] | None,
    seed: int,
) -> dict:
    """Choose the strength of least NRMSE on validation patches, as the paper's protocol scores it.

    Parameters
    ----------
    baseline : str
        A key of `METHODS`.
    X, Y : ndarray of float32, (n, Z, Y, X) or (n, Y, X)
        Input and ground truth of the patches, normalised; may be memory maps.
    split : DataFrame
        Columns patch, part; of the part "validation", some patches are drawn with `seed`.
    voxel_size : list of float or None
        In micrometres, in the order of the axes. Where it is known, sizes in voxels are tried both
        alike along all axes and alike in micrometres.
    seed : int

    Returns
    -------
    dict
        See the module; without `tuned_on`.
    """
    method = METHODS[baseline]
    validation = split.loc[split["part"] == "validation", "patch"].to_numpy()
    rng = random_stream(seed, "patches to tune on")
    chosen = np.sort(rng.choice(validation, min(method.patches, len(validation)), replace=False))
    grid = []
    for z_scale, strength in product(_z_scales(method, voxel_size, X.ndim - 1), method.strengths):
        setting = Setting(baseline, strength, z_scale, X.shape[1:])
        scores = [_score(Y[i], denoise(X[i], setting)) for i in chosen]
        grid.append({"strength": strength, "z_scale": z_scale, "nrmse": float(np.mean(scores))})
    best = min(grid, key=lambda row: row["nrmse"])
    at_edge = best["strength"] in (method.strengths[0], method.strengths[-1])
    if at_edge:
        log.warning(
            "%s: the best strength, %g, is at the edge of what was tried (%s): a better one may "
            "lie beyond. Widen its strengths in the module %s.",
            baseline,
            best["strength"],
            ", ".join(f"{strength:g}" for strength in method.strengths),
            method.filter.__module__,
        )
    return {
        "baseline": baseline,
        "unit": method.unit,
        "patches": len(chosen),
        "patch_shape": list(X.shape[1:]),
        **best,
        "at_edge": at_edge,
        "grid": grid,
    }


def _z_scales(method: Method, voxel_size: list[float] | None, ndim: int) -> list[float]:
    if method.unit != "voxels" or voxel_size is None or ndim == 2:
        return [1.0]
    return list(dict.fromkeys([1.0, voxel_size[-1] / voxel_size[0]]))


def _score(truth: np.ndarray, image: np.ndarray) -> float:
    truth = truth.astype(np.float64)
    image = image.astype(np.float64)
    # A constant image cannot be scaled to the truth: the best fit is the truth's mean
    return float(truth.std()) if np.ptp(image) == 0 else nrmse(*scale_to(truth, image))


def restore_all(
    pairs: Sequence[Pair], destination: Destination, choice: dict, workers: int
) -> dict:
    """Denoise the image of every pair as tuned, one volume per thread.

    Filters release the interpreter's lock.

    Parameters
    ----------
    pairs : sequence of Pair
    destination : Destination
        Written: {condition}/{volume}.tif.
    choice : dict
        The tuned strength, as in the module.
    workers : int
        Threads.

    Returns
    -------
    dict
        method, seconds (wall clock, reading and writing included), voxels, threads, device,
        strength, unit.
    """
    start = time.perf_counter()
    destination.folder.mkdir(parents=True, exist_ok=True)
    restore = partial(_restore_pair, destination=destination, choice=choice)
    with ThreadPoolExecutor(workers) as pool:
        sizes = pool.map(restore, pairs)
        voxels = sum(tqdm(sizes, desc="denoised", unit="volume", total=len(pairs)))
    return {
        "method": choice["baseline"],
        "seconds": round(time.perf_counter() - start, 3),
        "voxels": voxels,
        "threads": workers,
        "device": "CPU",
        "strength": choice["strength"],
        "unit": choice["unit"],
    }


def _restore_pair(pair: Pair, destination: Destination, choice: dict) -> int:
    """Denoise and write one volume; the number of its voxels."""
    image = open_volume(pair.image, pair.axes, scratch=destination.folder)
    restored = scratch_array(destination.folder, image.shape, np.float32)
    block = tuple(choice["patch_shape"])
    setting = Setting(choice["baseline"], choice["strength"], choice["z_scale"], block)
    try:
        bounds = limits(image, *choice["percentiles"])
        denoise(image, setting, bounds, restored)
    except ValueError as error:
        raise ValueError(
            f"{pair.image}: {setting.baseline} failed on an image of {image.shape}: {error}"
        ) from None
    source = volume_header(pair.image)
    normalisation = Normalisation(*bounds, is_applied=True)
    destination.write(pair.restored_name, restored, pair.axes, source, normalisation)
    return image.size
