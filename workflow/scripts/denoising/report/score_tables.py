"""Tables of scores: a row per method, metrics and conditions side by side.

The CSV holds plain numbers: a metric on a condition is `c1_nrmse_mean`, `c1_nrmse_sd` (over test
volumes), `c1_nrmse_low` and `_high` (95 % interval of the mean). Where a model was trained several
times `c1_nrmse_sd_seeds` is the spread between its trainings, of their mean over volumes; where
there is a reference, `c1_nrmse_percent` is the difference from it. Paired differences are
`c1_nrmse_difference`, `_low` and `_high`; a step's from the one before it `c1_nrmse_change`,
`_change_low` and `_change_high`. The Markdown shows means and differences with their intervals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from denoising.evaluation.comparisons import relative_difference
from denoising.evaluation.scores import KEYS, OURS, references, summarise
from denoising.report.markdown import Section, both_values, estimate, plain
from denoising.study.metrics import METRICS, PROTOCOLS, TABULATED
from denoising.study.names import TWO_TRAININGS
from denoising.study.study import Dataset, Study

# The values of one metric on one condition, in the order of their columns
VALUES: tuple[str, ...] = (
    "mean",
    "difference",
    "sd",
    "sd_seeds",
    "low",
    "high",
    "percent",
    "change",
)
VALUES += ("change_low", "change_high")
SETTINGS = ("epochs", "steps_per_epoch", "batch_size")
BETTER = "Mean over test volumes; NRMSE: lower is better, SSIM and PSNR: higher."
BEST = "Bold: the best of our rows in a column."
NETWORKS = "Rows with epochs × steps × batch are networks, under the names of their models."
PUBLISHED_SPREAD = "±: published standard deviation over test volumes."
TWO_VOLUMES = (
    "Two test volumes have no interval: brackets with a comma hold the two values of a mean, and a "
    "difference stands alone."
)
COUNTS = (*SETTINGS, "n", "seeds", "seed", "step", "threads", "voxels")
TRAINING = "epochs × steps × batch"


@dataclass(frozen=True)
class Shown:
    """How cells of a Markdown table are made.

    `statistic` is "mean", "difference" or "change", the ending of the columns shown; `low` and
    `high` are those of its interval. `decimals` are added to those of the metric. The best of our
    rows in a column is bold unless `best` is false.
    """

    statistic: str = "mean"
    low: str = "low"
    high: str = "high"
    sign: str = ""
    decimals: int = 0
    best: bool = False


MEAN = Shown()
MEAN_AND_BEST = Shown(best=True)
DIFFERENCE = Shown("difference", sign="+", decimals=1)
CHANGE = Shown("change", "change_low", "change_high", sign="+")


def our_means(scores: pd.DataFrame, study: Study, by: Sequence[str] = KEYS) -> pd.DataFrame:
    """Our means, a row each, with the settings of each model; an ensemble has its model's.

    Returns
    -------
    DataFrame
        The columns of `scores.summarise`, `SETTINGS`, method, source and note. `seeds`
        counts trainings (nan for an ensemble).

    Raises
    ------
    ValueError
        If the study has no model of a name.
    """
    table = summarise(scores, by)
    unknown = set(table["model"]) - {*study.models, *study.ensembles, ""}
    if unknown:
        raise ValueError(f"scores of {sorted(unknown)}, which the study's models do not name")
    names = study.with_ensembles(study.models)
    rows = [[name, *(getattr(study.training_of(name), key) for key in SETTINGS)] for name in names]
    settings = pd.DataFrame(rows, columns=["model", *SETTINGS])
    table = table.merge(settings, on="model", how="left")
    notes = {
        name: f"mean of {len(study.models[model].seeds)} trainings' restorations; interval over "
        "volumes alone"
        for name, model in study.ensembles.items()
    }
    return table.assign(
        method=table["output"].map(references(study)).fillna(table["model"]),
        seeds=table["seeds"].where(table["model"].isin(study.models)),
        note=table["model"].map(notes).fillna(""),
        source=OURS,
    )


def with_reference(rows: pd.DataFrame, methods: Sequence[str], study: Study) -> pd.DataFrame:
    """Add `reference` and `percent`: the difference from the tested organism's own model.

    That is the first of `methods` with as many epochs, of the same source; an ensemble's is an
    ensemble.
    """
    is_ensemble = rows["method"].isin(study.ensembles)
    rows = rows.assign(family=rows["source"].str.split(",").str[0], ensemble=is_ensemble)
    alike = ["family", "ensemble", "protocol", "tested_on", "epochs", "condition", "metric"]
    own = rows[rows["trained_on"] == rows["tested_on"]].dropna(subset=["epochs"])
    rank = {method: i for i, method in reversed(list(enumerate(methods)))}
    own = own.sort_values("method", key=lambda names: names.map(rank), kind="stable")
    own = own.drop_duplicates(alike)[[*alike, "method", "mean"]]
    own = own.rename(columns={"method": "reference", "mean": "reference_mean"})
    rows = rows.merge(own, on=alike, how="left")
    is_crossed = rows["trained_on"] != rows["tested_on"]
    percent = relative_difference(rows["mean"], rows["reference_mean"])
    return rows.assign(
        reference=rows["reference"].where(is_crossed).fillna(""),
        percent=percent.where(is_crossed),
    )


def wide(
    rows: pd.DataFrame,
    names: Sequence[str],
    conditions: Iterable[str],
    metrics: Sequence[str] = TABULATED,
) -> pd.DataFrame:
    """One row for each set of `names`; the columns of `VALUES` stand side by side."""
    values = [name for name in VALUES if name in rows.columns]
    values = [name for name in values if name != "sd_seeds" or rows[name].notna().any()]
    names = [*names, "note"]
    conditions = list(conditions)
    table = rows[names].drop_duplicates().reset_index(drop=True)
    for metric in metrics:
        for condition in conditions:
            one = rows[(rows["metric"] == metric) & (rows["condition"] == condition)]
            renamed = {name: f"{stem(condition, metric)}_{name}" for name in values}
            one = one[[*names, *values]].rename(columns=renamed)
            table = table.merge(one, on=names, how="left", validate="one_to_one")
    shown = [name for name in table if name.endswith(("_mean", "_difference"))]
    table = table.dropna(how="all", subset=shown)
    return whole(table[[name for name in table if name != "note"] + ["note"]])


def stem(condition: str, metric: str) -> str:
    """How the columns of a metric on a condition begin: c1_nrmse for condition 1."""
    return f"c{condition}_{metric}" if condition.isdigit() else f"{condition}_{metric}"


def all_conditions(study: Study) -> list[str]:
    """The conditions of all datasets, the cleanest first."""
    names = [name for dataset in study.datasets.values() for name in dataset.condition_names]
    return list(dict.fromkeys(names))


def in_order(
    table: pd.DataFrame, study: Study, published: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Order by protocol, test set, stratum, method (references, then models), ours first."""
    known = [*references(study).values(), *study.with_ensembles(study.models)]
    known += [] if published is None else list(published["model"].unique())
    ranks = {
        "protocol": list(PROTOCOLS),
        "tested_on": list(study.datasets),
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


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, missing ones left empty."""
    counts = [name for name in table if name in COUNTS or name.startswith("implied_steps_")]
    return table.astype(dict.fromkeys(counts, "Int64"))


def sections(
    table: pd.DataFrame,
    study: Study,
    metrics: Sequence[str] = TABULATED,
    shown: Shown = MEAN_AND_BEST,
    tested_on: str | None = None,
) -> list[Section]:
    """A `wide` table for a reader: a section per protocol and test set, the best of ours bold.

    `tested_on` is the test set of a table without such a column.
    """
    blocks = table.assign(tested_on=tested_on) if tested_on else table
    blocks = blocks if "protocol" in blocks else blocks.assign(protocol="")
    parts = []
    for (protocol, name), block in blocks.groupby(["protocol", "tested_on"], sort=False):
        dataset = study.datasets[name]
        title = f"Protocol {protocol}, test volumes of {dataset.label}"
        title = title if protocol else f"Test volumes of {dataset.label}"
        cells = for_reader(block, dataset, metrics, shown)
        parts.append(Section(cells, title, PROTOCOLS[protocol].description if protocol else ""))
    return parts


def for_reader(
    block: pd.DataFrame, dataset: Dataset, metrics: Sequence[str], shown: Shown
) -> pd.DataFrame:
    """Rows of one test set as text: names, then a column per metric and condition, then notes."""
    columns: dict[str, Sequence] = {}
    hidden = {"protocol", "tested_on", "n", "note", *SETTINGS}
    hidden |= set() if "seeds" in block and (block["seeds"] > 1).any() else {"seeds"}
    endings = tuple(f"_{value}" for value in VALUES)
    for name in block:
        if name == SETTINGS[0]:
            columns[TRAINING] = _trainings(block)
        elif name not in hidden and not name.endswith(endings):
            columns[name] = block[name]
    for metric in metrics:
        for condition in dataset.condition_names:
            start = stem(condition, metric)
            if f"{start}_{shown.statistic}" in block:
                label = f"{METRICS[metric].label}, {dataset.condition_label(condition)}"
                columns[label] = _cells(block, start, metric, shown)
    return pd.DataFrame(columns | {"note": block["note"]})


def verdict_cells(verdicts: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The verdicts as text: test set, network, NRMSE beside the input's and the best filter's."""
    leads = zip(verdicts["lead"], verdicts["low"], verdicts["high"], strict=True)
    filters = verdicts["best_filter"].map(references(study))
    best = [
        f"{value:.4f} ({name})" if pd.notna(value) else ""
        for name, value in zip(filters, verdicts["filter_nrmse"], strict=True)
    ]
    columns: dict[str, Sequence] = {
        "tested on": [study.datasets[name].label for name in verdicts["tested_on"]],
        "network": verdicts["method"],
        "NRMSE": verdicts["nrmse"].map("{:.4f}".format),
        "input": verdicts["input_nrmse"].map("{:.4f}".format),
        "best filter": best,
        "lead": [estimate(lead, low, high, "+.4f") for lead, low, high in leads],
        "finding": verdicts["finding"],
    }
    return pd.DataFrame(columns)


def condition_cells(
    rows: pd.DataFrame, study: Study, place: tuple[str, str], metrics: Sequence[str], shown: Shown
) -> pd.DataFrame:
    """`our_means` on one test set in one condition, the `place`, as text: a column per metric."""
    tested_on, condition = place
    chosen = rows[(rows["tested_on"] == tested_on) & (rows["condition"] == condition)]
    names = ["tested_on", "method", "n", "seeds"]
    block = in_order(wide(chosen, names, [condition], metrics), study)
    dataset = study.datasets[tested_on]
    cells = for_reader(block, dataset, metrics, shown)
    ending = f", {dataset.condition_label(condition)}"
    return cells.rename(columns=lambda name: name.removesuffix(ending))


def _cells(block: pd.DataFrame, start: str, metric: str, shown: Shown) -> list[str]:
    """One metric on one condition, each value with its interval; the best mean of ours is bold."""
    form = f"{shown.sign}.{METRICS[metric].decimals + shown.decimals}f"
    empty = pd.Series(np.nan, index=block.index)
    values = block[f"{start}_{shown.statistic}"]
    low, high = (
        block.get(f"{start}_{end}", empty).where(_has_interval(block))
        for end in (shown.low, shown.high)
    )
    rows = zip(values, low, high, strict=True)
    cells = [estimate(value, least, most, form) for value, least, most in rows]
    if shown.statistic == "mean" and "n" in block:
        pairs = zip(
            cells, values, block[f"{start}_sd"], (block["n"] == 2).fillna(False), strict=True
        )
        cells = [both_values(mean, sd, form) if two else cell for cell, mean, sd, two in pairs]
    if "source" in block:
        spread = block[f"{start}_sd"].where(block["source"] != OURS)
        cells = [
            cell if pd.isna(sd) else f"{cell} ± {sd:{form}}"
            for cell, sd in zip(cells, spread, strict=True)
        ]
    if f"{start}_percent" in block:
        changes = zip(cells, block[f"{start}_percent"], strict=True)
        cells = [cell if pd.isna(p) else f"{cell} [{p:+.0f} %]" for cell, p in changes]
    ours = values[block["source"] == OURS] if "source" in block else values
    if not shown.best or ours.dropna().empty:
        return cells
    best = _distance(ours, METRICS[metric].best).dropna().idxmin()
    return [
        f"**{cell}**" if index == best else cell
        for index, cell in zip(block.index, cells, strict=True)
    ]


def _has_interval(block: pd.DataFrame) -> pd.Series:
    """Whether an interval says anything: that of two volumes or of two trainings does not."""
    several = pd.Series(True, index=block.index)
    if "n" in block:
        several &= (block["n"] > 2).fillna(False)
    if "seeds" in block:
        several &= (block["seeds"] != 2).fillna(True)
    return several


def _distance(values: pd.Series, best: str | float) -> pd.Series:
    """How far values are from the best one: the least is best."""
    if best == "low":
        return values
    if best == "high":
        return -values
    return (values - best).abs()


def _trainings(block: pd.DataFrame) -> list[str]:
    """Epochs, steps per epoch and batch size of each row in one cell."""
    rows = [[plain(value) for value in row] for row in block[list(SETTINGS)].to_numpy(object)]
    return [" × ".join(cell or "?" for cell in row) if any(row) else "" for row in rows]


def ssim_by_plane(scores: pd.DataFrame, study: Study) -> list[str]:
    """A line that names the test sets of stacks whose SSIM is that of their planes, if any.

    `scores` are tidy, with the column `window` if they are this study's.
    """
    if "window" not in scores:
        return []
    by_plane = set(scores.loc[scores["window"].eq("7x7"), "tested_on"])
    thin = [
        dataset.label
        for name, dataset in study.datasets.items()
        if dataset.axes == "ZYX" and name in by_plane
    ]
    if not thin:
        return []
    return [
        f"SSIM by plane ({', '.join(thin)}): the mean over planes, in windows of 7 x 7, because a"
        " test stack has fewer than 7 planes. NRMSE and PSNR are those of the stacks."
    ]


def volume_counts(rows: pd.DataFrame, study: Study) -> dict[str, int]:
    """The number of test volumes in `rows`, by the label of the test set."""
    counts = rows.groupby("tested_on")["n"].max()
    return {
        dataset.label: int(counts[name])
        for name, dataset in study.datasets.items()
        if name in counts
    }


def legend(study: Study, volumes: Mapping[str, int], over_trainings: bool = True) -> list[str]:
    """How to read means with intervals, over this number of test volumes per test set.

    `over_trainings` is false for a table of single trainings, which are not compared.
    """
    seeds = [len(model.seeds) for model in study.models.values()]
    counts = ", ".join(f"{name} {count}" for name, count in volumes.items())
    lines = [f"Test volumes: {counts}."]
    if 1 in volumes.values():
        lines.append("1 test volume: no spread.")
    if max(volumes.values(), default=1) > 2:
        over = (
            " and, where a model has several, trainings"
            if max(seeds) > 1 and over_trainings
            else ""
        )
        lines.append(f"In brackets: 95 % interval (Student's t) over test volumes{over}.")
    if 2 in volumes.values():
        lines.append(TWO_VOLUMES)
    if 2 in seeds:
        lines.append("Two trainings have no interval.")
    if study.trains_once and over_trainings:
        lines.append(TWO_TRAININGS)
    return lines
