"""Calibrations of all runs, read as one table and summed up.

The calibration of a run on a test set is tidy: `columns.CALIBRATION`. `kind` is coverage (a row per
`level`, the share of errors that should lie inside; expected and observed are shares) or scale
(`level` is a bin of predicted scales; expected is its mean scale, observed its mean absolute error,
both in fractions of the ground truth's range). `count` counts voxels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.scores import read_tidy, summarise
from denoising.study.study import Study


def read_calibration(paths: Mapping[tuple[str, str], str | Path], study: Study) -> pd.DataFrame:
    """Calibration of runs on test sets, as one table.

    Parameters
    ----------
    paths : mapping
        (run, dataset) to the path of its calibration (see the module).

    Returns
    -------
    DataFrame
        `columns.CALIBRATION`, and those of `columns.SCORES` that name what was measured.

    Raises
    ------
    ValueError
        If a file lacks a column.
    """
    tables = []
    for (run, dataset), path in paths.items():
        table = read_tidy(path)
        missing = [column for column in columns.CALIBRATION if column not in table]
        if missing:
            raise ValueError(
                f"{path}: found no columns {missing}, expected {columns.CALIBRATION}; "
                "calibrate anew"
            )
        model = study.models[study.runs[run].model]
        tables.append(
            table.assign(
                model=model.name,
                seed=str(study.runs[run].seed),
                trained_on=model.trained_on,
                tested_on=dataset,
                stratum="",
                output="network",
                protocol="calibration",
            )
        )
    return pd.concat(tables, ignore_index=True)


def calibration_scores(calibration: pd.DataFrame) -> pd.DataFrame:
    """Three numbers that sum up the calibration of each restored volume.

    Parameters
    ----------
    calibration : DataFrame
        As `read_calibration` gives it.

    Returns
    -------
    DataFrame
        `columns.SCORES`, of the metrics `ece`: expected calibration error, the mean over levels of
        |observed - expected| coverage; `inside`: share of errors inside the interval of nominally
        95 %; `ratio`: mean absolute error by mean predicted scale, 1 where the scale is right, more
        where the network is too sure of itself.
    """
    names = list(columns.SCORES[:-2])
    coverage = calibration[calibration["kind"] == "coverage"]
    gap = (coverage["observed"] - coverage["expected"]).abs()
    scale = calibration[calibration["kind"] == "scale"]
    sums = scale[["observed", "expected"]].mul(scale["count"], axis=0).join(scale[names])
    sums = sums.groupby(names, sort=False).sum()
    metrics = {
        "ece": coverage.assign(gap=gap).groupby(names, sort=False)["gap"].mean(),
        "inside": coverage[np.isclose(coverage["level"], 0.95)].set_index(names)["observed"],
        "ratio": sums["observed"] / sums["expected"],
    }
    tables = [
        values.rename("value").reset_index().assign(metric=name) for name, values in metrics.items()
    ]
    return pd.concat(tables, ignore_index=True)[list(columns.SCORES)]


def calibration_means(calibration: pd.DataFrame) -> pd.DataFrame:
    """Means over test volumes of what was expected and observed at each level.

    The mean over the trainings of a model is taken for each volume, as one of them may lack a bin:
    intervals are over volumes alone.

    Parameters
    ----------
    calibration : DataFrame
        As `read_calibration` gives it.

    Returns
    -------
    DataFrame
        model, tested_on, condition, kind, level; `expected`; the columns of `scores.summarise` for
        what was observed.
    """
    by = ["model", "tested_on", "condition", "kind", "level"]
    means = calibration.groupby([*by, "volume"], sort=False)[["observed", "expected"]].mean()
    means = means.reset_index()
    unnamed = dict.fromkeys(("seed", "trained_on", "stratum", "output", "protocol", "metric"), "")
    observed = summarise(means.assign(**unnamed, value=means["observed"]), by)
    return observed.merge(means.groupby(by, sort=False)["expected"].mean().reset_index(), on=by)
