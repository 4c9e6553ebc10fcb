"""Statistics of scores over test volumes, and of training time over steps.

Formats read here:

- `scores.csv`, tidy, a value a row: `SCORE_COLUMNS`. `output` is network, input or a baseline's name;
  input's and baselines' rows have empty model, seed and trained_on, an ensemble's rows an empty seed.
  Names, conditions among them, are strings.
- calibration of a run on a test set, tidy: `CALIBRATION_COLUMNS`. `kind` is coverage (a row a `level`,
  the share of errors that should lie inside; expected and observed are shares) or scale (`level` is a
  bin of predicted scales; expected is its mean scale, observed its mean absolute error, both in
  fractions of the truth's range). `count` counts voxels.
- `explanation.csv`, tidy: `EXPLANATION_COLUMNS`. `step` counts the changes that take the 2019 study's
  scores to the CARE paper's, `label` names the step; `output` is input or network.
- runtime of a method's restorations of a test set, JSON: method (a run or a baseline), dataset, seconds,
  voxels, threads, device and, of a tuned baseline, strength and its unit (voxels, or noise: standard
  deviations of the estimated noise).
- `history.csv` of one training run: a row an epoch, with `seconds` (of that epoch alone) and `MEASURED`.
- runtimes, published or ours: `RUNTIME_COLUMNS`, a run a row.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

SCORE_COLUMNS = (
    "model",
    "seed",
    "trained_on",
    "tested_on",
    "condition",
    "volume",
    "stratum",
    "output",
    "protocol",
    "metric",
    "value",
)
CALIBRATION_COLUMNS = ("kind", "condition", "volume", "level", "expected", "observed", "count")
EXPLANATION_COLUMNS = (
    "dataset",
    "model",
    "condition",
    "volume",
    "output",
    "step",
    "label",
    "metric",
    "value",
)
KEYS = ("model", "trained_on", "tested_on", "condition", "output", "protocol", "metric")
RUNTIME_COLUMNS = (
    "source",
    "model",
    "trained_on",
    "epochs",
    "batch_size",
    "steps_per_epoch",
    "hours",
    "seconds_per_epoch",
    "note",
)
# What a history holds of a run's speed, memory and energy, and how its epochs become one number
MEASURED = {
    "samples_per_second": "median",
    "voxels_per_second": "median",
    "teraflop": "sum",
    "matmul_share": "median",
    "host_memory_mb": "max",
    "device_memory_mb": "max",
    "gpu_energy_kj": "sum",
}
NUMBERS = ("value", "mean", "sd", "hours", "epochs", "batch_size", "steps_per_epoch")
NUMBERS += ("level", "expected", "observed", "count", "step")
OURS = "ours"
PAPER = "CARE paper"
# What networks are compared with: the name in `output`, and how tables and figures call it
LABELS = {
    "input": "input",
    "gaussian": "Gaussian",
    "median": "median",
    "tv": "total variation",
    "wavelet": "wavelet",
    "nlm": "non-local means",
}
CONFIDENCE = 0.95
RESAMPLES = 10_000
SEED = 20190  # of the bootstrap: the same scores give the same intervals


class RuntimeLine(NamedTuple):
    """Seconds per epoch as a line: overhead of an epoch, and time of a step, both in seconds."""

    seconds_per_step: float
    overhead_seconds: float


class Crossed(NamedTuple):
    """Scores of one method in one place: `values` (trainings, volumes), and the volumes' names."""

    values: np.ndarray
    volumes: list[str]


class PaperPoint(NamedTuple):
    """Where a line reaches the CARE paper's hours, if those were `epochs` epochs."""

    epochs: int
    steps: float
    seconds: float


def read_tidy(path: str | Path) -> pd.DataFrame:
    """Read a tidy CSV: names as strings (empty where not given), numbers as float64.

    Raises
    ------
    ValueError
        If a number column holds anything but numbers.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in table.columns.intersection(NUMBERS):
        try:
            table[column] = pd.to_numeric(table[column].replace("", np.nan)).astype(float)
        except ValueError as error:
            raise ValueError(f"{path}: column {column!r} should hold numbers: {error}") from error
    return table


def read_scores(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read several tables of scores as one."""
    return pd.concat([read_tidy(path) for path in paths], ignore_index=True)


def of_study(published: pd.DataFrame, study: Mapping[str, Any]) -> pd.DataFrame:
    """The published runs on the organisms that the study's datasets compare with."""
    organisms = {dataset["published"] for dataset in study["datasets"].values()}
    return published[published["trained_on"].isin(organisms)]


