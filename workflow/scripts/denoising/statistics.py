"""Statistics of scores over test volumes, and of training time over steps.

Formats read here:

- `scores.csv`, tidy, a value a row: `SCORE_COLUMNS`. `output` is input, nlm or network; input and
  nlm rows have empty model, seed and trained_on, an ensemble's rows an empty seed. Names, conditions
  among them, are strings.
- `history.csv` of one training run: a row an epoch, with `seconds` (of that epoch alone) and `MEASURED`.
- runtimes, published or ours: `RUNTIME_COLUMNS`, a run a row.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

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
OURS = "ours"
PAPER = "CARE paper"


class RuntimeLine(NamedTuple):
    """Seconds per epoch as a line: overhead of an epoch, and time of a step, both in seconds."""

    seconds_per_step: float
    overhead_seconds: float


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


def summarise(scores: pd.DataFrame, by: Sequence[str] = KEYS) -> pd.DataFrame:
    """Mean and sample standard deviation over test volumes.

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
        The columns of `by`; `mean` and `sd` over volumes (n - 1; nan for one volume); `n`, the
        number of test volumes; `seeds`, the number of training runs; `sd_seeds`, the standard
        deviation between runs of their mean over volumes (nan for one run).

    Raises
    ------
    ValueError
        If a column is missing, a value is not a number, a volume has two scores under one name, or
        the runs of a model were not scored on the same volumes.
    """
    scores = _checked(scores)
    by = list(by)
    volumes = scores.groupby([*by, "volume"], sort=False)["value"].mean()
    table = volumes.groupby(by, sort=False).agg(mean="mean", sd="std", n="count")
    runs = scores.groupby([*by, "seed"], sort=False)["value"].mean()
    table = table.join(runs.groupby(by, sort=False).agg(seeds="count", sd_seeds="std"))
    found = scores.groupby(by, sort=False)["value"].count()
    uneven = table.index[found.reindex(table.index) != table["n"] * table["seeds"]]
    if len(uneven):
        row = table.loc[uneven[0]]
        raise ValueError(
            f"scores of {uneven[0]}: expected one value for each of {row['n']:.0f} volumes and "
            f"{row['seeds']:.0f} seeds, found {found.loc[uneven[0]]}; score every run on the same "
            "volumes, once"
        )
    return table.reset_index()


def _checked(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with strings for names, less exact repeats."""
    missing = [column for column in SCORE_COLUMNS if column not in scores.columns]
    if missing:
        raise ValueError(f"scores lack the columns {missing}; found {list(scores.columns)}")
    scores = scores.loc[:, list(SCORE_COLUMNS)].copy()
    names = list(SCORE_COLUMNS[:-1])
    scores[names] = scores[names].astype(object).where(scores[names].notna(), "").astype(str)
    bad = scores[scores["value"].isna()]
    if len(bad):
        raise ValueError(f"{len(bad)} scores are not numbers; the first: {dict(bad.iloc[0])}")
    return scores.drop_duplicates()


def compared_models(scores: pd.DataFrame, study: Mapping[str, Any]) -> list[str]:
    """The models to compare between test sets, in the study's order.

    Those of the studies that vary nothing, and every model scored on a set it was not trained on.
    """
    scored = scores[scores["output"] == "network"]
    chosen = set(scored.loc[scored["trained_on"] != scored["tested_on"], "model"])
    chosen |= {model for each in study["studies"].values() if not each["varies"] for model in each["models"]}
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
        raise ValueError(f"{path}: expected a row an epoch; found {len(history)} rows, and no columns {missing}")
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
        **{name: values.agg(MEASURED[name]) if len(values) else np.nan for name, values in measured.items()},
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
    rows = published["source"].str.startswith(PAPER) & (published["trained_on"] == first["trained_on"])
    if first["source"] == OURS or not rows.any() or line.seconds_per_step <= 0:
        return []
    hours = float(published.loc[rows, "hours"].iloc[0])
    return [PaperPoint(each, implied_steps(hours, each, line), hours * 3600 / each) for each in (200, 100)]
