"""Calibrations of all runs and ensembles, read as one table and summed up.

The calibration of a method on a test set is tidy: `columns.CALIBRATION`, which `calibration`
explains. Here predicted errors and scales are in fractions of the ground truth's range.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.scores import read_tidy, summarise
from denoising.study.study import Study


def read_calibration(paths: Mapping[tuple[str, str], str | Path], study: Study) -> pd.DataFrame:
    """Calibration of runs and ensembles on test sets, as one table.

    Parameters
    ----------
    paths : mapping
        (method, dataset) to the path of its calibration (see the module).

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
    for (method, dataset), path in paths.items():
        table = read_tidy(path)
        missing = [column for column in columns.CALIBRATION if column not in table]
        if missing:
            raise ValueError(
                f"{path}: found no columns {missing}, expected {columns.CALIBRATION}; "
                "calibrate anew"
            )
        run = study.runs.get(method)
        name = run.model if run else method
        tables.append(
            table.assign(
                model=name,
                seed=str(run.seed) if run else "",
                trained_on=study.models[study.ensembles.get(name, name)].trained_on,
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
        `columns.SCORES` and intervals (predicted or rescaled), of the metrics `ece`: expected
        calibration error, the mean over levels of |observed - expected| coverage; `inside`: share
        of true values inside the interval of nominally 95 %; `ratio`: mean absolute error by mean
        predicted error, 1 where the prediction is right, more where it is too sure of itself.
    """
    names = [*columns.SCORES[:-2], "intervals"]
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
    return pd.concat(tables, ignore_index=True)[[*columns.SCORES, "intervals"]]


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
        model, tested_on, condition, intervals, kind, level; `expected`; the columns of
        `scores.summarise` for what was observed.
    """
    by = ["model", "tested_on", "condition", "intervals", "kind", "level"]
    means = calibration.groupby([*by, "volume"], sort=False)[["observed", "expected"]].mean()
    means = means.reset_index()
    unnamed = dict.fromkeys(("seed", "trained_on", "stratum", "output", "protocol", "metric"), "")
    observed = summarise(means.assign(**unnamed, value=means["observed"]), by)
    return observed.merge(means.groupby(by, sort=False)["expected"].mean().reset_index(), on=by)


def own_calibration_means(calibration: pd.DataFrame, study: Study) -> pd.DataFrame:
    """`calibration_means` of compared models, or of all if none is, each on its own organism.

    Factors are meant for volumes like those of the training. Where no model is tested on such
    volumes, the means are those on other test sets.
    """
    means = calibration_means(calibration)
    compared = means[means["model"].isin(study.with_ensembles(study.compared_models))]
    means = means if compared.empty else compared
    patches_of = means["model"].map(lambda name: study.training_of(name).trained_on)
    own = means[means["tested_on"] == patches_of]
    return means if own.empty else own
