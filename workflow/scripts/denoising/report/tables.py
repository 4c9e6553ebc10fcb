"""Tables of the study, ours beside the published values, each as CSV and as Markdown.

The CSV holds plain numbers: a metric on a condition is `c1_nrmse_mean`, `c1_nrmse_sd` (over test
volumes), `c1_nrmse_low` and `_high` (95 % bootstrap interval of the mean), where some model was trained
several times `c1_nrmse_sd_seeds` (between its trainings, of their mean over volumes) and, where there is
a reference, `c1_nrmse_percent`; paired differences are `c1_nrmse_difference`, `_low` and `_high`, and a
step's from the one before it `c1_nrmse_change`, `_change_low` and `_change_high`; a published setting
beside ours is `epochs_published`. An ensemble's row follows its model's.
The Markdown merges these into one readable column each. Protocols are never in one block.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from denoising.evaluation.statistics import (
    KEYS,
    MEASURED,
    OURS,
    calibration_scores,
    compared_models,
    comparison_pairs,
    explanation_means,
    group_line,
    implied_for_paper,
    line_groups,
    our_runtimes,
    paired_differences,
    published_runtimes,
    references,
    relative_difference,
    restoration_runtimes,
    settings_of,
    summarise,
    with_ensembles,
)

Study = Mapping[str, Any]

METRICS = ("nrmse", "ssim")
DECIMALS = {"nrmse": 4, "ssim": 4, "psnr": 2, "ece": 4, "inside": 3, "ratio": 3}
CALIBRATION_NOTE = (
    "ECE: expected calibration error, the mean of |observed - nominal| coverage over nominal coverages; 0 is best. "
    "Inside 95 %: share of errors in that interval of the predicted Laplace law. Error / scale: mean absolute error by "
    "mean predicted scale, which is 1 where the scale is right and more where the network is too sure of itself."
)
# Of one metric on one condition, in the order of their columns
VALUES = ("mean", "difference", "sd", "sd_seeds", "low", "high", "percent", "change")
VALUES += ("change_low", "change_high")
METRIC_NAMES = {"psnr": "PSNR", "inside": "inside 95 %", "ratio": "error / scale"}
SETTINGS = ("epochs", "steps_per_epoch", "batch_size")

PROTOCOLS = {
    "paper": "scaled to its 0.1 and 99.9 percentiles; means subtracted, input and "
    "restoration then scaled to the truth by least squares; SSIM with data range 1",
    "study2019": "scaled to its 0.1 and 99.9 percentiles; input scaled to its own 3 and 99.8 "
    "percentiles, restoration to the truth by least squares; NRMSE is the 2019 study's RMSE; SSIM "
    "with data range 2",
}

# CARE paper, supplementary table 3; 2019 study, section 4.3; csbdeep's defaults. The same for all.
PUBLISHED_TRAINING = {
    "learning_rate": 4e-4,
    "schedule": "plateau",
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "plateau_min_delta": 0,
    "width": 32,
    "depth": 2,
    "kernel": 3,
    "residual": True,
    "probabilistic": True,
    "last_activation": "linear",
    "loss": "laplace",
    "split": "tail",
}

# What the 2019 study says of the paper's 30h06, beside its 400 steps per epoch (section 3.5).
STEPS_2019 = 400
SAID_2019 = "the 2019 study says 'around 1800' steps and '10 times more' than its 400"


def replication_table(
    scores: pd.DataFrame,
    study: Study,
    published: pd.DataFrame,
    dataset: str,
    metrics: Sequence[str] = METRICS,
) -> pd.DataFrame:
    """Input, baselines, every model and ensemble tested on `dataset`, ours and published.

    PSNR is left out by default: under the paper protocol it is the NRMSE in decibels.

    Parameters
    ----------
    scores : DataFrame
        This study's scores, a value a row.
    study : mapping
        The resolved study. Of `datasets`, `conditions` (best first) and `published` (the published
        dataset to compare with; by default of the same name; None for none) are read; `models`,
        `ensembles` and `baselines` too.
    published : DataFrame
        `resources/published_scores.csv`, as `statistics.read_tidy` gives it.
    dataset : str
        The test set.
    metrics : sequence of str
        The metrics shown.

    Returns
    -------
    DataFrame
        Columns protocol, method, source, epochs, steps_per_epoch, batch_size, n, seeds, then
        `c<condition>_<metric>_mean`, `_sd`, `_sd_seeds`, `_low` and `_high` (see the module), and note.
        `n` counts test volumes, `seeds` trainings (none for an ensemble).
    """
    ours = _ours(scores, study)
    ours = ours[ours["tested_on"] == dataset]
    theirs = _published(published, study, dataset)
    wanted = theirs["method"].isin([*ours["method"], *study["models"]])
    rows = pd.concat([ours, theirs[wanted | (theirs["study"] == "replication")]])
    names = ["protocol", "method", "source", *SETTINGS, "n", "seeds"]
    table = _wide(rows, names, study["datasets"][dataset]["conditions"], metrics)
    return _sorted(table, study, published)


def generalization_table(
    scores: pd.DataFrame,
    study: Study,
    published: pd.DataFrame,
    metrics: Sequence[str] = METRICS,
) -> pd.DataFrame:
    """Each model on each test set, with its difference from the test organism's own model.

    The reference of a row is the model trained on the tested organism with as many epochs, of the
    same source and protocol, and an ensemble's is an ensemble; `c<condition>_<metric>_percent` is
    the difference in percent of it.

    Parameters
    ----------
    scores, study, published, metrics
        As in `replication_table`. The models are those of `statistics.compared_models`, with their
        ensembles.

    Returns
    -------
    DataFrame
        Columns protocol, tested_on, method, trained_on, source, epochs, steps_per_epoch,
        batch_size, reference, then `_mean`, `_sd`, `_sd_seeds`, `_low`, `_high` and `_percent` by
        condition and metric, and note.
    """
    models = with_ensembles(compared_models(scores, study), study)
    theirs = [_published(published, study, dataset) for dataset in study["datasets"]]
    rows = pd.concat([_ours(scores, study), *theirs])
    rows = _with_reference(rows[rows["method"].isin(models)], models, study["ensembles"])
    names = ["protocol", "tested_on", "method", "trained_on", "source", *SETTINGS, "reference"]
    return _sorted(_wide(rows, names, _conditions(study), metrics), study, published)


def strata_table(
    scores: pd.DataFrame, study: Study, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Scores by stratum of the test volumes, of the datasets that have strata.

    Parameters
    ----------
    scores, study, metrics
        As in `replication_table`. A volume whose name tells no stratum is in the stratum "none".

    Returns
    -------
    DataFrame
        Columns protocol, tested_on, stratum, method, n, seeds, then `_mean`, `_sd`, `_sd_seeds`, `_low`
        and `_high` by condition and metric, and note.
    """
    rows = _ours(scores, study, (*KEYS, "stratum"))
    rows = rows[rows["tested_on"].isin(rows.loc[rows["stratum"] != "", "tested_on"])]
    rows = rows.assign(stratum=rows["stratum"].replace("", "none"))
    names = ["protocol", "tested_on", "stratum", "method", "n", "seeds"]
    return _sorted(
        _wide(rows.sort_values("stratum", kind="stable"), names, _conditions(study), metrics), study
    )


