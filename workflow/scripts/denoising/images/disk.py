"""How much disk a study takes: arithmetic on the shapes of its images, before there are any files.

An image is a row with the columns of volumes.csv that count here: part, condition, shape, dtype.
"""

from math import prod
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.images.volumes import read_listing
from denoising.study.names import TRUTH
from denoising.study.sources import Simulation
from denoising.study.study import Dataset, Study

FLOAT = 4  # bytes


def listing_of(dataset: Dataset, volumes: Path, checked: pd.DataFrame | None) -> pd.DataFrame:
    """The dataset's images, from the table of their check, from volumes that are there, or from
    what is to be simulated; none of an archive that is not unpacked.
    """
    if checked is not None:
        condition = checked["side"].map({"low": dataset.condition_names[0], "high": TRUTH})
        return checked.assign(condition=condition)
    if (volumes / "volumes.csv").is_file():
        return read_listing(volumes)
    rows = []
    if isinstance(source := dataset.source, Simulation):
        shape = "x".join(map(str, source.shape))
        trains = source.train_volumes if dataset.patches.source == "volumes" else 0
        for part, count in (("train", trains), ("test", source.test_volumes)):
            for condition in (TRUTH, *dataset.condition_names):
                rows += [(part, condition, shape, "uint16")] * count
    return pd.DataFrame(rows, columns=["part", "condition", "shape", "dtype"])


def patch_count(dataset: Dataset, images: pd.DataFrame) -> int:
    """Patches of a dataset; 0 if they come with an archive."""
    if dataset.patches.source == "npz":
        return dataset.source.patches if isinstance(dataset.source, Simulation) else 0
    inputs = images[(images["part"] == "train") & (images["condition"] != TRUTH)]
    return len(inputs) * dataset.patches.per_volume


def disk(study: Study, images: dict[str, pd.DataFrame]) -> dict[str, int]:
    """Bytes of volumes, patches and restorations, all uncompressed."""
    sizes = {"volumes": 0, "patches": 0, "restorations": 0}
    for name, listed in images.items():
        voxels = listed["shape"].map(lambda text: prod(map(int, text.split("x"))))
        itemsize = listed["dtype"].map(lambda dtype: np.dtype(dtype).itemsize)
        sizes["volumes"] += int((voxels * itemsize).sum())
        dataset = study.datasets[name]
        patch = FLOAT * prod(dataset.patches.shape)
        sizes["patches"] += 2 * patch_count(dataset, listed) * patch
        tests = voxels[(listed["part"] == "test") & (listed["condition"] != TRUTH)]
        sizes["restorations"] += int(tests.sum()) * FLOAT * _restorations(study, name)
    return sizes


def _restorations(study: Study, dataset: str) -> int:
    """Files per test image: of baselines, networks with their predicted scale, and ensembles."""
    files = len(study.baselines)
    for model in study.models_tested_on(dataset):
        outputs = 2 if model.training.is_probabilistic else 1
        files += outputs * len(model.runs)
        files += (outputs + 2) if model.ensemble else 0  # with the ends of its intervals
    return files
