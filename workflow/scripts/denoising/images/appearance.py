"""What images look like to a network: how noisy, how contrasted, how fine.

All three are of blocks of a patch's size that show more than background, after normalisation, so
that an image can be held against the patches that a network was trained on.

- noise: standard deviation of the white noise that would make voxels differ as these do;
- contrast: standard deviation of what is not noise;
- fineness: how much of the difference between voxels eight apart there is between voxels two apart
  (the noise taken off): near 1 for structures of a voxel or two, near 0.06 for smooth ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from denoising.images.headers import Normalisation
from denoising.images.noise import unevenness
from denoising.images.slabs import whole_blocks

MEASURES = ("noise", "contrast", "fineness")
NEAR, FAR = 2, 8  # voxels along X
MOST = 256  # blocks or patches
# How far outside the range of the training patches an image is said to be: what a patch or an image
# differs by chance
RATIO, STEP = 1.25, 0.1


def measures(block: np.ndarray) -> dict[str, float]:
    """The three measures of a normalised block (Z, Y, X) or (Y, X); nan where it is too small."""
    block = np.asarray(block, np.float32)
    if min(block.shape[-2:]) < 3:
        return dict.fromkeys(MEASURES, np.nan)
    noise = float(np.median(unevenness(block)))
    signal = max(float(block.var()) - noise**2, 0.0)
    far = _difference(block, min(FAR, block.shape[-1] - 1), noise)
    fineness = _difference(block, NEAR, noise) / far if far > 0 else np.nan
    return {"noise": noise, "contrast": signal**0.5, "fineness": fineness}


def _difference(block: np.ndarray, lag: int, noise: float) -> float:
    """Half the mean squared difference of voxels this far apart, without that of the noise."""
    difference = block[..., lag:] - block[..., :-lag]
    return max(float(np.square(difference).mean()) / 2 - noise**2, 0.0)


def seen_in(patches: np.ndarray, training: np.ndarray) -> dict[str, list[float]]:
    """What a network is trained on: 1st, 50th and 99th percentile of each measure.

    Parameters
    ----------
    patches : ndarray, (n, Z, Y, X) or (n, Y, X)
        Normalised.
    training : ndarray of int
        Those that train; of many, `MOST` count.
    """
    chosen = _evenly(training.tolist(), MOST)
    table = [measures(patches[i]) for i in chosen]
    return {
        name: [
            float(f"{value:.6g}")
            for value in np.nanpercentile([row[name] for row in table], (1, 50, 99))
        ]
        for name in MEASURES
    }


def appearance(
    frame: np.ndarray, normalisation: Normalisation, patch: Iterable[int]
) -> dict[str, float]:
    """Median of each measure over blocks of a frame that show more than background.

    Parameters
    ----------
    frame : ndarray, (Z, Y, X) or (Y, X)
        As acquired; a block at a time is in memory.
    normalisation : Normalisation
    patch : iterable of int
        Edges of a block.
    """
    places = whole_blocks(frame.shape, tuple(patch))
    parts = (normalisation.apply(frame[place]) for place in _evenly(places, 4 * MOST))
    rows = [measures(part) | {"mean": float(part.mean())} for part in parts]
    dim = np.median([row["mean"] for row in rows])
    bright = [row for row in rows if row["mean"] >= dim]
    return {name: _median([row[name] for row in bright]) for name in MEASURES}


def _median(values: Sequence[float]) -> float:
    """Of the values that are known; nan if none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else np.nan


def _evenly(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many of the items, evenly apart."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).astype(int)
    return [items[i] for i in places]


def outside(found: Mapping[str, float], seen: Mapping[str, Any]) -> list[str]:
    """In what an image differs from all that a network was trained on, in plain words."""
    words = {
        "noise": ("noisier", "less noisy"),
        "contrast": ("more contrasted", "less contrasted"),
    }
    said = []
    for name, (more, less) in words.items():
        low, _, high = seen[name]
        if found[name] > RATIO * high:
            said.append(f"{found[name] / high:.1f} times {more}")
        elif found[name] < low / RATIO:
            said.append(f"{low / max(found[name], 1e-9):.1f} times {less}")
    low, _, high = seen["fineness"]
    if found["fineness"] > high + STEP:
        said.append("of finer structures")
    elif found["fineness"] < low - STEP:
        said.append("of coarser structures")
    return said
