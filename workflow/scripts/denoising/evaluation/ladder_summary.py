"""Means over test volumes at every step from one protocol to another, and the change of each step.

`explanation.csv` is tidy: `columns.PROTOCOL_STEPS`. `step` counts the changes that lead from the
2019 study's scores to the CARE paper's, `label` names the step; `output` is input or network. What
other programs print stands beside this ladder, so it is compared with the ladder's end.
"""

import pandas as pd

from denoising.evaluation.protocol_ladder import PAPER_STEP
from denoising.evaluation.scores import checked, crossed, difference, summarise

SERIES = ("tested_on", "model", "output", "condition", "metric")
CHANGES = {"change": "difference", "change_low": "low", "change_high": "high"}


def explanation_means(explanation: pd.DataFrame) -> pd.DataFrame:
    """Means at every step, and the change that each step makes.

    Parameters
    ----------
    explanation : DataFrame
        With `columns.PROTOCOL_STEPS`.

    Returns
    -------
    DataFrame
        tested_on, model, output, condition, metric, step, label; `mean`, `sd`, `low`, `high` and
        `n` as in `scores.summarise`; `change`, the mean less that of the step before, or of the
        paper's protocol (nan where there is none), and `change_low` and `change_high`, its interval
        over the same volumes.

    Raises
    ------
    ValueError
        As `scores.summarise`, or if two steps were not scored on the same volumes.
    """
    named = explanation.rename(columns={"dataset": "tested_on"})
    named = named.assign(seed="", trained_on="", stratum="", protocol="")
    means = summarise(named, [*SERIES, "step", "label"]).sort_values("step", kind="stable")
    rows = []
    for key, group in checked(named, [*SERIES, "step"]).groupby(list(SERIES), sort=False):
        names = dict(zip(SERIES, key, strict=True))
        steps = {
            step: crossed(scores, names | {"step": step}) for step, scores in group.groupby("step")
        }
        for step in steps:
            before = min(step - 1, PAPER_STEP)
            if before not in steps:
                continue
            place = names | {"step": step}
            change = difference(steps[step], steps[before], place)
            rows.append(place | {name: change[column] for name, column in CHANGES.items()})
    changes = pd.DataFrame(rows, columns=[*SERIES, "step", *CHANGES])
    return means.merge(changes, on=[*SERIES, "step"], how="left")
