"""How far networks lead the input and the filters, in the direction in which a metric is better."""

from collections.abc import Iterable

import pandas as pd

from denoising.evaluation.scores import PLACE, method_of, paired_differences, references
from denoising.study.metrics import METRICS, SHOWN
from denoising.study.names import INPUT
from denoising.study.study import Study

MEAN = ("method", *PLACE)  # what identifies a mean of a network


def leads(scores: pd.DataFrame, study: Study, models: Iterable[str]) -> pd.DataFrame:
    """Leads of models over the input and every baseline, on all their test sets.

    Parameters
    ----------
    scores : DataFrame
        With `columns.SCORES`; the study's first protocol counts.
    models : iterable of str
        Models or ensembles; a model of several trainings has their mean.

    Returns
    -------
    DataFrame
        method, reference, tested_on, condition, protocol, metric; `value` and `reference_value`,
        the means over test volumes; `lead`, their difference, above 0 where the method is ahead;
        `low` and `high` (see `intervals.interval`); `n`, the number of volumes.

    Raises
    ------
    ValueError
        As `scores.paired_differences`.
    """
    is_counted = (scores["protocol"] == study.protocols[0]) & scores["metric"].isin(SHOWN)
    rows = scores[is_counted]
    pairs = [(model, reference) for model in models for reference in references(study)]
    table = paired_differences(rows, pairs)
    sign = table["metric"].map(lambda name: -1 if METRICS[name].best == "low" else 1)
    first, second = sign * table["low"], sign * table["high"]
    table = table.assign(
        lead=sign * table["difference"],
        low=first.where(sign > 0, second),
        high=second.where(sign > 0, first),
    )
    means = rows.assign(method=method_of(rows)).groupby(list(MEAN))["value"].mean()
    values = means.rename("value").reset_index()
    reference_values = values.rename(columns={"method": "reference", "value": "reference_value"})
    table = table.merge(values, on=list(MEAN)).merge(reference_values, on=["reference", *PLACE])
    columns = ["method", "reference", *PLACE, "value", "reference_value", "lead", "low", "high"]
    return table[[*columns, "n"]]


def smallest_leads(leads: pd.DataFrame) -> pd.DataFrame:
    """The row of each mean whose lead is the smallest: that over the strongest of its references.

    Parameters
    ----------
    leads : DataFrame
        As `leads` gives it, of all references or of some.
    """
    first = leads.groupby(list(MEAN), sort=False)["lead"].idxmin()
    return leads.loc[first].reset_index(drop=True)


def replication_leads(scores: pd.DataFrame, study: Study) -> pd.DataFrame:
    """`leads` of the models of the study `replication`, each on the organism it was trained on."""
    models = study.comparisons["replication"].models
    table = leads(scores, study, models)
    own = {model: study.models[model].trained_on for model in models}
    return table[table["tested_on"] == table["method"].map(own)].reset_index(drop=True)


def over_filters(leads: pd.DataFrame) -> pd.DataFrame:
    """The leads over baselines, without those over the input."""
    return leads[leads["reference"] != INPUT].reset_index(drop=True)
