"""Small examples for figures: a few patches, one section of a test volume."""

from pathlib import Path

import numpy as np
import pandas as pd

from denoising.images.volumes import open_volume, paired


def example_patches(folder: Path, split: pd.DataFrame, count: int = 8) -> dict[str, np.ndarray]:
    """A few patch pairs of each part, evenly spread over it.

    Returns
    -------
    dict
        train_X, train_Y, validation_X, validation_Y: float32 (up to `count`, *patch shape).
    """
    examples = {}
    for name in "XY":
        patches = np.load(folder / f"{name}.npy", mmap_mode="r")
        for part, rows in split.groupby("part"):
            places = rows["patch"].to_numpy()[
                np.linspace(0, len(rows) - 1, min(count, len(rows)), dtype=int)
            ]
            examples[f"{part}_{name}"] = patches[places]
    return examples


def example_sections(
    folder: Path, conditions: list[str], restorations: dict[str, Path], scratch: Path | None = None
) -> dict[str, np.ndarray]:
    """The middle section of the first test volume in every condition, as input, restored and ground
    truth.

    Parameters
    ----------
    folder : Path
        A folder of volumes.
    conditions : list of str
    restorations : dict of str to Path
        Folders of restored volumes ({condition}/{volume}.tif) by the name they take in the result.
    scratch : Path, optional
        A folder for what must be decoded, as `open_volume` has it.

    Returns
    -------
    dict
        `input`, each name of `restorations`, `truth`: float32 (conditions, Y, X); `conditions` and
        `volume`: text.
    """
    pairs = list(paired(folder, "test", conditions))[: len(conditions)]

    def sections(paths):
        return np.stack(
            [
                _middle(open_volume(path, pair.axes, scratch))
                for path, pair in zip(paths, pairs, strict=True)
            ]
        )

    return {
        "input": sections([pair.image for pair in pairs]),
        **{
            name: sections([restored / pair.restored_name for pair in pairs])
            for name, restored in restorations.items()
        },
        "truth": sections([pair.truth for pair in pairs]),
        "conditions": np.array(conditions),
        "volume": np.array(pairs[0].volume),
    }


def _middle(volume: np.ndarray) -> np.ndarray:
    return (volume if volume.ndim == 2 else volume[len(volume) // 2]).astype(np.float32)
