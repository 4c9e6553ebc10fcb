"""Curves of resolution of several methods, read as one table and summed up.

The curves of a method on a test set are tidy: `columns.RESOLUTION`. `frequency` is in cycles per
micrometre, or per voxel where the dataset has no voxel size.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from denoising.evaluation.scores import method_of, summarise

VALUES = ("correlation", "transfer")


def curve_means(curves: pd.DataFrame) -> pd.DataFrame:
    """Means over test volumes of the curves of each method.

    The mean over the trainings of a model is taken for each volume: intervals are over volumes
    alone. Volumes of different shapes have different frequencies; their curves are interpolated at
    those of the volume with the fewest.

    Parameters
    ----------
    curves : DataFrame
        With `columns.RESOLUTION`.

    Returns
    -------
    DataFrame
        method, tested_on, condition, direction, frequency; `metric`, correlation or transfer; the
        columns of `scores.summarise`.
    """
    curves = curves.assign(method=method_of(curves))
    groups = curves.groupby(["tested_on", "direction"], sort=False)
    curves = pd.concat([_on_common_frequencies(group) for _, group in groups])
    by = ["method", "tested_on", "condition", "direction", "frequency"]
    means = curves.groupby([*by, "volume"], sort=False)[list(VALUES)].mean().reset_index()
    unnamed = ("model", "seed", "trained_on", "stratum", "output", "protocol")
    means = means.melt([*by, "volume"], VALUES, "metric").assign(**dict.fromkeys(unnamed, ""))
    return summarise(means, [*by, "metric"])


def _on_common_frequencies(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves of one test set in one direction, at the same frequencies."""
    grids = [np.sort(group.unique()) for _, group in curves.groupby("volume")["frequency"]]
    if all(np.array_equal(grid, grids[0]) for grid in grids):
        return curves
    grid = min(grids, key=len)
    grid = grid[grid <= min(frequencies[-1] for frequencies in grids)]
    names = ["method", "seed", "tested_on", "condition", "direction", "volume"]
    return pd.concat(
        [_interpolated(group, grid, names) for _, group in curves.groupby(names, sort=False)]
    )


def _interpolated(curve: pd.DataFrame, grid: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    curve = curve.sort_values("frequency")
    values = {name: np.interp(grid, curve["frequency"], curve[name]) for name in VALUES}
    return pd.DataFrame({"frequency": grid, **values}).assign(**curve.iloc[0][list(names)])