def references(study: Mapping[str, Any]) -> dict[str, str]:
    """What networks are compared with, by its name in `output`, and its label: the input, then every baseline."""
    return {name: LABELS[name] for name in ("input", *study["baselines"])}


def summarise(scores: pd.DataFrame, by: Sequence[str] = KEYS) -> pd.DataFrame:
    """Mean over test volumes, its bootstrap interval, and the sample standard deviation.

    A volume scored with several seeds of a model counts once, with its mean over seeds.

    Parameters
    ----------
    scores : DataFrame
        With `SCORE_COLUMNS`. Rows that repeat one another exactly count once.
    by : sequence of str
        The columns that identify a row of the result; add "stratum" for a row a stratum.

    Returns
    -------
    DataFrame
        The columns of `by`; `mean` and `sd` over volumes (n - 1; nan for one volume); `low` and `high`
        (see `interval`); `n`, the number of test volumes; `seeds`, the number of training runs;
        `sd_seeds`, the standard deviation between runs of their mean over volumes (nan for one run).

    Raises
    ------
    ValueError
        If a column is missing, a value is not a number, a volume has two scores under one name, or
        the runs of a model were not scored on the same volumes.
    """
    by = list(by)
    groups = _checked(scores, by).groupby(by, sort=False)
    rows = [
        dict(zip(by, key, strict=True)) | _summary(_crossed(group, key).values)
        for key, group in groups
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "sd", "low", "high", "n", "seeds", "sd_seeds"])


def _summary(values: np.ndarray) -> dict[str, float]:
    """One row of `summarise`, of values (trainings, volumes)."""
    runs, volumes = values.shape
    low, high = interval(values)
    spread = {
        "sd": _deviation(values.mean(axis=0)),
        "low": low,
        "high": high,
        "sd_seeds": _deviation(values.mean(axis=1)),
    }
    return {"mean": values.mean(), "n": volumes, "seeds": runs} | spread


def _deviation(values: np.ndarray) -> float:
    """Sample standard deviation; nan for one value, or where one is not finite."""
    return float(values.std(ddof=1)) if len(values) > 1 and np.isfinite(values).all() else np.nan


def _crossed(scores: pd.DataFrame, name: Any) -> Crossed:
    """The scores of one group, which should hold every run on the same volumes, once."""
    seeds, rows = np.unique(scores["seed"], return_inverse=True)
    volumes, columns = np.unique(scores["volume"], return_inverse=True)
    values = np.full((len(seeds), len(volumes)), np.nan)
    values[rows, columns] = scores["value"]
    if len(scores) != values.size or np.isnan(values).any():
        raise ValueError(
            f"scores of {name}: expected one value for each of {len(volumes)} volumes and {len(seeds)} seeds, "
            f"found {len(scores)}; score every run on the same volumes, once"
        )
    return Crossed(values, list(volumes))


def interval(values: np.ndarray, reference: np.ndarray | None = None) -> tuple[float, float]:
    """Bootstrap interval of a mean over volumes and trainings, or of its difference from `reference`.

    The means of volumes are one level; those of trainings, where there are several, another; those of the
    reference's a third. The levels' intervals (see `_reaches`) add in squares about the mean, below and
    above it apart (Howe, JRSS B 36, 123, 1974; Zou and Donner, Statistics in Medicine 27, 1693, 2008), so
    that two trainings that agree by chance do not pass for many. Of one training it is the interval for that
    training: how others would score is not in it.

    In simulation, of normal values, 4 to 20 volumes and one training, 94 to 95 % of the intervals hold the true
    mean; of two, three and five trainings 95 to 99 %, and of differences between two such models up to 99.9 %.
    Skewed values (gamma of shape 2) take up to 3 percentage points off, long tails (log-normal, sigma 0.8) 7.

    Parameters
    ----------
    values : ndarray (trainings, volumes)
    reference : ndarray (trainings, volumes), optional
        Other trainings, the same volumes in the same order.

    Returns
    -------
    low, high : float
        In the unit of `values`, beyond what scores can be where volumes are few and differ. nan for one
        volume, or where a value is not finite (the PSNR of equal images).
    """
    others = np.zeros((1, values.shape[1])) if reference is None else reference
    if values.shape[1] < 2 or not (np.isfinite(values).all() and np.isfinite(others).all()):
        return np.nan, np.nan
    levels = (values.mean(axis=0) - others.mean(axis=0), values.mean(axis=1), -others.mean(axis=1))
    below, above = np.linalg.norm([_reaches(level) for level in levels if len(level) > 1], axis=0)
    centre = values.mean() - others.mean()
    return float(centre - below), float(centre + above)