def comparisons_table(
    scores: pd.DataFrame, study: Study, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Paired differences over the same volumes, with 95 % intervals.

    Models are compared with the input and every baseline, those that one study trains on different
    datasets with one another, the models of a sweep with its base, and ensembles with their model.

    Parameters
    ----------
    scores, study, metrics
        As in `replication_table`; of the study `studies` is read too.

    Returns
    -------
    DataFrame
        Columns protocol, tested_on, method, reference, n (test volumes), then
        `c<condition>_<metric>_difference` (method less reference), `_low` and `_high`, and note.
    """
    rows = paired_differences(scores, comparison_pairs(study)).assign(note="")
    rows = rows.replace({"reference": references(study)})
    names = ["protocol", "tested_on", "method", "reference", "n"]
    return _sorted(_wide(rows, names, _conditions(study), metrics), study)


def calibration_table(calibration: pd.DataFrame, study: Study) -> pd.DataFrame:
    """How well the networks know their error, on every test set.

    Parameters
    ----------
    calibration : DataFrame
        As `statistics.read_calibration` gives it.
    study : mapping
        As in `replication_table`.

    Returns
    -------
    DataFrame
        Columns tested_on, method, trained_on, n, seeds, then by condition the mean over volumes, `_sd`,
        `_sd_seeds`, `_low` and `_high` of `ece`, `inside` and `ratio` (see
        `statistics.calibration_scores`), and note.
    """
    rows = _ours(calibration_scores(calibration), study)
    names = ["tested_on", "method", "trained_on", "n", "seeds"]
    return _sorted(_wide(rows, names, _conditions(study), ("ece", "inside", "ratio")), study)


def explanation_table(
    explanation: pd.DataFrame, study: Study, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """From the 2019 study's numbers to the CARE paper's, one change a step.

    Parameters
    ----------
    explanation : DataFrame
        `results/explanation.csv`, as `statistics.read_tidy` gives it.
    study, metrics
        As in `replication_table`.

    Returns
    -------
    DataFrame
        Columns tested_on, method (input or the model), step, label, n, then by condition and metric
        `_mean`, `_sd`, `_low`, `_high`, `_change` (the mean less that of the step before), `_change_low` and
        `_change_high`, and note.
    """
    rows = explanation_means(explanation)
    rows = rows.assign(
        method=rows["model"].where(rows["output"] == "network", rows["output"]), note=""
    )
    names = ["tested_on", "method", "step", "label", "n"]
    return _sorted(_wide(rows, names, _conditions(study), metrics), study)


def restoration_runtimes_table(paths: Iterable[str | Path], study: Study) -> pd.DataFrame:
    """What restoring every test set took, of networks and baselines.

    Parameters
    ----------
    paths, study
        As in `statistics.restoration_runtimes`.

    Returns
    -------
    DataFrame
        Its columns, with the baselines' labels as methods.
    """
    table = restoration_runtimes(paths, study).replace({"method": references(study)})
    return _whole(_sorted(table, study))


def hyperparameters_table(study: Study, published: pd.DataFrame) -> pd.DataFrame:
    """A row a model, a column a setting; `<setting>_published` holds the published value, if any.

    Parameters
    ----------
    study : mapping
        `models` is read: every setting of every model; its seeds are written as 1, 2, 3.
    published : DataFrame
        `resources/published_scores.csv`: a model's epochs, steps per epoch and batch size.

    Returns
    -------
    DataFrame
        Beside the settings `samples`: the patches seen in all epochs, repeats counted.
    """
    known = published[published["source"].str.startswith("2019")]
    known = known.drop_duplicates("model").set_index("model")[list(SETTINGS)]
    rows = []
    for model, settings in study["models"].items():
        theirs = {**PUBLISHED_TRAINING, **known.loc[model]} if model in known.index else {}
        row: dict[str, Any] = {"model": model}
        seen = math.prod(settings[key] for key in SETTINGS)
        written = settings | {"samples": seen, "seeds": ", ".join(map(str, settings["seeds"]))}
        for key, value in sorted(written.items(), key=_leading):
            row[key] = value
            if key in (*PUBLISHED_TRAINING, *SETTINGS):
                row[f"{key}_published"] = theirs.get(key)
        rows.append(row)
    return pd.DataFrame(rows).convert_dtypes()


def runtimes_table(
    histories: Mapping[str, str | Path], study: Study, published: pd.DataFrame
) -> pd.DataFrame:
    """Training time of every run, ours and published, and the speed, memory and energy of ours.

    Parameters
    ----------
    histories : mapping
        Run to the path of its `history.csv`.
    study : mapping
        The resolved study: `models` and `runs` are read.
    published : DataFrame
        `resources/published_runtimes.csv`, as `statistics.read_tidy` gives it.

    Returns
    -------
    DataFrame
        Columns model, seed (where a model has several), source, trained_on, epochs, steps_per_epoch,
        batch_size, hours, seconds_per_epoch (ours: median over epochs; published: hours by epochs),
        `statistics.MEASURED` and note.
    """
    table = pd.concat([our_runtimes(histories, study), published_runtimes(published)])
    names = [
        "model",
        "seed",
        "source",
        "trained_on",
        *SETTINGS,
        "hours",
        "seconds_per_epoch",
        *MEASURED,
        "note",
    ]
    order = list(dict.fromkeys([*study["models"], *published["model"]]))
    rank = table["model"].map(order.index)
    table = table.assign(rank=rank).sort_values("rank", kind="stable")
    return _whole(table.loc[:, names].reset_index(drop=True))


def runtime_lines_table(
    histories: Mapping[str, str | Path], study: Study, published: pd.DataFrame
) -> pd.DataFrame:
    """The lines of training time against steps per epoch, and what they say of the paper's times.

    A line runs through the runs of one source that differ in nothing but steps per epoch. The
    paper's hours are read off the published lines only: ours were drawn on another machine.

    Parameters
    ----------
    histories, study, published
        As in `runtimes_table`.

    Returns
    -------
    DataFrame
        Columns source, trained_on, epochs, batch_size, steps (of the runs), seconds_per_step,
        overhead_seconds (of an epoch), paper_hours, implied_steps_200_epochs,
        implied_steps_100_epochs and note.
    """
    groups = line_groups(published_runtimes(published)) + line_groups(
        our_runtimes(histories, study)
    )
    rows = [_line_row(group, published) for group in groups]
    names = ["source", "trained_on", "epochs", "batch_size", "steps", "seconds_per_step"]
    names += ["overhead_seconds", "paper_hours"]
    names += ["implied_steps_200_epochs", "implied_steps_100_epochs", "note"]
    return _whole(pd.DataFrame(rows, columns=names))


def write_table(
    table: pd.DataFrame, csv_path: str | Path, md_path: str | Path, title: str, note: str
) -> None:
    """Write `table` as plain CSV and as readable Markdown, each complete or not at all.

    A table with a column `protocol` becomes one pipe table a protocol in the Markdown.

    Parameters
    ----------
    table : DataFrame
        Of this module's functions, or any other.
    csv_path, md_path : path
        The files; their folders are made.
    title : str
        The heading of the Markdown, and the last column of the CSV, `study`: the file speaks for itself.
    note : str
        The study's note, under the heading.
    """
    _write(
        Path(csv_path),
        table.assign(study=title).to_csv(index=False, lineterminator="\n", float_format="%.8g"),
    )
    parts = [f"# {title}", *([f"> {note}"] if note else []), *_legend(table)]
    if "protocol" in table.columns:
        for protocol, block in table.groupby("protocol", sort=False):
            meaning = PROTOCOLS.get(protocol)
            parts.append(f"## Protocol {protocol}" + (f"\n\nTruth {meaning}." if meaning else ""))
            parts.append(_pipe_table(block.drop(columns="protocol")))
    else:
        parts.append(_pipe_table(table))
    _write(Path(md_path), "\n\n".join(parts) + "\n")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """`table` as strings for a reader: merged columns, rounded numbers, no empty columns."""
    columns: dict[str, list[str]] = {}
    for name in table.columns:
        if re.search(r"_(sd|sd_seeds|low|high|percent|change|published)$", name):
            continue
        stem, _, end = name.rpartition("_")
        if end in ("mean", "difference"):
            columns[_metric_heading(stem)] = _cells(table, stem)
        elif f"{name}_published" in table.columns:
            columns[_heading(name)] = _beside(table[name], table[f"{name}_published"])
        elif name in SETTINGS and set(SETTINGS) <= set(table.columns) and _has_means(table):
            columns["epochs × steps × batch"] = _training(table)
        else:
            columns[_heading(name)] = [_plain(value) for value in table[name]]
    return pd.DataFrame({name: cells for name, cells in columns.items() if any(cells)})


def _ours(scores: pd.DataFrame, study: Study, by: Sequence[str] = KEYS) -> pd.DataFrame:
    """Our means, a row each, with the settings of each model; an ensemble's are its model's."""
    models, ensembles = study["models"], study["ensembles"]
    table = summarise(scores, by)
    unknown = set(table["model"]) - {*models, *ensembles, ""}
    if unknown:
        raise ValueError(f"scores of {sorted(unknown)}, which the study's models do not name")
    rows = [{"model": name, **settings_of(name, study)} for name in with_ensembles(models, study)]
    table = table.merge(pd.DataFrame(rows, columns=["model", *SETTINGS]), on="model", how="left")
    label = table["output"].map(references(study))
    seeds = table["seeds"].where(table["model"].isin(models))
    told = "mean of {} trainings' restorations; interval over volumes alone"
    notes = {name: told.format(len(models[each]["seeds"])) for name, each in ensembles.items()}
    table = table.assign(
        method=label.fillna(table["model"]), seeds=seeds, note=table["model"].map(notes).fillna("")
    )
    return table.assign(source=OURS, study="")


def _published(published: pd.DataFrame, study: Study, dataset: str) -> pd.DataFrame:
    """The published scores that belong beside `dataset`, named as in `_ours`.

    A published model's name begins with its organism.
    """
    name = study["datasets"][dataset].get("published", dataset)
    rows = published[published["tested_on"] == name]
    label = rows["model"].where(rows["output"] == "network", rows["output"])
    organism = rows["model"].str.split("-").str[0].replace({name: dataset})
    return rows.assign(tested_on=dataset, method=label, trained_on=organism, n=np.nan, seeds=np.nan)


def _with_reference(
    rows: pd.DataFrame, models: list[str], ensembles: Iterable[str]
) -> pd.DataFrame:
    """Add `reference` and `percent`: the difference from the tested organism's own model or ensemble."""
    rows = rows.assign(
        family=rows["source"].str.split(",").str[0], ensemble=rows["method"].isin(ensembles)
    )
    alike = ["family", "ensemble", "protocol", "tested_on", "epochs", "condition", "metric"]
    own = rows[rows["trained_on"] == rows["tested_on"]].dropna(subset=["epochs"])
    own = own.sort_values("method", key=lambda names: names.map(models.index), kind="stable")
    own = own.drop_duplicates(alike)[[*alike, "method", "mean"]]
    own = own.rename(columns={"method": "reference", "mean": "reference_mean"})
    rows = rows.merge(own, on=alike, how="left")
    cross = rows["trained_on"] != rows["tested_on"]
    percent = relative_difference(rows["mean"], rows["reference_mean"])
    return rows.assign(
        reference=rows["reference"].where(cross).fillna(""), percent=percent.where(cross)
    )


def _conditions(study: Study) -> list[str]:
    """The conditions of all datasets, best first."""
    return list(
        dict.fromkeys(
            name for dataset in study["datasets"].values() for name in dataset["conditions"]
        )
    )


def _wide(
    rows: pd.DataFrame, names: list[str], conditions: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """One row for each set of `names`; what `VALUES` names stands side by side."""
    values = [name for name in VALUES if name in rows.columns]
    values = [name for name in values if name != "sd_seeds" or rows[name].notna().any()]
    names = [*names, "note"]
    table = rows[names].drop_duplicates().reset_index(drop=True)
    for metric in metrics:
        for condition in conditions:
            one = rows[(rows["metric"] == metric) & (rows["condition"] == condition)]
            one = one[[*names, *values]].rename(
                columns={name: f"{_short(condition)}_{metric}_{name}" for name in values}
            )
            table = table.merge(one, on=names, how="left", validate="one_to_one")
    table = table.dropna(
        how="all", subset=[name for name in table if name.endswith(("_mean", "_difference"))]
    )
    return _whole(table[[name for name in table if name != "note"] + ["note"]])


def _sorted(
    table: pd.DataFrame, study: Study, published: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Order by protocol, test set, stratum, method (references, then models), ours before published."""
    known = [*references(study).values(), *with_ensembles(study["models"], study)]
    known += [] if published is None else list(published["model"].unique())
    ranks = {
        "protocol": list(PROTOCOLS),
        "tested_on": list(study["datasets"]),
        "stratum": sorted(set(table["stratum"])) if "stratum" in table else [],
        "method": list(dict.fromkeys(known)),
        "source": [OURS],
    }
    keys = pd.DataFrame(
        {
            name: table[name].map({value: i for i, value in enumerate(order)}).fillna(len(order))
            for name, order in ranks.items()
            if name in table.columns
        }
    )
    order = keys.sort_values(list(keys.columns), kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _line_row(group: pd.DataFrame, published: pd.DataFrame) -> dict[str, Any]:
    """One row of `runtime_lines_table`."""
    line = group_line(group)
    first = group.iloc[0]
    row = {
        **first[["source", "trained_on", "epochs", "batch_size"]],
        "steps": ", ".join(f"{steps:g}" for steps in sorted(group["steps_per_epoch"].unique())),
        **line._asdict(),
        "note": "",
    }
    points = implied_for_paper(group, published)
    if not points:
        return row
    row["paper_hours"] = points[0].seconds * points[0].epochs / 3600
    row |= {f"implied_steps_{each.epochs}_epochs": round(each.steps) for each in points}
    times = [
        f"{each.steps / STEPS_2019:.1f} times {STEPS_2019} at {each.epochs} epochs"
        for each in points
    ]
    said = f"; {SAID_2019}" if row["trained_on"] == "planaria" else ""
    row["note"] = f"implied: {', '.join(times)}{said}"
    return row


def _leading(setting: tuple[str, Any]) -> int:
    """Sort key: what the studies vary comes first."""
    first = ("trained_on", *SETTINGS, "samples", "seeds", "learning_rate")
    return first.index(setting[0]) if setting[0] in first else len(first)


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, missing ones left empty."""
    known = (*SETTINGS, "n", "seeds", "seed", "step", "threads", "voxels")
    counts = [name for name in table if name in known or "steps_" in name]
    counts = [name for name in counts if name != "seconds_per_step"]
    return table.astype(dict.fromkeys(counts, "Int64"))


def _short(condition: str) -> str:
    """A condition in a column's name: c1 for condition 1."""
    return f"c{condition}" if condition.isdigit() else condition


def _heading(name: str) -> str:
    """A column's name for a reader."""
    units = {
        "hours": "time (h)",
        "seconds_per_epoch": "time per epoch (s)",
        "seconds_per_step": "time per step (s)",
        "overhead_seconds": "overhead per epoch (s)",
        "paper_hours": "paper's time (h)",
        "seconds": "time (s)",
        "seconds_per_million_voxels": "time per million voxels (s)",
        "strength": "tuned strength",
        "unit": "unit of strength",
        "n": "test volumes",
        "samples": "patches seen",
        "samples_per_second": "patches per second",
        "voxels_per_second": "voxels per second",
        "teraflop": "arithmetic (TFLOP)",
        "matmul_share": "share of measured matmul rate",
        "host_memory_mb": "host memory (MB)",
        "device_memory_mb": "device memory (MB)",
        "gpu_energy_kj": "GPU energy (kJ)",
    }
    return units.get(name, name.replace("_", " "))


def _metric_heading(stem: str) -> str:
    """`c1_nrmse` as NRMSE C1; PSNR with its unit."""
    condition, _, metric = stem.rpartition("_")
    condition = condition.upper() if re.fullmatch(r"c\d+", condition) else condition
    return f"{METRIC_NAMES.get(metric, metric.upper())} {condition}" + (
        " (dB)" if metric == "psnr" else ""
    )


def _has_means(table: pd.DataFrame) -> bool:
    return any(name.endswith("_mean") for name in table.columns)


def _any_value(table: pd.DataFrame, ending: str) -> bool:
    return any(table[name].notna().any() for name in table.columns if name.endswith(ending))


def _cells(table: pd.DataFrame, stem: str) -> list[str]:
    """Mean or difference of one metric on one condition, and what is known of it, as text."""
    digits = DECIMALS.get(stem.rpartition("_")[2], 4)
    empty = pd.Series(np.nan, index=table.index)
    columns = {name: table.get(f"{stem}_{name}", empty) for name in VALUES}
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [
        _cell({name: value for name, value in row.items() if not pd.isna(value)}, digits)
        for row in rows
    ]


def _cell(known: Mapping[str, float], digits: int) -> str:
    """The values of one cell: 0.0400 ± 0.0057 [± 0.0141] (+25.0 %); 0.0343 to 0.0457."""
    sign = "+" if "difference" in known else ""
    change = known.get("change")
    cell = f"{known['mean']:.{digits}f}" if "mean" in known else ""
    cell += f"{known['difference']:+.{digits}f}" if "difference" in known else ""
    cell += f" ± {known['sd']:.{digits}f}" if "sd" in known else ""
    cell += f" [± {known['sd_seeds']:.{digits}f}]" if "sd_seeds" in known else ""
    cell += f" ({known['percent']:+.1f} %)" if "percent" in known else ""
    if "change_low" in known and change:
        cell += f" ({change:+.{digits}f}; {known['change_low']:+.{digits}f} to {known['change_high']:+.{digits}f})"
    elif change is not None:
        cell += f" ({change:+.{digits}f})" if change else " (0)"
    return cell + (
        f"; {known['low']:{sign}.{digits}f} to {known['high']:{sign}.{digits}f}"
        if "low" in known
        else ""
    )


def _beside(ours: pd.Series, theirs: pd.Series) -> list[str]:
    """Our values, the published ones in brackets where they differ."""
    cells = []
    for mine, other in zip(ours, theirs, strict=True):
        same = pd.isna(other) or mine == other
        cells.append(_plain(mine) if same else f"{_plain(mine)} ({_plain(other)})")
    return cells


def _training(table: pd.DataFrame) -> list[str]:
    """Epochs, steps per epoch and batch size of each row in one cell."""
    rows = [[_plain(value) for value in row] for row in table[list(SETTINGS)].to_numpy(object)]
    return [" × ".join(cell or "?" for cell in row) if any(row) else "" for row in rows]


def _plain(value: Any) -> str:
    """One value as text: four digits, nothing for nothing."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating) and not float(value).is_integer():
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    if isinstance(value, int | float | np.integer | np.floating):
        return f"{int(value)}"
    return str(value)


def _legend(table: pd.DataFrame) -> list[str]:
    """How to read the merged columns."""
    lines = []
    if _has_means(table):
        lines.append("Mean ± sample standard deviation over test volumes.")
    if _any_value(table, "_difference"):
        lines.append("Mean difference, method less reference, over the same test volumes.")
    if _any_value(table, "_low"):
        lines.append(
            "After the semicolon: its 95 % bootstrap interval over test volumes, and over a model's trainings"
        )
        lines.append(
            "where there are several. Of one training, or of an ensemble, it is over volumes alone, and does"
        )
        lines.append(
            "not tell how other trainings would score; of two trainings, or of two volumes, it is very wide."
        )
    if _any_value(table, "_sd_seeds"):
        lines.append(
            "In square brackets: that between a model's trainings, of their means over test volumes."
        )
    if _any_value(table, "_percent"):
        lines.append("In round brackets: difference from the reference model, in percent of it.")
    if _any_value(table, "_change"):
        lines.append(
            "In round brackets: change from the step before, and its interval over the same test volumes."
        )
    if "strength" in table:
        lines.append(
            "Reading and writing count. Strengths tuned in voxels, or in standard deviations of the noise."
        )
    if _any_value(table, "_ece_mean"):
        lines.append(CALIBRATION_NOTE)
    if _any_value(table, "_published"):
        lines.append("In brackets: the published value, where it differs.")
    return [" ".join(lines)] if lines else []


def _pipe_table(table: pd.DataFrame) -> str:
    """A Markdown pipe table of `readable(table)`."""
    text = readable(table)
    text = text.map(lambda cell: cell.replace("|", r"\|"))
    return text.to_markdown(index=False, disable_numparse=True)


def _write(path: Path, text: str) -> None:
    """Write a file whole: to a neighbour first, then in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
