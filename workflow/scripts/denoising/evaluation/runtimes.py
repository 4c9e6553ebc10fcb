"""Runtimes of trainings and restorations, and training time as a line over steps per epoch.

Formats read here:

- `history.csv` of a run: a row per epoch, with `seconds` (of that epoch alone) and `MEASURED`.
- `training.json` of a run: `EXECUTION` among others.
- The runtime of a method's restorations of a test set, JSON: method (a run or a baseline), dataset,
  seconds, voxels, threads, device. A tuned baseline adds strength and its unit (voxels, or noise:
  standard deviations of the estimated noise).
- Runtimes of trainings, published or ours: `RUNTIME_COLUMNS`, a run per row.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from denoising.evaluation.scores import OURS
from denoising.study.study import Study

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
# Columns of a history on speed, memory and energy, and how a run's epochs become one number
MEASURED = {
    "samples_per_second": "median",
    "voxels_per_second": "median",
    "teraflop": "sum",
    "matmul_share": "median",
    "host_memory_mb": "max",
    "device_memory_mb": "max",
    "gpu_energy_kj": "sum",
}
# Keys of `training.json` that say how a training was carried out
EXECUTION = ("device", "precision", "restarts")
RESTORATION_COLUMNS = (
    "tested_on",
    "method",
    "seed",
    "device",
    "threads",
    "voxels",
    "seconds",
    "seconds_per_million_voxels",
    "strength",
    "unit",
)
PAPER = "CARE paper"
PAPER_EPOCHS = (200, 100)  # the paper does not say which its hours are of
# The 2019 study on the paper's steps per epoch, beside its own (section 3.5)
STEPS_2019 = 400
PAPER_STEPS_SAID = 1800
SAID_2019 = (
    f"the 2019 study says 'around {PAPER_STEPS_SAID}' steps and '10 times more' than its "
    f"{STEPS_2019}"
)
FEWEST_POINTS = 3  # of a line: two points are always on one


class RuntimeLine(NamedTuple):
    """Seconds per epoch as a line: overhead of an epoch, and time of a step, both in seconds."""

    seconds_per_step: float
    overhead_seconds: float


class PaperPoint(NamedTuple):
    """Where a line reaches the CARE paper's hours, if those were `epochs` epochs."""

    epochs: int
    steps: float
    hours: float


def our_runtimes(histories: Mapping[str, str | Path], study: Study) -> pd.DataFrame:
    """Training times of this study's runs, in their order, with their speed, memory and energy.

    Parameters
    ----------
    histories : mapping
        Run to the path of its `history.csv`.

    Returns
    -------
    DataFrame
        `RUNTIME_COLUMNS`, `seed` (nan for the only run of a model) and `MEASURED` (nan where
        nothing was measured). `epochs` are those trained; `hours` is the sum over epochs;
        `seconds_per_epoch` is the median, so that the start-up in the first epoch does not count as
        time of a step.

    Raises
    ------
    ValueError
        If a history is of a run that the study does not name, or lacks a column or its epochs.
    """
    unknown = [run for run in histories if run not in study.runs]
    if unknown:
        raise ValueError(f"histories of {unknown}, which the study's runs do not name")
    rows = [_our_runtime(run, study, histories[run]) for run in study.runs if run in histories]
    return pd.DataFrame(rows, columns=[*RUNTIME_COLUMNS, "seed", *MEASURED])


def _our_runtime(run: str, study: Study, path: str | Path) -> dict[str, Any]:
    """One run's row of `our_runtimes`."""
    history = pd.read_csv(path)
    missing = [column for column in ("seconds", *MEASURED) if column not in history]
    if missing or not len(history):
        raise ValueError(
            f"{path}: expected a row per epoch; found {len(history)} rows, and no columns {missing}"
        )
    model = study.models[study.runs[run].model]
    measured = {column: history[column].dropna() for column in MEASURED}
    if history["gpu_energy_kj"].isna().any():  # a sum without an epoch would be too small
        measured["gpu_energy_kj"] = history["gpu_energy_kj"].iloc[:0]
    return {
        "source": OURS,
        "model": model.name,
        "trained_on": model.trained_on,
        "epochs": len(history),
        "batch_size": model.training.batch_size,
        "steps_per_epoch": model.training.steps_per_epoch,
        "hours": history["seconds"].sum() / 3600,
        "seconds_per_epoch": history["seconds"].median(),
        "note": "",
        "seed": _shown_seed(run, study),
        **{
            name: values.agg(MEASURED[name]) if len(values) else np.nan
            for name, values in measured.items()
        },
    }


def read_executions(records: Mapping[str, str | Path]) -> pd.DataFrame:
    """How trainings were carried out: what each `auto` of the config came to.

    Parameters
    ----------
    records : mapping
        Run to the path of its `training.json`.

    Returns
    -------
    DataFrame
        `EXECUTION`, indexed by run.
    """
    rows = {}
    for run, path in records.items():
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        rows[run] = {name: record[name] for name in EXECUTION}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(EXECUTION))