def _reaches(values: np.ndarray) -> tuple[float, float]:
    """How far the interval of a mean reaches below and above it, of independent values.

    It is as wide as Student's, and lies about the mean as the percentiles of bootstrapped means do: these alone
    are too narrow for few values, by (n - 1) / n of the variance and by normal instead of Student's quantiles
    (Hesterberg, American Statistician 69, 371, 2015), and farther ones end at the smallest and largest value.
    """
    count, mean = len(values), values.mean()
    width = 2 * stdtrit(count - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / np.sqrt(count)
    low, high = np.quantile(_weights(count) @ values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # Rounding can put both percentiles of equal values on one side of their mean
    share = np.clip((mean - low) / (high - low), 0, 1) if high > low else 0.5
    return width * share, width * (1 - share)


@cache
def _weights(count: int) -> np.ndarray:
    """How much each of `count` weighs in each resample, (RESAMPLES, count): the same draws for every score."""
    return (
        np.random.default_rng([SEED, count]).multinomial(
            count, np.full(count, 1 / count), RESAMPLES
        )
        / count
    )


def paired_differences(scores: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Differences of methods from their references, over the same volumes.

    Parameters
    ----------
    scores : DataFrame
        With `SCORE_COLUMNS`.
    pairs : iterable of (method, reference)
        Each a model, an ensemble, the input or a baseline. Pairs that are not both scored have no rows.

    Returns
    -------
    DataFrame
        method, reference, tested_on, condition, protocol, metric; `difference`, the mean of method less
        reference; `low` and `high` (see `interval`); `n`, the number of volumes.

    Raises
    ------
    ValueError
        As `summarise`, or if the two were not scored on the same volumes.
    """
    place = ["tested_on", "condition", "protocol", "metric"]
    scores = _checked(scores, place)
    scores = scores.assign(
        method=scores["model"].where(scores["output"] == "network", scores["output"])
    )
    found: dict[str, dict[tuple, Crossed]] = {}
    for (method, *where), group in scores.groupby(["method", *place], sort=False):
        found.setdefault(method, {})[tuple(where)] = _crossed(group, (method, *where))
    rows = []
    for method, reference in pairs:
        mine, theirs = found.get(method, {}), found.get(reference, {})
        for where in (each for each in mine if each in theirs):
            known = {"method": method, "reference": reference} | dict(
                zip(place, where, strict=True)
            )
            rows.append(known | _difference(mine[where], theirs[where], known))
    return pd.DataFrame(
        rows, columns=["method", "reference", *place, "difference", "low", "high", "n"]
    )


def _difference(mine: Crossed, theirs: Crossed, known: Mapping[str, str]) -> dict[str, float]:
    """Mean difference of two methods in one place, and its interval."""
    if mine.volumes != theirs.volumes:
        odd = sorted(set(mine.volumes) ^ set(theirs.volumes))
        raise ValueError(
            f"scores of {known}: only one of the two has {odd}; score both on the same volumes"
        )
    low, high = interval(mine.values, theirs.values)
    return {
        "difference": mine.values.mean() - theirs.values.mean(),
        "low": low,
        "high": high,
        "n": len(mine.volumes),
    }


def comparison_pairs(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is compared.

    Models with input and baselines, with others that the same study trains on another dataset, those of a
    sweep with its base, ensembles with their model.
    """
    models, plain = (
        study["models"],
        [each["models"] for each in study["studies"].values() if not each["varies"]],
    )
    pairs = [(model, reference) for model in models for reference in references(study)]
    sweeps = [each for each in study["studies"].values() if each["varies"] and each["base"]]
    swept = [
        (model, each["base"]) for each in sweeps for model in [*each["models"], *each["matched"]]
    ]
    pairs += [pair for pair in swept if pair[0] != pair[1]]
    both = [pair for names in plain for pair in itertools.combinations(names, 2)]
    pairs += [(b, a) for a, b in both if models[a]["trained_on"] != models[b]["trained_on"]]
    return list(dict.fromkeys([*pairs, *study["ensembles"].items()]))


def _checked(scores: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The scores and the columns of `by`, with strings for names, less exact repeats."""
    missing = [column for column in SCORE_COLUMNS if column not in scores.columns]
    if missing:
        raise ValueError(f"scores lack the columns {missing}; found {list(scores.columns)}")
    scores = scores.loc[:, list(dict.fromkeys([*SCORE_COLUMNS, *by]))].copy()
    names = list(SCORE_COLUMNS[:-1])
    scores[names] = scores[names].astype(object).where(scores[names].notna(), "").astype(str)
    bad = scores[scores["value"].isna()]
    if len(bad):
        raise ValueError(f"{len(bad)} scores are not numbers; the first: {dict(bad.iloc[0])}")
    return scores.drop_duplicates()


def read_calibration(
    paths: Mapping[tuple[str, str], str | Path], study: Mapping[str, Any]
) -> pd.DataFrame:
    """Calibration of runs on test sets, as one table.

    Parameters
    ----------
    paths : mapping
        (run, dataset) to the path of its calibration (see the module).
    study : mapping
        The resolved study: `models` and `runs` are read.

    Returns
    -------
    DataFrame
        `CALIBRATION_COLUMNS`, and those of `SCORE_COLUMNS` that name what was measured.
    """
    tables = []
    for (run, dataset), path in paths.items():
        table = read_tidy(path)
        missing = [column for column in CALIBRATION_COLUMNS if column not in table]
        if missing:
            raise ValueError(
                f"{path}: found no columns {missing}, expected {CALIBRATION_COLUMNS}; calibrate anew"
            )
        model = study["runs"][run]["model"]
        known = {
            "model": model,
            "seed": str(study["runs"][run]["seed"]),
            "tested_on": dataset,
            "stratum": "",
        }
        known |= {
            "trained_on": study["models"][model]["trained_on"],
            "output": "network",
            "protocol": "calibration",
        }
        tables.append(table.assign(**known))
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
        `SCORE_COLUMNS`, of the metrics `ece`: expected calibration error, the mean over levels of
        |observed - expected| coverage; `inside`: share of errors inside the interval of nominally 95 %;
        `ratio`: mean absolute error by mean predicted scale, 1 where the scale is right, more where the
        network is too sure of itself.
    """
    names = list(SCORE_COLUMNS[:-2])
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
    return pd.concat(tables, ignore_index=True)[list(SCORE_COLUMNS)]


def calibration_means(calibration: pd.DataFrame) -> pd.DataFrame:
    """Means over test volumes of what was expected and observed at each level.

    Parameters
    ----------
    calibration : DataFrame
        As `read_calibration` gives it.

    Returns
    -------
    DataFrame
        model, tested_on, condition, kind, level; `expected`; the columns of `summarise` for what was
        observed. Of each volume the mean over trainings is taken, as one of them may lack a bin: intervals are
        over volumes alone.
    """
    by = ["model", "tested_on", "condition", "kind", "level"]
    means = (
        calibration.groupby([*by, "volume"], sort=False)[["observed", "expected"]]
        .mean()
        .reset_index()
    )
    unnamed = dict.fromkeys(("seed", "trained_on", "stratum", "output", "protocol", "metric"), "")
    observed = summarise(means.assign(**unnamed, value=means["observed"]), by)
    return observed.merge(means.groupby(by, sort=False)["expected"].mean().reset_index(), on=by)


def explanation_means(explanation: pd.DataFrame) -> pd.DataFrame:
    """Means over test volumes at every step between two protocols, and the change that each step makes.

    Parameters
    ----------
    explanation : DataFrame
        With `EXPLANATION_COLUMNS`.

    Returns
    -------
    DataFrame
        tested_on, model, output, condition, metric, step, label; `mean`, `sd`, `low`, `high` and `n` as in
        `summarise`; `change`, the mean less that of the step before (nan for the first), and `change_low` and
        `change_high`, its interval over the same volumes (see `interval`).

    Raises
    ------
    ValueError
        As `summarise`, or if two steps were not scored on the same volumes.
    """
    named = explanation.rename(columns={"dataset": "tested_on"})
    named = named.assign(seed="", trained_on="", stratum="", protocol="")
    series = ["tested_on", "model", "output", "condition", "metric"]
    means = summarise(named, [*series, "step", "label"]).sort_values("step", kind="stable")
    rows = []
    for key, group in _checked(named, [*series, "step"]).groupby(series, sort=False):
        known = dict(zip(series, key, strict=True))
        steps = {
            step: _crossed(scores, known | {"step": step}) for step, scores in group.groupby("step")
        }
        for before, step in itertools.pairwise(steps):
            change = _difference(steps[step], steps[before], known | {"step": step})
            renamed = {
                "change": change["difference"],
                "change_low": change["low"],
                "change_high": change["high"],
            }
            rows.append(known | {"step": step} | renamed)
    changes = pd.DataFrame(rows, columns=[*series, "step", "change", "change_low", "change_high"])
    return means.merge(changes, on=[*series, "step"], how="left")


def restoration_runtimes(paths: Iterable[str | Path], study: Mapping[str, Any]) -> pd.DataFrame:
    """What restoring the test sets took, of each run and baseline.

    Parameters
    ----------
    paths : iterable of path
        The runtimes' JSON files (see the module).
    study : mapping
        The resolved study: `models`, `runs` and `baselines` are read.

    Returns
    -------
    DataFrame
        tested_on, method (a model, or a baseline's name), seed (nan for the only run of a model), device,
        threads, voxels (of all volumes restored), seconds, seconds_per_million_voxels, strength (nan where
        none was tuned) and its unit.

    Raises
    ------
    ValueError
        If a file lacks a value or names a method that the study does not.
    """
    columns = [
        "tested_on",
        "method",
        "seed",
        "device",
        "threads",
        "voxels",
        "seconds",
        "seconds_per_million_voxels",
    ]
    return pd.DataFrame(
        [_restoration_runtime(path, study) for path in paths],
        columns=[*columns, "strength", "unit"],
    )


def _restoration_runtime(path: str | Path, study: Mapping[str, Any]) -> dict[str, Any]:
    """One row of `restoration_runtimes`."""
    record = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = {"method", "dataset", "seconds", "voxels", "threads", "device"} - set(record)
    if missing:
        raise ValueError(f"{path}: a restoration's runtime lacks {sorted(missing)}; restore again")
    method, run = record["method"], study["runs"].get(record["method"])
    if run is None and method not in study["baselines"]:
        raise ValueError(
            f"{path}: runtime of {method}, which is no run and no baseline of the study; delete the file"
        )
    model = run["model"] if run else method
    several = run is not None and len(study["models"][model]["seeds"]) > 1
    measured = {name: record[name] for name in ("device", "threads", "voxels", "seconds")}
    return {
        "tested_on": record["dataset"],
        "method": model,
        "seed": run["seed"] if several else np.nan,
        **measured,
        "seconds_per_million_voxels": record["seconds"] / record["voxels"] * 1e6,
        "strength": record.get("strength", np.nan),
        "unit": record.get("unit", ""),
    }


def compared_models(scores: pd.DataFrame, study: Mapping[str, Any]) -> list[str]:
    """The models to compare between test sets, in the study's order.

    Those of the studies that vary nothing, and every model scored on a set it was not trained on.
    """
    scored = scores[scores["output"] == "network"]
    chosen = set(scored.loc[scored["trained_on"] != scored["tested_on"], "model"])
    chosen |= {
        model
        for each in study["studies"].values()
        if not each["varies"]
        for model in each["models"]
    }
    return [model for model in study["models"] if model in chosen & set(scored["model"])]


def with_ensembles(models: Iterable[str], study: Mapping[str, Any]) -> list[str]:
    """`models`, each followed by its ensemble, where it has one."""
    ensembles = {model: ensemble for ensemble, model in study["ensembles"].items()}
    return [name for model in models for name in (model, ensembles.get(model)) if name]


def settings_of(name: str, study: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a model, or of an ensemble's model."""
    return study["models"][study["ensembles"].get(name, name)]


def relative_difference(value: Any, reference: Any) -> Any:
    """Difference of `value` from `reference`, in percent of `reference` (numbers or arrays)."""
    return 100.0 * (value - reference) / reference


def runtime_line(steps: Any, hours: Any, epochs: Any) -> RuntimeLine:
    """Fit seconds per epoch = overhead + steps per epoch x seconds per step, by least squares.

    Parameters
    ----------
    steps : array_like
        Steps per epoch of each run.
    hours : array_like
        Training time of each run, in hours.
    epochs : array_like or float
        Epochs of each run, or one number for all.

    Raises
    ------
    ValueError
        For fewer than two different numbers of steps.
    """
    steps = np.asarray(steps, dtype=float)
    seconds = np.asarray(hours, dtype=float) * 3600 / np.asarray(epochs, dtype=float)
    if len(np.unique(steps)) < 2:
        raise ValueError(f"a line needs runs at two numbers of steps per epoch, found {steps}")
    slope, overhead = np.polyfit(steps, np.broadcast_to(seconds, steps.shape), 1)
    return RuntimeLine(float(slope), float(overhead))


def implied_steps(hours: float, epochs: float, line: RuntimeLine) -> float:
    """Steps per epoch at which `line` reaches `hours` of training in `epochs` epochs.

    Raises
    ------
    ValueError
        If time does not grow with steps.
    """
    if line.seconds_per_step <= 0:
        raise ValueError(f"time should grow with steps, found {line.seconds_per_step} s per step")
    return (hours * 3600 / epochs - line.overhead_seconds) / line.seconds_per_step


def our_runtimes(histories: Mapping[str, str | Path], study: Mapping[str, Any]) -> pd.DataFrame:
    """Training times of this study's runs, in their order, with their speed, memory and energy.

    Parameters
    ----------
    histories : mapping
        Run to the path of its `history.csv`.
    study : mapping
        The resolved study: `models` and `runs` are read.

    Returns
    -------
    DataFrame
        `RUNTIME_COLUMNS`, `seed` (nan for the only run of a model) and `MEASURED` (nan where nothing
        was measured). `epochs` are those trained; `hours` is the sum over epochs; `seconds_per_epoch`
        is the median, so that the start-up in the first epoch does not count as time of a step.

    Raises
    ------
    ValueError
        If a history is of a run that the study does not name, or lacks a column or its epochs.
    """
    unknown = [run for run in histories if run not in study["runs"]]
    if unknown:
        raise ValueError(f"histories of {unknown}, which the study's runs do not name")
    rows = [_our_runtime(run, study, histories[run]) for run in study["runs"] if run in histories]
    return pd.DataFrame(rows, columns=[*RUNTIME_COLUMNS, "seed", *MEASURED])


def _our_runtime(run: str, study: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """One run's row of `our_runtimes`."""
    history = pd.read_csv(path)
    missing = [column for column in ("seconds", *MEASURED) if column not in history]
    if missing or not len(history):
        raise ValueError(
            f"{path}: expected a row an epoch; found {len(history)} rows, and no columns {missing}"
        )
    model, seed = study["runs"][run]["model"], study["runs"][run]["seed"]
    settings = study["models"][model]
    measured = {column: history[column].dropna() for column in MEASURED}
    return {
        "source": OURS,
        "model": model,
        "trained_on": settings["trained_on"],
        "epochs": len(history),
        "batch_size": settings["batch_size"],
        "steps_per_epoch": settings["steps_per_epoch"],
        "hours": history["seconds"].sum() / 3600,
        "seconds_per_epoch": history["seconds"].median(),
        "note": "",
        "seed": seed if len(settings["seeds"]) > 1 else np.nan,
        **{
            name: values.agg(MEASURED[name]) if len(values) else np.nan
            for name, values in measured.items()
        },
    }


def published_runtimes(published: pd.DataFrame) -> pd.DataFrame:
    """Published runtimes with their seconds per epoch (nan where the epochs are not given)."""
    published = published.assign(seconds_per_epoch=published["hours"] * 3600 / published["epochs"])
    return published.loc[:, list(RUNTIME_COLUMNS)]


def line_groups(runtimes: pd.DataFrame) -> list[pd.DataFrame]:
    """Runs alike in all but steps per epoch, at two numbers of steps or more: one group a line."""
    alike = ["source", "trained_on", "epochs", "batch_size"]
    known = runtimes.dropna(subset=["steps_per_epoch", "seconds_per_epoch"])
    groups = [group for _, group in known.groupby(alike)]
    return [group for group in groups if len(group["steps_per_epoch"].unique()) > 1]


def group_line(group: pd.DataFrame) -> RuntimeLine:
    """The line through one of `line_groups`."""
    seconds = group["seconds_per_epoch"].to_numpy()
    return runtime_line(group["steps_per_epoch"], seconds / 3600, 1)


def implied_for_paper(group: pd.DataFrame, published: pd.DataFrame) -> list[PaperPoint]:
    """What a published line says of the CARE paper's hours, for 200 and for 100 epochs.

    The paper does not tell its steps per epoch here. Empty for our own lines, which another machine
    drew, and where the paper gives no hours for the group's dataset.
    """
    first, line = group.iloc[0], group_line(group)
    rows = published["source"].str.startswith(PAPER) & (
        published["trained_on"] == first["trained_on"]
    )
    if first["source"] == OURS or not rows.any() or line.seconds_per_step <= 0:
        return []
    hours = float(published.loc[rows, "hours"].iloc[0])
    return [
        PaperPoint(each, implied_steps(hours, each, line), hours * 3600 / each)
        for each in (200, 100)
    ]
