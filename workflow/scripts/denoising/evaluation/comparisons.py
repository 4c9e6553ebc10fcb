"""Which methods are compared with which."""

import itertools
from collections.abc import Iterable
from typing import Any

import pandas as pd

from denoising.evaluation.published import published_scores
from denoising.evaluation.scores import OURS, method_of, references, summarise
from denoising.study.baselines import BASELINES
from denoising.study.study import Study, Sweep


def comparison_pairs(study: Study) -> list[tuple[str, str]]:
    """Pairs of method and reference.

    Models are compared with the input and baselines, with models that the same comparison trains on
    another dataset or elsewhere, and those of a sweep with its base; ensembles with their model.
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
            is_same = models[first].trained_on == models[second].trained_on
            if not is_same or models[first].pretrained:
                pairs.append((second, first))
    return list(dict.fromkeys([*pairs, *study.ensembles.items()]))


def training_questions(study: Study) -> dict[str, dict[str, str]]:
    """Trainings to show side by side: those of each dataset, then those of each sweep.

    Returns
    -------
    dict
        By title: the names of models, each with the setting that tells it from the others, such as
        "batch size 4".
    """
    swept = {name for sweep in study.sweeps.values() for name in sweep.all_models}
    trained = [name for name, model in study.models.items() if not model.pretrained]
    others = [name for name in trained if name in study.compared_models or name not in swept]
    questions = {}
    for dataset in dict.fromkeys(study.models[name].trained_on for name in others):
        models = [name for name in others if study.models[name].trained_on == dataset]
        title = f"trained on {study.datasets[dataset].label}"
        questions[title] = _settings(models, "epochs", study)
    for sweep in study.sweeps.values():
        title = f"sweep of {sweep.varies.replace('_', ' ')} ({sweep.figure})"
        questions[title] = _settings(sweep.all_models, sweep.varies, study)
    return questions


def _settings(models: Iterable[str], varies: str, study: Study) -> dict[str, str]:
    """Each model with its value of a setting in words."""
    settings = {}
    for name in models:
        value = getattr(study.models[name].training, varies)
        matched = ", same patches" if name in study.matched_models else ""
        settings[name] = f"{varies.replace('_', ' ')} {value:g}{matched}"
    return settings


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


def sweep_means(
    scores: pd.DataFrame, published: pd.DataFrame, sweep: Sweep, study: Study
) -> pd.DataFrame:
    """`compared_means` of a sweep, with `value`, that of the setting which the sweep varies.

    It is nan for input and baselines. Published models have that of our model of the same name;
    they are left out where the published records do not tell their own.
    """
    means = compared_means(scores, published, study)
    recorded = sweep.models if sweep.varies in published else ()
    means = means[(means["source"] == OURS) | means["method"].isin(recorded)]
    models = study.with_ensembles(sweep.all_models)
    values = {name: getattr(study.training_of(name), sweep.varies) for name in models}
    return means.assign(value=means["method"].map(values)).sort_values("value")


def relative_difference(value: Any, reference: Any) -> Any:
    """Difference of `value` from `reference`, in percent of `reference` (numbers or arrays)."""
    return 100.0 * (value - reference) / reference
