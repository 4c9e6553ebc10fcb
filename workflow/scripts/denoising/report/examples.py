"""Small examples for figures: a few patches, one section of a test volume.

- Patches of a dataset, npz: `train_X`, `train_Y`, `validation_X`, `validation_Y`, each (n, Z, Y, X)
  or (n, Y, X), X the input and Y the ground truth; `train_condition` and `validation_condition`,
  the condition of each patch (empty where patches are published ones).
- Sections of a run on a dataset, npz: `input`, `restored`, `truth` and, where there are baselines,
  `baseline`, each (conditions, Y, X); `conditions`, `volume` and `baseline_label`, text;
  `pixel_size_um`, nan if unknown.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from denoising.images.volumes import open_volume, paired
from denoising.study.baselines import BASELINES


def example_patches(
    folder: Path, split: pd.DataFrame, labels: pd.DataFrame, count: int = 4
) -> dict[str, np.ndarray]:
    """A few patch pairs of each part, evenly spread over it: up to `count`, as the module says.

    Parameters
    ----------
    folder : Path
        Holds X.npy and Y.npy.
    split : DataFrame
        patch, part.
    labels : DataFrame
        patches.csv, as `splits.read_labels` reads it.
    """
    examples: dict[str, np.ndarray] = {}
    conditions = labels.set_index("patch")["condition"]
    for part, rows in split.groupby("part"):
        chosen = np.linspace(0, len(rows) - 1, min(count, len(rows)), dtype=int)
        places = rows["patch"].to_numpy()[chosen]
        for name in "XY":
            examples[f"{part}_{name}"] = np.load(folder / f"{name}.npy", mmap_mode="r")[places]
        examples[f"{part}_condition"] = conditions[places].to_numpy(dtype=str)
    return examples


def strongest(choices: Sequence[Path]) -> dict[str, Any] | None:
    """The tuned baseline with the lowest NRMSE on validation patches; None if there is none.

    Parameters
    ----------
    choices : sequence of Path
        JSON files as `restoration.baselines.tune` makes them.
    """
    tuned = [json.loads(path.read_text(encoding="utf-8")) for path in choices]
    return min(tuned, key=lambda choice: choice["nrmse"], default=None)


def strength_label(choice: Mapping[str, Any]) -> str:
    """A tuned baseline with its strength, such as "Gaussian, strength 1.2 (voxels)"."""
    label = BASELINES[choice["baseline"]].label
    return f"{label}, strength {choice['strength']:g} ({choice['unit']})"


def example_sections(
    folder: Path, conditions: list[str], restorations: dict[str, Path], scratch: Path | None = None
) -> dict[str, np.ndarray]:
    """The middle section of the first test volume in every condition.

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
    paths = {
        name: [restored / pair.restored_name for pair in pairs]
        for name, restored in restorations.items()
    }
    paths = {"input": [pair.image for pair in pairs], **paths}
    paths["truth"] = [pair.truth for pair in pairs]
    axes = pairs[0].axes
    sections: dict[str, np.ndarray] = {
        name: np.stack([_middle(open_volume(path, axes, scratch)) for path in files])
        for name, files in paths.items()
    }
    return {
        **sections,
        "conditions": np.array(conditions),
        "volume": np.array(pairs[0].volume),
    }


def _middle(volume: np.ndarray) -> np.ndarray:
    section = volume if volume.ndim == 2 else volume[len(volume) // 2]
    return np.asarray(section, dtype=np.float32)
