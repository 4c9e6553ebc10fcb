"""Tables of scores: how they are read, their means over test volumes, and their differences.

`scores.csv` is tidy, a value per row: `columns.SCORES`. `output` is network, input or the name of a
baseline. Rows of the input and of baselines have an empty model, seed and trained_on; rows of an
ensemble have an empty seed. Names are strings, those of conditions too.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.intervals import interval
from denoising.running.names import remedy_of_damage
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS
from denoising.study.names import INPUT
from denoising.study.study import Study

KEYS = ("model", "trained_on", "tested_on", "condition", "output", "protocol", "metric")
PLACE = ("tested_on", "condition", "protocol", "metric")
NUMBERS: tuple[str, ...] = (
    "value",
    "mean",
    "sd",
    "hours",
    "epochs",
    "batch_size",
    "steps_per_epoch",
)
NUMBERS += ("level", "expected", "observed", "count", "step")
NUMBERS += ("epoch", "loss", "val_loss", "seconds")
NUMBERS += ("frequency", "correlation", "transfer")
OURS = "ours"  # the source of this study's rows, beside published ones


class Crossed(NamedTuple):
    """Scores of one method in one place: `values` (trainings, volumes), and the volumes' names."""

    values: np.ndarray
    volumes: list[str]


def read_tidy(path: str | Path) -> pd.DataFrame:
    """Read a tidy CSV: names as strings (empty where not given), numbers as float64.

    Raises
    ------
    ValueError
        If a column of numbers holds anything else.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.attrs["path"] = str(path)  # for messages
    for column in table.columns.intersection(NUMBERS):
        try:
            table[column] = pd.to_numeric(table[column].replace("", np.nan)).astype(float)
        except ValueError as error:
            raise ValueError(f"{path}: column {column!r} should hold numbers: {error}") from error
    return table


def read_scores(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read several tables of scores as one."""
    return pd.concat([read_tidy(path) for path in paths], ignore_index=True)


def method_of(rows: pd.DataFrame) -> pd.Series:
    """The method of each row: a model or an ensemble, the input or a baseline."""
    return rows["model"].where(rows["output"] == "network", rows["output"])


def references(study: Study) -> dict[str, str]:
    """Name in `output` and label of what networks are compared with: the input, then baselines."""
    return {INPUT: INPUT, **{name: BASELINES[name].label for name in study.baselines}}


def summarise(scores: pd.DataFrame, by: Sequence[str] = KEYS) -> pd.DataFrame:
    """Mean over test volumes, its interval, and the sample standard deviation.

    A volume scored with several seeds of a model counts once, with its mean over seeds.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`. Rows that repeat one another exactly count once.
    by : sequence of str
        The columns that identify a row of the result; add "stratum" for a row per stratum.

    Returns
    -------
    DataFrame
        The columns of `by`; `mean` and `sd` over volumes (n - 1; nan for one volume); `low` and
        `high` (see `intervals.interval`), within the limits of the metric; `n`, the number of test
        volumes; `seeds`, the number of training runs; `sd_seeds`, the standard deviation between
        runs of their mean over volumes (nan for one run).

    Raises
    ------
    ValueError
        If a column is missing, a value is not a number, a volume has two scores under one name, or
        the runs of a model were not scored on the same volumes.
    """
    by = list(by)
    groups = checked(scores, by).groupby(by, sort=False)
    rows = [
        dict(zip(by, key, strict=True)) | _summary(crossed(group, key).values)
        for key, group in groups
    ]
    table = pd.DataFrame(rows, columns=[*by, "mean", "sd", "low", "high", "n", "seeds", "sd_seeds"])
    for metric in METRICS.values() if "metric" in by else ():
        is_own = table["metric"] == metric.name
        table.loc[is_own, ["low", "high"]] = table.loc[is_own, ["low", "high"]].clip(*metric.limits)
    return table


def _summary(values: np.ndarray) -> dict[str, float]:
    """One row of `summarise`, of values (trainings, volumes)."""
    runs, volumes = values.shape
    low, high = interval(values)
    return {
        "mean": values.mean(),
        "sd": _deviation(values.mean(axis=0)),
        "low": low,
        "high": high,
        "n": volumes,
        "seeds": runs,
        "sd_seeds": _deviation(values.mean(axis=1)),
    }


