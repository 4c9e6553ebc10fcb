"""Which conclusions of the 2019 study survive the spread of its own equal trainings.

A conclusion names a method, its reference and whether the method is better or worse
(`resources/published_conclusions.csv`). Each is measured by the best validation loss, where both
were trained on the data that they are tested on, and by NRMSE and SSIM in each condition: volume by
volume where its records hold both, else by the means of its final tables.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from denoising.evaluation.intervals import interval, students_quantile
from denoising.evaluation.published_records import EQUAL_TRAININGS, best_epochs, equal_losses
from denoising.evaluation.scores import method_of
from denoising.study.metrics import METRICS, SHOWN
from denoising.study.names import INPUT

VAL_LOSS = "val_loss"
FINAL_TABLE = "study2019"


@dataclass(frozen=True)
class Records:
    """The records that the 2019 study published.

    Attributes
    ----------
    histories : DataFrame
        As `published_records.read_histories` gives it.
    volumes : DataFrame
        `resources/published_volume_scores.csv`: one value per test volume, record and metric.
    scores : DataFrame
        `resources/published_scores.csv`: means of its final tables.
    """

    histories: pd.DataFrame
    volumes: pd.DataFrame
    scores: pd.DataFrame


@dataclass(frozen=True)
class Difference:
    """Method less reference in one measure, and what equal trainings differ by.

    Attributes
    ----------
    value, low, high : float
        The difference and its 95 % interval over volumes (nan where these are not published).
    volumes : int
    equal_sd : float
        Standard deviation of one training, from equal trainings, pooled over the conditions: two
        trainings may agree in one by chance. nan if there are none.
    equal_trainings : int
    share : float
        Variance of the difference, in multiples of that of one training: 1 for a training and the
        input, 2 for two trainings.
    """

    value: float
    low: float
    high: float
    volumes: int
    equal_sd: float
    equal_trainings: int
    share: float

    @property
    def reach(self) -> float:
        """The least difference that Student's t over the equal trainings calls one (95 %)."""
        if self.equal_trainings < 2:
            return np.nan
        quantile = students_quantile(self.equal_trainings)
        return float(quantile * self.equal_sd * np.sqrt(self.share))

    @property
    def multiple(self) -> float:
        """The difference in standard deviations of such differences between equal trainings."""
        return abs(self.value) / (self.equal_sd * np.sqrt(self.share))


def conclusion_rows(conclusions: pd.DataFrame, records: Records) -> pd.DataFrame:
    """Measure every conclusion.

    Parameters
    ----------
    conclusions : DataFrame
        `resources/published_conclusions.csv`, as `scores.read_tidy` gives it.

    Returns
    -------
    DataFrame
        A row per conclusion and measure: the conclusion's columns; `metric` (val_loss, nrmse or
        ssim), `condition` (empty for the loss) and `protocol`; `difference` with `low`, `high` and
        `n` volumes; `equal_sd` of `equal_trainings`; `reach`; and `survives`.
    """
    rows: list[dict[str, Any]] = []
    for _, conclusion in conclusions.iterrows():
        loss = _loss_difference(conclusion, records.histories)
        if loss:
            names = {"metric": VAL_LOSS, "condition": "", "protocol": ""}
            rows.append({**conclusion, **names, **_row(conclusion, VAL_LOSS, loss)})
        for metric in SHOWN:
            for condition in "123":
                names = {"metric": metric, "condition": condition}
                protocol, difference = _score_difference(conclusion, names, records)
                row = _row(conclusion, metric, difference)
                rows.append({**conclusion, **names, "protocol": protocol, **row})
    return pd.DataFrame(rows)


def _row(conclusion: pd.Series, metric: str, difference: Difference) -> dict[str, Any]:
    return {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "n": difference.volumes,
        "equal_sd": difference.equal_sd,
        "equal_trainings": difference.equal_trainings,
        "reach": difference.reach,
        "survives": verdict(conclusion, metric, difference),
    }


def verdict(conclusion: pd.Series, metric: str, difference: Difference) -> str:
    """Whether a conclusion survives in one measure: yes, no or not decided, and why."""
    if conclusion["flaw"]:
        return f"no: {conclusion['flaw']}"
    is_low_best = metric == VAL_LOSS or METRICS[metric].best == "low"
    is_better = (difference.value < 0) == is_low_best
    if is_better != (conclusion["claims"] == "better"):
        return "no: the other way round"
    if difference.low <= 0 <= difference.high:
        return "no: the interval over volumes holds 0"
    if abs(difference.value) > difference.reach:
        return "yes"
    times = f"{difference.multiple:.1f} times the spread of equal trainings"
    # Two trainings can refute and hardly confirm: Student's quantile is 12.7
    if difference.equal_trainings < 3 and difference.multiple > 2:
        return f"not decided by two trainings: {times}"
    return f"no: {times}"


