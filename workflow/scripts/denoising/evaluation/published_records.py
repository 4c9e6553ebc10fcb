"""The 2019 study's own records: loss and time of every epoch of twelve of its trainings.

`resources/published_histories.csv`, a row per epoch: source, record (its name there), model (as in
the config), trained_on, epochs (planned), steps_per_epoch, batch_size, epoch, loss, val_loss
(Laplace, nats per voxel) and seconds (since the epoch before; empty for the first).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from denoising.evaluation.scores import read_tidy

# Three trainings of one setting: what lies between them is chance
EQUAL_TRAININGS = ("planaria-2", "planaria-3", "planaria-4")
LAST_EPOCHS = 10  # whose median is the loss at the end, which jumps from epoch to epoch
SETTINGS = ["model", "trained_on", "epochs", "steps_per_epoch", "batch_size"]


def read_histories(path: str | Path) -> pd.DataFrame:
    """Read the records, with `samples_seen`, the patches seen so far, repeats counted.

    A record that ran its first epoch twice keeps the second, which the next epochs follow;
    `repeated` is true in all its rows.
    """
    rows = read_tidy(path)
    place = ["record", "epoch"]
    repeated = set(rows.loc[rows.duplicated(place), "record"])
    rows = rows.drop_duplicates(place, keep="last", ignore_index=True)
    return rows.assign(
        samples_seen=rows["epoch"] * rows["steps_per_epoch"] * rows["batch_size"],
        repeated=rows["record"].isin(repeated),
    )


def best_epochs(histories: pd.DataFrame) -> pd.DataFrame:
    """The row of each record with the lowest validation loss, in the order of the records."""
    return histories.loc[histories.groupby("record", sort=False)["val_loss"].idxmin()]


def equal_losses(histories: pd.DataFrame) -> pd.Series:
    """The best validation loss of each of the equal trainings, by record."""
    return best_epochs(histories).set_index("record")["val_loss"].loc[list(EQUAL_TRAININGS)]


def curve_summary(histories: pd.DataFrame) -> pd.DataFrame:
    """Where each training was best, and what became of it, a row per record.

    Returns
    -------
    DataFrame
        record and its settings; `recorded` epochs; `samples` seen in these; `best_val_loss` and
        `best_epoch`; `final_val_loss`, the median of the last `LAST_EPOCHS`; `rise`, that less the
        best; `loss_fall`, how far the training loss fell after the best epoch; `overfits`, whether
        the rise exceeds the range of the equal trainings while the training loss fell by more;
        and a note.
    """
    chance = float(np.ptp(equal_losses(histories)))
    rows = [_summary(record, rows, chance) for record, rows in histories.groupby("record")]
    return pd.DataFrame(rows)


def _summary(record: str, rows: pd.DataFrame, chance: float) -> dict:
    """One row of `curve_summary`; `chance` is the range of the equal trainings."""
    best = rows.loc[rows["val_loss"].idxmin()]
    last = rows.iloc[-1]
    final = rows["val_loss"].tail(LAST_EPOCHS).median()
    rise = final - best["val_loss"]
    loss_fall = best["loss"] - last["loss"]
    overfits = bool(rise > chance and loss_fall > rise)
    return {
        "record": record,
        **last[SETTINGS],
        "recorded": last["epoch"],
        "samples": last["samples_seen"],
        "best_val_loss": best["val_loss"],
        "best_epoch": best["epoch"],
        "final_val_loss": final,
        "rise": rise,
        "loss_fall": loss_fall,
        "overfits": overfits,
        "note": "; ".join(_notes(last, overfits)),
    }


def _notes(last: pd.Series, overfits: bool) -> list[str]:
    notes = []
    if last["epoch"] < last["epochs"]:
        notes.append(f"the record ends at epoch {last['epoch']:.0f} of {last['epochs']:.0f}")
    if last["repeated"]:
        notes.append("its first epoch ran twice; the second counts")
    if overfits:
        notes.append("overfits: the validation loss rises while the training loss falls")
    if last["record"] in EQUAL_TRAININGS:
        notes.append("one of three equal trainings")
    return notes
