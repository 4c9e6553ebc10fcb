"""Classical denoising that the networks are compared with, each method with one strength, tuned on
validation patches.

A tuned strength is a JSON file:

    baseline, tuned_on     the method, and the dataset whose patches tuned it unit
    "voxels", or "noise": standard deviations of the estimated noise strength, z_scale      the
    choice; `z_scale` is the strength along Z in parts of that along Y and X patches, patch_shape
    how many patches it was tuned on, and their shape, in whose blocks noise is estimated nrmse,
    at_edge         of the choice; whether a strength beyond the grid may have been better grid
    strength, z_scale, nrmse: a row for everything tried

The 2019 study ran non-local means with h of 0.8 times the noise of the whole volume; here h is
tuned like every strength, and its patch of 5 and distance of 6 stay.
"""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pywt
from tqdm import tqdm

from denoising.evaluation.moments import nrmse, scale_to
from denoising.images.files import Storage, write
from denoising.images.percentiles import limits
from denoising.images.slabs import scratch_array
from denoising.images.volumes import INPUT_PERCENTILES, Pair, open_volume, paired, volume_header
from denoising.restoration.filters import (
    gaussian,
    gaussian_reach,
    median,
    median_reach,
    total_variation,
    wavelet,
)
from denoising.restoration.nlm import nlm_reach, non_local_means
from denoising.restoration.tiling import Region, equal_parts
from denoising.running.random_streams import random_stream

log = logging.getLogger(__name__)

BLOCK = {
    2: (512, 512),
    3: (32, 128, 128),
}  # voxels: what of an image local filters have in memory, beside their reach


@dataclass(frozen=True)
class Baseline:
    """One method: its filter, what its strength counts in, and what is tried to tune it.

    Of a local filter, `reach` is how far along each axis the voxels are that decide on one; None:
    everything does.
    """

    filter: Callable
    unit: str
    grid: tuple[float, ...]
    patches: int = 32
    reach: Callable | None = None


BASELINES = {
    "gaussian": Baseline(
        gaussian,
        "voxels",
        (0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.4, 2.8, 4),
        reach=gaussian_reach,
    ),
    "median": Baseline(median, "voxels", (1, 3, 5, 7), reach=median_reach),
    "tv": Baseline(total_variation, "noise", (0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8)),
    "wavelet": Baseline(wavelet, "noise", (0.7, 1, 1.4, 1.7, 2, 2.4, 2.8, 4)),
    # A hundred times the work of any other
    "nlm": Baseline(
        non_local_means, "noise", (0.5, 0.8, 1.2, 1.8, 2.6, 3.6), patches=6, reach=nlm_reach
    ),
}


def noise(image: np.ndarray, block: tuple[int, ...], dark: float = 0.0) -> float:
    """Standard deviation of the noise where the specimen is.

    Noise grows with the signal, and most of a volume may be background; patches show specimens.
    What was tuned on patches holds for a volume when noise is estimated alike: in blocks of a
    patch's shape, the median of those at least half as bright as the average. On simulated volumes
    that was 1.03 (planaria) and 0.96 (tribolium) of the mean over patches cut from them; of the
    whole volume it was 0.92 and 0.94, and less the more background there is.

    Parameters
    ----------
    image : ndarray
        Any numbers; of a memory map, a block at a time is in memory.
    block : tuple of int
        Edges of a block in voxels, as many as the image has axes; longer ones are cut to the
        image's.
    dark : float
        From where brightness counts, in the image's units.

    Returns
    -------
    float
        In the image's units: median absolute deviation of the finest wavelet coefficients over
        0.6745 (Donoho and Johnstone 1994; scikit-image's `estimate_sigma`). 0 where there are none,
        as in a constant image.
    """
    edges = [min(size, edge) for size, edge in zip(image.shape, block, strict=True)]
    starts = product(
        *(range(0, size - edge + 1, edge) for size, edge in zip(image.shape, edges, strict=True))
    )
    blocks = [
        image[tuple(slice(a, a + edge) for a, edge in zip(start, edges, strict=True))]
        for start in starts
    ]
    means = np.array([each.mean(dtype=np.float64) for each in blocks]) - dark
    average = means.mean()
    dim = min(
        average / 2, average
    )  # below 0 on average, as a patch of background may be, half is not less
    bright = [each for each, mean in zip(blocks, means, strict=True) if mean >= dim]
    return float(np.median([_deviation(np.squeeze(each)) for each in bright]))


def _deviation(block: np.ndarray) -> float:
    finest = np.abs(pywt.dwtn(block, "db2")["d" * block.ndim])
    finest = finest[finest > 0]
    return float(np.median(finest)) / 0.6744897501960817 if finest.size else 0.0


