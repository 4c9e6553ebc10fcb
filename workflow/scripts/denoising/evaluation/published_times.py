"""Costs of the 2019 study's epochs: time per epoch against steps and batch size, and its rates.

The first epoch, whose time is not recorded, and gaps do not count: times are medians over epochs.
"""

from dataclasses import dataclass

import pandas as pd

from denoising.evaluation.published_records import SETTINGS
from denoising.evaluation.runtimes import (
    PAPER_EPOCHS,
    RuntimeLine,
    fitted_line,
    implied_steps,
    paper_hours,
)

# A forward pass by the published network; `training.costs.flop_per_voxel` counts the same
FLOP_PER_VOXEL = 347_456
TRAINING_PASSES = 3  # one forward, and the gradients to inputs and to weights
VOXELS = 16 * 64 * 64  # of a published patch
VALIDATION_FRACTION = 0.2
BASE = "planaria-100"  # model of both sweeps
SWEEPS = ("steps_per_epoch", "batch_size")
TERA = 1e12


def epoch_times(histories: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Median time per epoch of each record, and what the hardware did in it.

    Parameters
    ----------
    histories : DataFrame
        As `published_records.read_histories` gives it.
    sizes : DataFrame
        `resources/published_volumes.csv`: the patches of each organism.

    Returns
    -------
    DataFrame
        record and its settings; `patches`, trained on per epoch, and `validation_patches`;
        `seconds_per_epoch`; `samples_per_second`, patches trained on per second of an epoch, its
        validation included; `teraflop_per_second`, arithmetic of training and validation.
    """
    patches = pd.to_numeric(sizes.set_index("organism")["patches"])
    rows = histories.groupby(["record", *SETTINGS], sort=False)["seconds"].median()
    table = rows.rename("seconds_per_epoch").reset_index()
    table["patches"] = table["steps_per_epoch"] * table["batch_size"]
    table["validation_patches"] = table["trained_on"].map(patches) * VALIDATION_FRACTION
    passes = TRAINING_PASSES * table["patches"] + table["validation_patches"]
    return table.assign(
        samples_per_second=table["patches"] / table["seconds_per_epoch"],
        teraflop_per_second=passes * VOXELS * FLOP_PER_VOXEL / table["seconds_per_epoch"] / TERA,
    )


@dataclass(frozen=True)
class TimeLine:
    """Time per epoch as a line through the runs of a sweep, against patches trained on.

    Attributes
    ----------
    varies : str
        The setting that the sweep varies: steps_per_epoch or batch_size.
    rows : DataFrame
        Those of `epoch_times`, in the order of what varies.
    line : RuntimeLine
        Seconds per step (of batch 16 where batch sizes vary) and overhead per epoch.
    """

    varies: str
    rows: pd.DataFrame
    line: RuntimeLine

    @property
    def seconds_per_patch(self) -> float:
        """Time to train on one patch."""
        return self.line.seconds_per_step / self.batch_size

    @property
    def batch_size(self) -> float:
        """Batch size of the base."""
        return float(self.rows.loc[self.rows["model"] == BASE, "batch_size"].item())

    @property
    def validation_seconds(self) -> float:
        """Time of validation, if a patch takes the third of its training's that arithmetic takes.

        The line does not know of it: beside the overhead it tells how much of that is validation.
        """
        patches = float(self.rows["validation_patches"].iloc[0])
        return patches * self.seconds_per_patch / TRAINING_PASSES

    @property
    def teraflop_per_second(self) -> float:
        """Arithmetic per second while training, without the overhead."""
        return TRAINING_PASSES * VOXELS * FLOP_PER_VOXEL / self.seconds_per_patch / TERA


def sweep_line(times: pd.DataFrame, varies: str) -> TimeLine:
    """The line through the records of planaria that differ from the base in `varies` alone."""
    base = times[times["model"] == BASE].iloc[0]
    alike = ["trained_on", "epochs", *(name for name in SWEEPS if name != varies)]
    rows = times[(times[alike] == base[alike]).all(axis=1)].sort_values(varies)
    steps = rows["patches"] / base["batch_size"]
    return TimeLine(varies, rows, fitted_line(steps, rows["seconds_per_epoch"]))


def steps_for_paper(line: RuntimeLine, runtimes: pd.DataFrame) -> dict[int, float]:
    """Steps per epoch at which the line reaches the CARE paper's time, by its epochs."""
    hours = paper_hours(runtimes, "planaria")
    return {epochs: implied_steps(hours, epochs, line) for epochs in PAPER_EPOCHS}
