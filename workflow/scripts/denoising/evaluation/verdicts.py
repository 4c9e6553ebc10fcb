"""Networks beside their input and the filters: what the scores say, in one sentence each.

A sentence holds for one model or ensemble on one test set, under the study's first protocol. It
counts means over test volumes: of NRMSE and of SSIM, in every condition. The NRMSE that it gives is
the mean over conditions, and its lead and interval are those of each volume's mean over conditions.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from denoising.evaluation import columns
from denoising.evaluation.leads import leads, over_filters, smallest_leads
from denoising.running.names import first_of
from denoising.study.baselines import BASELINES
from denoising.study.metrics import METRICS
from denoising.study.names import INPUT
from denoising.study.networks import trained_on_label
from denoising.study.study import Study

COLUMNS = (
    "tested_on", "method", "nrmse", "input_nrmse", "best_filter", "filter_nrmse", "lead", "low",
    "high", "ahead_of_input", "ahead_of_filters", "undecided", "means", "verdict", "finding",
    "sentence",
)  # fmt: skip
AHEAD = "ahead"
BEHIND_FILTER = "behind a filter"
BEHIND_INPUT = "no better than the input"
IS_INPUT = "the input"
READING = (
    "A sentence per network: its NRMSE is the mean over conditions, and means are those of NRMSE "
    "and SSIM over test volumes in each condition."
)
NEARLY_INPUT = "nearly the input"
# Relative difference of the NRMSE up to which a restoration is its input, or nearly: a residual
# network that has collapsed, or hardly learnt, passes the input through
SAME = 1e-3
NEARLY = 0.02
MOST_FILES = 5  # in the sentence on a test set


def verdicts(scores: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row per model or ensemble and test set, in the study's order.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`; models and test sets without scores have no row.

    Returns
    -------
    DataFrame
        `COLUMNS`. `nrmse`, `input_nrmse` and `filter_nrmse` are means over conditions and volumes;
        `best_filter` is the baseline with the lowest (empty where none is scored). `lead` is that
        over the best filter, else over the input, with `low` and `high` (see
        `intervals.interval`). `ahead_of_input` and `ahead_of_filters` count the `means` in which
        the network leads the input, and every filter; `undecided` counts its smallest leads whose
        interval holds 0. `verdict` is one of the constants above; `finding` says it with the
        counts, and `sentence` with all numbers.

    Raises
    ------
    ValueError
        As `scores.paired_differences`.
    """
    methods = study.with_ensembles(study.models)
    by_condition = leads(scores, study, methods)
    overall = leads(_over_conditions(scores), study, methods)
    overall = overall[overall["metric"] == "nrmse"]
    rows = []
    for tested_on in study.tested_datasets:
        for method in methods:
            own, whole = (
                table[(table["method"] == method) & (table["tested_on"] == tested_on)]
                for table in (by_condition, overall)
            )
            if INPUT in set(whole["reference"]):
                names = {"tested_on": tested_on, "method": method}
                row = names | _numbers(own, whole)
                row["finding"] = _finding(row, study)
                rows.append(row | {"sentence": _sentence(row, study)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sentences(verdicts: pd.DataFrame, datasets: Iterable[str]) -> list[str]:
    """The sentences on these test sets."""
    return verdicts.loc[verdicts["tested_on"].isin(list(datasets)), "sentence"].tolist()


def held_out(
    scores: pd.DataFrame, study: Study, datasets: Iterable[str], files: Mapping[str, Sequence[str]]
) -> list[str]:
    """What was held out for testing, a sentence per test set.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`.
    study : Study
    datasets : iterable of str
        Test sets.
    files : mapping
        The low-SNR files that test, of test sets that are a user's own pairs.
    """
    lines = []
    for name in datasets:
        volumes = scores.loc[scores["tested_on"] == name, "volume"].nunique()
        plural = "" if volumes == 1 else "s"
        what = f"{volumes} volume{plural}"
        if name in files:
            what = f"{volumes} image pair{plural} ({first_of(files[name], MOST_FILES)})"
        lines.append(f"Held out for testing on {study.datasets[name].label}: {what}.")
    return lines


def _over_conditions(scores: pd.DataFrame) -> pd.DataFrame:
    """The mean of each volume's scores over conditions."""
    names = [name for name in columns.SCORES if name not in ("condition", "value")]
    means = scores.groupby(names, sort=False, dropna=False)["value"].mean()
    return means.reset_index().assign(condition="all")


def _numbers(own: pd.DataFrame, whole: pd.DataFrame) -> dict:
    """The numbers of one network, from its leads in each condition and over all of them."""
    over_input = own[own["reference"] == INPUT]
    filters = over_filters(own)
    best = smallest_leads(over_filters(whole)) if len(filters) else whole[:0]
    first = whole[whole["reference"] == INPUT].iloc[0]
    shown = best.iloc[0] if len(best) else first
    numbers = {
        "nrmse": first["value"],
        "input_nrmse": first["reference_value"],
        "best_filter": shown["reference"] if len(best) else "",
        "filter_nrmse": shown["reference_value"] if len(best) else np.nan,
        **{name: shown[name] for name in ("lead", "low", "high")},
        "ahead_of_input": int((over_input["lead"] > 0).sum()),
        "ahead_of_filters": int((smallest_leads(filters)["lead"] > 0).sum()) if len(best) else 0,
        "undecided": _undecided(smallest_leads(filters if len(best) else own)),
        "means": len(over_input),
    }
    return numbers | {"verdict": _verdict(numbers, over_input, bool(len(best)))}


def _undecided(leads: pd.DataFrame) -> int:
    """How many leads are above 0 within chance, because their interval holds 0."""
    return int(((leads["lead"] > 0) & (leads["low"] < 0)).sum())


def _verdict(numbers: dict, over_input: pd.DataFrame, has_filters: bool) -> str:
    nrmse = over_input[over_input["metric"] == "nrmse"]
    change = (nrmse["lead"].abs() / nrmse["reference_value"]).max()
    if change <= NEARLY:
        return IS_INPUT if change <= SAME else NEARLY_INPUT
    if numbers["ahead_of_input"] < numbers["means"]:
        return BEHIND_INPUT
    if has_filters and numbers["ahead_of_filters"] < numbers["means"]:
        return BEHIND_FILTER
    return AHEAD


def _sentence(row: dict, study: Study) -> str:
    """The sentence of one row: its numbers, and what they say."""
    label = METRICS["nrmse"].label
    scored = f"{label} {row['nrmse']:.4f}, input {row['input_nrmse']:.4f}"
    if row["best_filter"]:
        best = BASELINES[row["best_filter"]].label
        scored += f", best filter ({best}) {row['filter_nrmse']:.4f}"
    dataset = study.datasets[row["tested_on"]]
    finding = row["finding"]
    if row["verdict"] == AHEAD:
        finding += f", in {label} by {row['lead']:.4f}"
        if not np.isnan(row["low"]):
            finding += f" (95 % interval {row['low']:.4f} to {row['high']:.4f})"
    return f"{row['method']} on {dataset.label}: {scored}: {finding}."


def _finding(row: dict, study: Study) -> str:
    means = row["means"]
    if row["verdict"] in (IS_INPUT, NEARLY_INPUT):
        remedy = _remedy(row, study, "train it longer, or with another seed")
        return f"the restorations are {row['verdict']}; {remedy}"
    if row["verdict"] == AHEAD:
        ahead = "the input and every filter" if row["best_filter"] else "the input"
        chance = f", in {row['undecided']} of them within chance" if row["undecided"] else ""
        return f"the network is ahead of {ahead} in all {means} means{chance}"
    remedy = _remedy(row, study, "longer training or more images may help")
    failings = []
    if row["verdict"] == BEHIND_INPUT:
        failings.append(f"no better than its input in {means - row['ahead_of_input']}")
    if row["best_filter"] and row["ahead_of_filters"] < means:
        failings.append(f"behind a filter in {means - row['ahead_of_filters']}")
    return f"the network is {' and '.join(failings)} of {means} means; {remedy}"


def _remedy(row: dict, study: Study, own: str) -> str:
    """The advice: `own` for a network that was trained on the organism that it is tested on."""
    label = trained_on_label(row["method"], study)
    own_label = f"on {study.datasets[row['tested_on']].label}"
    return own if label == own_label else f"it was trained {label}"
