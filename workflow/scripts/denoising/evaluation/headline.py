"""The findings of a study in a few sentences, and their limits."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from denoising.evaluation.intervals import FEWEST
from denoising.evaluation.published import published_scores
from denoising.evaluation.verdicts import AHEAD
from denoising.study.baselines import BASELINES
from denoising.study.names import INPUT, TWO_TRAININGS
from denoising.study.study import Dataset, Study

FEW = 10  # test volumes


def headline(
    verdicts: pd.DataFrame, scores: pd.DataFrame, published: pd.DataFrame, study: Study
) -> list[str]:
    """Sentences for a reader who reads nothing else.

    Parameters
    ----------
    verdicts : DataFrame
        As `verdicts.verdicts` gives it.
    scores : DataFrame
        With `columns.SCORES`.
    published : DataFrame
        `resources/published_scores.csv`, as `scores.read_tidy` gives it.
    study : Study

    Returns
    -------
    list of str
        One sentence per test set on its own network, the one that figure 2 shows, so that none is
        picked by its scores; one on all networks, if there are more; those on published numbers;
        and what may not be concluded.
    """
    own = [verdicts[_is_own(verdicts, name, study)] for name in study.tested_datasets]
    counts = scores.groupby("tested_on")["volume"].nunique()
    sentences = [_on_one(rows.iloc[0], counts, study) for rows in own if len(rows)]
    sentences += [_of_nuclei(name, scores, study) for name in study.datasets_with_nuclei]
    if len(verdicts) > len(own):
        sentences.append(_on_all(verdicts))
    compared = [study.datasets[name] for name in study.published_datasets]
    sentences += _published(compared, scores, published, study)
    limits = " ".join(_limits(counts, study))
    return sentences + ([f"Limits: {limits}"] if limits else [])


def _is_own(verdicts: pd.DataFrame, dataset: str, study: Study) -> pd.Series:
    """Rows on a test set's own network: the ensemble where there is one."""
    model = study.models[study.runs[study.example_run(dataset)].model]
    method = model.ensemble or model.name
    return (verdicts["tested_on"] == dataset) & (verdicts["method"] == method)


def _on_one(row: pd.Series, counts: pd.Series, study: Study) -> str:
    share = 100 * row["nrmse"] / row["input_nrmse"]
    text = (
        f"On {study.datasets[row['tested_on']].label}, the network {row['method']} leaves"
        f" {share:.0f} % of its input's error (NRMSE {row['nrmse']:.4f}, input"
        f" {row['input_nrmse']:.4f})"
    )
    if not row["best_filter"]:
        return f"{text}."
    side = "ahead of" if row["lead"] > 0 else "behind"
    text += (
        f" and is {side} the best filter ({BASELINES[row['best_filter']].label},"
        f" {row['filter_nrmse']:.4f}) by {abs(row['lead']):.4f}"
    )
    if np.isnan(row["low"]):
        return f"{text}."
    ends = sorted(abs(row[end]) for end in ("low", "high"))
    if row["low"] * row["high"] < 0:
        return f"{text}, which is within chance (95 % interval of the lead {_interval(row)})."
    volumes = counts[row["tested_on"]]
    return f"{text} (95 % interval {ends[0]:.4f} to {ends[1]:.4f}, {volumes} test volumes)."


def _of_nuclei(dataset: str, scores: pd.DataFrame, study: Study) -> str:
    """Which nuclei the own network shows beside the input, in the cleanest and the noisiest."""
    model = study.runs[study.example_run(dataset)].model
    own = study.datasets[dataset]
    rows = scores[(scores["tested_on"] == dataset) & (scores["protocol"] == "nuclei")]
    parts = []
    for name in dict.fromkeys((own.condition_names[0], own.condition_names[-1])):
        here = rows[rows["condition"] == name]
        shown, given = here[here["model"] == model], here[here["output"] == INPUT]
        parts.append(
            f"{own.condition_label(name)}, the network shows {_percent(shown, 'recall')} of the"
            f" true ones (input {_percent(given, 'recall')}), and {_percent(shown, 'precision')} of"
            f" those that it shows are true (input {_percent(given, 'precision')})"
        )
    return f"Nuclei of {own.label}: {'; '.join(parts)}."


def _percent(rows: pd.DataFrame, metric: str) -> str:
    return f"{100 * rows.loc[rows['metric'] == metric, 'value'].mean():.0f} %"


def _interval(row: pd.Series) -> str:
    return f"{row['low']:.4f} to {row['high']:.4f}"


def _on_all(verdicts: pd.DataFrame) -> str:
    ahead = verdicts[verdicts["verdict"] == AHEAD]
    return (
        f"{len(ahead)} of {len(verdicts)} pairs of a network and a test set are ahead of the input"
        " and of every filter in all means of NRMSE and SSIM,"
        f" {(ahead['undecided'] == 0).sum()} of them beyond chance in each mean."
    )


def _published(
    datasets: Iterable[Dataset], scores: pd.DataFrame, published: pd.DataFrame, study: Study
) -> list[str]:
    """Our means beside the published ones; nothing compares with those of simulated specimens."""
    simulated = [dataset.label for dataset in datasets if dataset.is_simulated]
    sentences = []
    if simulated:
        sentences.append(
            f"No number on {' or '.join(simulated)} may be compared with a published one: these"
            " specimens are simulated."
        )
    for dataset in (dataset for dataset in datasets if not dataset.is_simulated):
        run = study.runs[study.example_run(dataset.name)]
        theirs = published_scores(published, study, dataset.name)
        theirs = theirs[theirs["source"].str.startswith("CARE paper")]
        pairs = [
            f"{ours:.4f} where the CARE paper has {mean:.4f} ({dataset.condition_label(name)})"
            for name in dataset.condition_names
            for ours in [_mean(scores[scores["model"] == run.model], dataset.name, name)]
            for mean in [_mean(theirs, dataset.name, name)]
            if not np.isnan(ours) and not np.isnan(mean)
        ]
        if pairs:
            sentences.append(f"NRMSE on {dataset.label}: {'; '.join(pairs)}.")
    return sentences


def _mean(rows: pd.DataFrame, dataset: str, condition: str) -> float:
    """Mean NRMSE of a network by the CARE paper's protocol; nan if there is none."""
    is_it = (rows["tested_on"] == dataset) & (rows["condition"] == condition)
    is_it &= (rows["protocol"] == "paper") & (rows["metric"] == "nrmse") & (rows["model"] != "")
    return float(rows.loc[is_it, "value" if "value" in rows else "mean"].mean())


def _limits(counts: pd.Series, study: Study) -> list[str]:
    limits = []
    simulated = [one.label for one in study.datasets.values() if one.is_simulated]
    if simulated:
        limits.append(
            f"Numbers on {' and '.join(simulated)} show trends and say nothing of real specimens."
        )
    if study.trains_once:
        limits.append(TWO_TRAININGS)
    if counts.min() < FEWEST:
        limits.append("With fewer than three test volumes, nothing can be said of others.")
    elif counts.min() < FEW:
        limits.append(
            f"With {counts.min()} test volumes, intervals hold for volumes like these, not for"
            " another microscope or preparation."
        )
    return limits