def _deviation(values: np.ndarray) -> float:
    """Sample standard deviation; nan for one value, or where one is not finite."""
    if len(values) < 2 or not np.isfinite(values).all():
        return np.nan
    return float(values.std(ddof=1))


def paired_differences(
    scores: pd.DataFrame,
    pairs: Iterable[tuple[str, str]],
    ensembles: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Differences of methods from their references, over the same volumes.

    An ensemble differs from its own model per volume alone: both come from the same trainings, so
    the model's mean over them is the reference.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`.
    pairs : iterable of (method, reference)
        Each is a model, an ensemble, the input or a baseline. A pair has no rows unless both are
        scored.
    ensembles : mapping, optional
        Name of each ensemble, and of its model.

    Returns
    -------
    DataFrame
        method, reference, tested_on, condition, protocol, metric; `difference`, the mean of method
        less reference; `low` and `high` (see `intervals.interval`); `n`, the number of volumes.

    Raises
    ------
    ValueError
        As `summarise`, or if the two were not scored on the same volumes.
    """
    scores = checked(scores, PLACE)
    scores = scores.assign(method=method_of(scores))
    scored: dict[str, dict[tuple, Crossed]] = {}
    for (method, *place), group in scores.groupby(["method", *PLACE], sort=False):
        scored.setdefault(method, {})[tuple(place)] = crossed(group, (method, *place))
    rows = []
    for method, reference in pairs:
        values, reference_values = scored.get(method, {}), scored.get(reference, {})
        for place in (place for place in values if place in reference_values):
            names = {"method": method, "reference": reference}
            names |= dict(zip(PLACE, place, strict=True))
            other = reference_values[place]
            if (ensembles or {}).get(method) == reference:
                other = Crossed(other.values.mean(axis=0, keepdims=True), other.volumes)
            rows.append(names | difference(values[place], other, names))
    return pd.DataFrame(
        rows, columns=["method", "reference", *PLACE, "difference", "low", "high", "n"]
    )


def difference(method: Crossed, reference: Crossed, names: Mapping[str, Any]) -> dict[str, float]:
    """Mean difference of two methods in one place, its interval, and the number of volumes.

    Raises
    ------
    ValueError
        If the two were not scored on the same volumes; `names` says what they are.
    """
    if method.volumes != reference.volumes:
        odd = sorted(set(method.volumes) ^ set(reference.volumes))
        raise ValueError(
            f"scores of {names}: only one of the two has {odd}; score both on the same volumes"
        )
    low, high = interval(method.values, reference.values)
    return {
        "difference": method.values.mean() - reference.values.mean(),
        "low": low,
        "high": high,
        "n": len(method.volumes),
    }


def crossed(scores: pd.DataFrame, name: Any) -> Crossed:
    """The scores of one group, called `name`, as an array.

    Raises
    ------
    ValueError
        Unless every run was scored on the same volumes, once.
    """
    seeds, rows = np.unique(scores["seed"], return_inverse=True)
    volumes, columns = np.unique(scores["volume"], return_inverse=True)
    values = np.full((len(seeds), len(volumes)), np.nan)
    values[rows, columns] = scores["value"]
    if len(scores) != values.size or np.isnan(values).any():
        raise ValueError(
            f"scores of {name}: expected one value for each of {len(volumes)} volumes and "
            f"{len(seeds)} seeds, found {len(scores)}; score every run on the same volumes, once"
        )
    return Crossed(values, list(volumes))


def checked(scores: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """`columns.SCORES` and the columns of `by`, with strings for names, less exact repeats.

    Raises
    ------
    ValueError
        If a column is missing, or a value is not a number.
    """
    missing = [column for column in columns.SCORES if column not in scores.columns]
    if missing:
        path = scores.attrs.get("path", "scores")
        raise ValueError(
            f"{path}: lacks the columns {', '.join(missing)}, found {', '.join(scores.columns)};"
            f" {remedy_of_damage(path)}."
        )
    scores = scores.loc[:, list(dict.fromkeys([*columns.SCORES, *by]))].copy()
    names = list(columns.SCORES[:-1])
    scores[names] = scores[names].astype(object).where(scores[names].notna(), "").astype(str)
    bad = scores[scores["value"].isna()]
    if len(bad):
        raise ValueError(f"{len(bad)} scores are not numbers; the first: {dict(bad.iloc[0])}")
    return scores.drop_duplicates()