def mixed_sweeps(executions: pd.DataFrame, study: Study) -> list[str]:
    """A sentence per sweep whose models were trained on several devices or in several precisions.

    Such a sweep compares these, too. Numbers of CPU threads, which change rounding alone, do not
    count.

    Parameters
    ----------
    executions : DataFrame
        As `read_executions` returns it.
    study : Study
    """
    devices = executions["device"].str.replace(r"^CPU, \d+ threads$", "CPU", regex=True)
    sentences = []
    for sweep in study.sweeps.values():
        runs = [run for model in sweep.all_models for run in study.models[model].run_seeds]
        kinds = sorted(set(devices[runs] + " in " + executions.loc[runs, "precision"]))
        if len(kinds) > 1:
            sentences.append(
                f"The models of {sweep.name} were not trained alike: {'; '.join(kinds)}. Their "
                "differences may be those of the devices."
            )
    return sentences


def _shown_seed(run: str, study: Study) -> float:
    """The seed of a run; nan for the only run of a model."""
    several = len(study.models[study.runs[run].model].seeds) > 1
    return study.runs[run].seed if several else np.nan


def restoration_runtimes(paths: Iterable[str | Path], study: Study) -> pd.DataFrame:
    """The time that restoring the test sets took each run and baseline.

    Parameters
    ----------
    paths : iterable of path
        The runtimes' JSON files (see the module).

    Returns
    -------
    DataFrame
        `RESTORATION_COLUMNS`: `method` is a model or a baseline's name, `seed` is nan for the only
        run of a model, `voxels` are those of all volumes restored, `strength` is nan where none was
        tuned.

    Raises
    ------
    ValueError
        If a file lacks a value or names a method that the study does not.
    """
    rows = [_restoration_runtime(path, study) for path in paths]
    return pd.DataFrame(rows, columns=list(RESTORATION_COLUMNS))


def _restoration_runtime(path: str | Path, study: Study) -> dict[str, Any]:
    """One row of `restoration_runtimes`."""
    record = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = {"method", "dataset", "seconds", "voxels", "threads", "device"} - set(record)
    if missing:
        raise ValueError(f"{path}: a restoration's runtime lacks {sorted(missing)}; restore again")
    method = record["method"]
    is_run = method in study.runs
    if not is_run and method not in study.baselines:
        raise ValueError(
            f"{path}: runtime of {method}, which is no run and no baseline of the study; "
            "delete the file"
        )
    return {
        "tested_on": record["dataset"],
        "method": study.runs[method].model if is_run else method,
        "seed": _shown_seed(method, study) if is_run else np.nan,
        **{name: record[name] for name in ("device", "threads", "voxels", "seconds")},
        "seconds_per_million_voxels": record["seconds"] / record["voxels"] * 1e6,
        "strength": record.get("strength", np.nan),
        "unit": record.get("unit", ""),
    }


def line_groups(runtimes: pd.DataFrame) -> list[pd.DataFrame]:
    """Runs alike in all but steps per epoch, at `FEWEST_POINTS` of these or more: one per line."""
    alike = ["source", "trained_on", "epochs", "batch_size"]
    known = runtimes.dropna(subset=["steps_per_epoch", "seconds_per_epoch"])
    groups = [group for _, group in known.groupby(alike)]
    return [group for group in groups if group["steps_per_epoch"].nunique() >= FEWEST_POINTS]


def group_line(group: pd.DataFrame) -> RuntimeLine:
    """Fit seconds per epoch = overhead + steps per epoch x seconds per step, by least squares.

    Parameters
    ----------
    group : DataFrame
        One of `line_groups`: steps_per_epoch and seconds_per_epoch.

    Raises
    ------
    ValueError
        For fewer than `FEWEST_POINTS` different numbers of steps.
    """
    steps = group["steps_per_epoch"].to_numpy(float)
    if len(np.unique(steps)) < FEWEST_POINTS:
        raise ValueError(
            f"a line needs runs at {FEWEST_POINTS} numbers of steps per epoch, found {steps}"
        )
    return fitted_line(group["steps_per_epoch"], group["seconds_per_epoch"])


def fitted_line(steps: pd.Series, seconds: pd.Series) -> RuntimeLine:
    """The line of least squares through seconds per epoch against steps per epoch."""
    slope, overhead = np.polyfit(steps.to_numpy(float), seconds.to_numpy(float), 1)
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


def implied_for_paper(group: pd.DataFrame, published: pd.DataFrame) -> list[PaperPoint]:
    """The steps per epoch that a published line implies for the CARE paper's hours.

    One point for each of `PAPER_EPOCHS`. Empty for our own lines, which another machine drew, and
    where the paper gives no hours for the group's dataset.
    """
    first = group.iloc[0]
    line = group_line(group)
    hours = paper_hours(published, first["trained_on"])
    if first["source"] == OURS or np.isnan(hours) or line.seconds_per_step <= 0:
        return []
    return [
        PaperPoint(epochs, implied_steps(hours, epochs, line), hours) for epochs in PAPER_EPOCHS
    ]


def paper_hours(published: pd.DataFrame, trained_on: str) -> float:
    """The CARE paper's hours of training on an organism; nan where it gives none."""
    is_paper = published["source"].str.startswith(PAPER)
    hours = published.loc[is_paper & (published["trained_on"] == trained_on), "hours"]
    return float(hours.iloc[0]) if len(hours) else np.nan
