"""Published scores and runtimes, named as this study names its own."""

import numpy as np
import pandas as pd

from denoising.evaluation.scores import method_of
from denoising.study.study import Study


def published_scores(published: pd.DataFrame, study: Study, dataset: str) -> pd.DataFrame:
    """The published scores that stand beside those of `dataset`.

    Parameters
    ----------
    published : DataFrame
        `resources/published_scores.csv`, as `scores.read_tidy` gives it. The name of a published
        model begins with its organism.
    dataset : str
        A test set. It has no published scores where its `published` is None.

    Returns
    -------
    DataFrame
        The rows with `tested_on` set to `dataset`; `method`, the model's name or `output`;
        `trained_on`; and `n` and `seeds` (nan).
    """
    organism = study.datasets[dataset].published
    rows = published[published["tested_on"] == organism]
    trained_on = rows["model"].str.split("-").str[0].replace({organism: dataset})
    return rows.assign(
        tested_on=dataset,
        method=method_of(rows),
        trained_on=trained_on,
        n=np.nan,
        seeds=np.nan,
    )


def published_runtimes(published: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Published runtimes on the organisms that the study's datasets compare with.

    Parameters
    ----------
    published : DataFrame
        `resources/published_runtimes.csv`, as `scores.read_tidy` gives it.

    Returns
    -------
    DataFrame
        The rows, with `seconds_per_epoch` (nan where the epochs are not given).
    """
    organisms = {dataset.published for dataset in study.datasets.values()}
    rows = published[published["trained_on"].isin(organisms)]
    return rows.assign(seconds_per_epoch=rows["hours"] * 3600 / rows["epochs"])