def _loss_difference(conclusion: pd.Series, histories: pd.DataFrame) -> Difference | None:
    """Difference in best validation loss; None where a loss is not known or not comparable."""
    names = [conclusion["method"], conclusion["reference"]]
    rows = histories[histories["model"].isin(names)]
    rows = rows[rows["trained_on"] == conclusion["tested_on"]]
    # A record that was cut short is compared with as much of the other
    recorded = rows.groupby("record")["epoch"].transform("max")
    cut_short = recorded[recorded < rows["epochs"]]
    rows = rows[rows["epoch"] <= cut_short.min()] if len(cut_short) else rows
    best = best_epochs(rows).groupby("model")["val_loss"]
    if set(best.groups) != set(names):
        return None
    means = best.mean()
    equal = equal_losses(histories)
    return Difference(
        value=means[names[0]] - means[names[1]],
        low=np.nan,
        high=np.nan,
        volumes=0,
        equal_sd=float(equal.std(ddof=1)),
        equal_trainings=len(equal),
        share=float((1 / best.size()).sum()),
    )


def _score_difference(
    conclusion: pd.Series, names: dict[str, str], records: Records
) -> tuple[str, Difference]:
    """Protocol and difference in one metric and condition: over volumes if these are known."""
    place = names | {"tested_on": conclusion["tested_on"]}
    pair = (conclusion["method"], conclusion["reference"])
    values, others = (_by_volume(name, place, records.volumes) for name in pair)
    equal_sd, equal_trainings = _equal_scores(place, records.volumes)
    if len(values) and len(others):
        # One level of the interval, the volumes: how far trainings differ stands beside it
        paired = (values.mean(axis=0) - others.mean(axis=0))[None]
        protocol = records.volumes["protocol"].iloc[0]
        value = float(paired.mean())
        low, high = interval(paired)
        volumes = paired.shape[1]
        trainings = [len(values), len(others)]
    else:
        protocol, low, high, volumes = FINAL_TABLE, np.nan, np.nan, 0
        value = _final_mean(pair[0], place, records) - _final_mean(pair[1], place, records)
        trainings = [1, 1]
    are_trained = [name != INPUT for name in pair]
    share = float(np.sum(np.reciprocal(trainings, dtype=float)[are_trained]))
    return protocol, Difference(value, low, high, volumes, equal_sd, equal_trainings, share)


def _by_volume(method: str, place: dict[str, str], volumes: pd.DataFrame) -> np.ndarray:
    """Scores of a method's trainings, (trainings, volumes); empty where there are none."""
    rows = _only(volumes, place)
    rows = rows[method_of(rows) == method]
    return rows.pivot_table(index="record", columns="volume", values="value").to_numpy()


def _equal_scores(place: dict[str, str], volumes: pd.DataFrame) -> tuple[float, int]:
    """Standard deviation of means between equal trainings, and how many there are."""
    rows = _only(volumes, {name: place[name] for name in ("metric", "tested_on")})
    rows = rows[rows["record"].isin(EQUAL_TRAININGS)]
    if rows.empty:
        return np.nan, 0
    means = rows.pivot_table(index="record", columns="condition", values="value")
    return float(np.sqrt(means.var(ddof=1).mean())), len(means)


def _final_mean(method: str, place: dict[str, str], records: Records) -> float:
    """A mean of the final tables."""
    rows = _only(records.scores, place | {"protocol": FINAL_TABLE})
    return float(rows.loc[method_of(rows) == method, "mean"].item())


def _only(rows: pd.DataFrame, place: dict[str, str]) -> pd.DataFrame:
    for column, value in place.items():
        rows = rows[rows[column] == value]
    return rows


def overall(verdicts: pd.Series) -> str:
    """The verdicts of all measures of one conclusion as one."""
    if verdicts.nunique() == 1:
        return str(verdicts.iloc[0])
    kinds = verdicts.str.split(" by|:", regex=True).str[0]
    counts = kinds.value_counts().reindex(["yes", "no", "not decided"], fill_value=0)
    if counts["no"] == len(verdicts):
        return "no"
    parts = [f"{kind} in {count}" for kind, count in counts.items() if count]
    return f"{', '.join(parts)} of {len(verdicts)} measures"
