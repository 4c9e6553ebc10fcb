"""Losses of all trainings, read as one table."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from denoising.study.study import Study


def read_losses(histories: Iterable[str | Path], study: Study) -> pd.DataFrame:
    """Losses of every training by epoch.

    Parameters
    ----------
    histories : iterable of path
        The `history.csv` of each of the study's trainings, in their order.

    Returns
    -------
    DataFrame
        The columns of the histories; `run` and `model`; `is_kept`, whether the validation loss is
        the run's lowest, so that the weights of this epoch are kept.
    """
    tables = []
    for run, path in zip(study.trainings.values(), histories, strict=True):
        history = pd.read_csv(path)
        is_kept = history.index == history["val_loss"].idxmin()
        tables.append(history.assign(run=run.name, model=run.model, is_kept=is_kept))
    return pd.concat(tables, ignore_index=True)
