"""Checks of the data, made before anything is trained."""

from pathlib import Path

import pandas as pd

from denoising.images.volumes import SMALLEST_AXIS, read_listing


def check_scorable(folder: Path) -> None:
    """Refuse test volumes that are too small to be scored, although they could be restored."""
    for row in read_listing(folder).query("part == 'test'").itertuples():
        if min(map(int, row.shape.split("x")[-2:])) < SMALLEST_AXIS:
            raise ValueError(
                f"{folder / row.path}: a test volume of {row.shape} cannot be scored: SSIM's window"
                f" needs {SMALLEST_AXIS} voxels along Y and X; use larger images."
            )


def check_batch(model: str, batch_size: int, split: pd.DataFrame) -> None:
    """Refuse a batch larger than the training set."""
    patches = int((split["part"] == "train").sum())
    if batch_size > patches:
        raise ValueError(
            f"model {model}: batch_size is {batch_size}, but its training set has {patches}"
            " patches; set a smaller batch_size or cut more patches (patches.per_volume)."
        )
