"""Which methods are compared with which."""

import itertools
from typing import Any

import pandas as pd

from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import OURS, method_of, references, summarise
from denoising.study.baselines import BASELINES
from denoising.study.study import Study


def comparison_pairs(study: Study) -> list[tuple[str, str]]:
    """Pairs of method and reference.

    Models are compared with the input and baselines, with models that the same comparison trains on
    another dataset, and those of a sweep with its base; ensembles with their model.
    """
    models = study.models
    pairs: list[tuple[str, str]] = [
        (model, reference) for model in models for reference in references(study)
    ]
    for sweep in study.sweeps.values():
        base = sweep.base
        swept = [*sweep.models, *sweep.matched] if base else []
        pairs += [(model, base) for model in swept if base and model != base]
    for comparison in study.comparisons.values():
        for first, second in itertools.combinations(comparison.models, 2):
            if models[first].trained_on != models[second].trained_on:
                pairs.append((second, first))
    return list(dict.fromkeys([*pairs, *study.ensembles.items()]))


def scored_models(scores: pd.DataFrame, study: Study) -> list[str]:
    """The models to compare between test sets that have scores, in the study's order."""
    scored = set(scores.loc[scores["output"] == "network", "model"])
    return [model for model in study.compared_models if model in scored]


def best_baseline(scores: pd.DataFrame, dataset: str) -> str | None:
    """The baseline with the lowest mean NRMSE on a test set, under the paper protocol.

    None where no baseline is scored.
    """
    rows = scores[(scores["tested_on"] == dataset) & (scores["protocol"] == "paper")]
    rows = rows[(rows["metric"] == "nrmse") & rows["output"].isin(BASELINES)]
    means = rows.groupby("output")["value"].mean()
    return None if means.empty else str(means.idxmin())


def compared_means(scores: pd.DataFrame, published: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Means of the input, the best baseline of each test set and networks, ours and published.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`.
    published : DataFrame
        `resources/published_scores.csv`; only its networks are returned.

    Returns
    -------
    DataFrame
        The columns of `summarise`, `method`, and `source`: `OURS` or that of the published mean,
        which has neither `low`, `high` nor `n`.
    """
    ours = summarise(scores)
    ours = ours.assign(method=method_of(ours), source=OURS)
    datasets = ours["tested_on"].unique()
    best = {name: best_baseline(scores, name) for name in datasets}
    is_best = ours["method"] == ours["tested_on"].map(best)
    others = pd.concat([published_scores(published, study, name) for name in datasets])
    others = others[(others["output"] == "network") & others["protocol"].isin(study.protocols)]
    others = others.dropna(axis="columns", how="all")  # or the types of our columns would change
    return pd.concat([ours[is_best | ~ours["method"].isin(BASELINES)], others], ignore_index=True)


def relative_difference(value: Any, reference: Any) -> Any:
    """Difference of `value` from `reference`, in percent of `reference` (numbers or arrays)."""
    return 100.0 * (value - reference) / reference
