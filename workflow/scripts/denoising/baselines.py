"""Classical denoising that the networks are compared with."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from skimage.restoration import denoise_nl_means, estimate_sigma
from tqdm import tqdm

from denoising.volumes import Pair, normalise_input, paired, read_volume, write_volume


def non_local_means(image: np.ndarray, strength: float, patch_size: int, patch_distance: int) -> np.ndarray:
    """Non-local means with a true search along every axis (Buades et al. 2005, fast mode of Darbon et al. 2008).

    Parameters
    ----------
    image : ndarray of float32
        The normalised input `N(x; 3, 99.8)`, (Z, Y, X) or (Y, X): no axis holds channels.
    strength : float
        Filter strength h in units of the noise's estimated standard deviation.
    patch_size : int
        Edge of the compared patches, in voxels.
    patch_distance : int
        Largest distance searched along each axis, in voxels.

    Returns
    -------
    ndarray of float32
    """
    # scikit-image drops axes of length 1 itself, without giving them back
    thick = np.squeeze(image)
    sigma = float(estimate_sigma(thick, channel_axis=None))
    restored = denoise_nl_means(
        thick,
        patch_size=patch_size,
        patch_distance=patch_distance,
        h=strength * sigma,
        sigma=0.0,
        fast_mode=True,
        channel_axis=None,
    )
    return restored.reshape(image.shape).astype(np.float32)


def restore_all(volumes: Path, conditions: list[str], folder: Path, settings: dict, workers: int) -> None:
    """Denoise every test volume under `volumes` and write {condition}/{volume}.tif under `folder`.

    A volume a thread: scikit-image releases the interpreter's lock.
    """
    pairs = list(paired(volumes, "test", conditions))
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(partial(_restore_pair, folder=folder, settings=settings), pairs)
        list(tqdm(done, desc="denoised", unit="volume", total=len(pairs)))


def _restore_pair(pair: Pair, folder: Path, settings: dict) -> None:
    image = normalise_input(read_volume(pair.image, pair.axes))
    restored = non_local_means(image, **settings)
    write_volume(folder / pair.condition / f"{pair.volume}.tif", restored, pair.axes)