def denoise(
    image: np.ndarray,
    baseline: str,
    strength: float,
    z_scale: float,
    block: tuple[int, ...],
    low: float = 0.0,
    high: float = 1.0,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Denoise (image - low) / (high - low) by one of `BASELINES`.

    Local filters go block by block: of memory maps, no more is in memory, and the result is that of
    the image in one piece. Total variation and wavelets take the image as a whole.

    Parameters
    ----------
    image : ndarray
        Any numbers, (Z, Y, X) or (Y, X).
    baseline : str
    strength, z_scale : float
        As tuned: see the module.
    block : tuple of int
        Of what shape the blocks are in which the noise is estimated.
    low, high : float
        What of `image` is 0 and 1: about its darkest and brightest.
    out : ndarray of float32, optional
        Where the result goes.

    Returns
    -------
    ndarray of float32
        Not filtered where the strength is in units of the noise and no noise is found.
    """
    method = BASELINES[baseline]
    settings, noiseless = [strength, z_scale], False
    if method.unit == "noise":
        sigma = noise(image, block, low) / (high - low)
        settings, noiseless = [strength * sigma], sigma <= 1e-6  # what rounding leaves
    reach = method.reach(image.ndim, *settings) if method.reach else None
    out = np.empty(image.shape, np.float32) if out is None else out
    for give, read, inside in _blocks(image.shape, reach):
        part = (image[read].astype(np.float32) - np.float32(low)) / np.float32(high - low)
        out[give] = part[inside] if noiseless else method.filter(part, inside, *settings)
    return out


def _blocks(
    shape: tuple[int, ...], reach: list[int] | None
) -> Iterator[tuple[Region, Region, Region]]:
    """Of each block, where it goes, what of the image it takes and where in that it lies; one block
    without `reach`.
    """
    longest, reach = (BLOCK[len(shape)], reach) if reach else (shape, [0] * len(shape))
    along = [list(_along_axis(*axis)) for axis in zip(shape, longest, reach, strict=True)]
    for axes in product(*along):
        yield tuple(zip(*axes, strict=True))


def _along_axis(size: int, longest: int, reach: int) -> Iterator[tuple[slice, slice, slice]]:
    for start, stop in equal_parts(0, size, longest):
        first = max(0, start - reach)
        yield (
            slice(start, stop),
            slice(first, min(size, stop + reach)),
            slice(start - first, stop - first),
        )


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
        A key of `BASELINES`.
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
    method = BASELINES[baseline]
    validation = split.loc[split["part"] == "validation", "patch"].to_numpy()
    rng = random_stream(seed, "patches to tune on")
    chosen = np.sort(rng.choice(validation, min(method.patches, len(validation)), replace=False))
    block, grid = X.shape[1:], []
    for z_scale, strength in product(_z_scales(method, voxel_size), method.grid):
        scores = [_score(Y[i], denoise(X[i], baseline, strength, z_scale, block)) for i in chosen]
        grid.append({"strength": strength, "z_scale": z_scale, "nrmse": float(np.mean(scores))})
    best = min(grid, key=lambda row: row["nrmse"])
    at_edge = best["strength"] in (method.grid[0], method.grid[-1])
    if at_edge:
        tried = ", ".join(f"{each:g}" for each in method.grid)
        log.warning(
            "%s: the best strength, %g, is at the edge of what was tried (%s): a better one may "
            "lie beyond. Widen its grid in denoising/restoration/baselines.py.",
            baseline,
            best["strength"],
            tried,
        )
    chosen_as = {
        "baseline": baseline,
        "unit": method.unit,
        "patches": len(chosen),
        "patch_shape": list(block),
    }
    return {**chosen_as, **best, "at_edge": at_edge, "grid": grid}


def _z_scales(method: Baseline, voxel_size: list[float] | None) -> list[float]:
    if method.unit != "voxels" or voxel_size is None or len(voxel_size) == 2:
        return [1.0]
    return list(dict.fromkeys([1.0, voxel_size[-1] / voxel_size[0]]))


def _score(truth: np.ndarray, image: np.ndarray) -> float:
    truth, image = truth.astype(np.float64), image.astype(np.float64)
    # Nothing of a constant image can be scaled to the truth: the best fit is the truth's mean
    return float(truth.std()) if np.ptp(image) == 0 else nrmse(*scale_to(truth, image))


def restore_all(
    volumes: Path, conditions: list[str], folder: Path, choice: dict, settings: dict, workers: int
) -> dict:
    """Denoise every test volume under `volumes` as tuned and write {condition}/{volume}.tif under
    `folder`.

    A volume a thread: filters release the interpreter's lock. `settings` are format, dtype and
    compression, as the config's `restoration` has them.

    Returns
    -------
    dict
        method, seconds (wall clock, reading and writing included), voxels, threads, device,
        strength, unit.
    """
    pairs = list(paired(volumes, "test", conditions))
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(
            partial(_restore_pair, folder=folder, choice=choice, settings=settings), pairs
        )
        voxels = sum(tqdm(done, desc="denoised", unit="volume", total=len(pairs)))
    seconds = time.perf_counter() - start
    told = {"seconds": round(seconds, 3), "voxels": voxels, "threads": workers, "device": "CPU"}
    return {
        "method": choice["baseline"],
        **told,
        "strength": choice["strength"],
        "unit": choice["unit"],
    }


def _restore_pair(pair: Pair, folder: Path, choice: dict, settings: dict) -> int:
    target = folder / pair.restored_name
    target.parent.mkdir(parents=True, exist_ok=True)
    image, header = (
        open_volume(pair.image, pair.axes, scratch=target.parent),
        volume_header(pair.image),
    )
    restored = scratch_array(target.parent, image.shape, np.float32)
    tuned = (choice[key] for key in ("baseline", "strength", "z_scale", "patch_shape"))
    try:
        denoise(image, *tuned, *limits(image, *INPUT_PERCENTILES), restored)
    except ValueError as error:
        raise ValueError(
            f"{pair.image}: {choice['baseline']} failed on an image of {image.shape}: {error}"
        ) from None
    write(target, restored, pair.axes, header.voxel_size, Storage.of(settings, header.dtype))
    return image.size
