"""Intervals of means over test volumes and trainings, by Student's t."""

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95
FEWEST = 3  # values: two span an interval of 13 times their difference, which says nothing


def interval(values: np.ndarray, reference: np.ndarray | None = None) -> tuple[float, float]:
    """Interval of a mean over volumes and trainings, or of its difference from a reference.

    Means of volumes are one level, means of trainings a second, and means of the reference's
    trainings a third; a level of one value counts for nothing. Each level has its Student interval;
    their half widths add in squares, as variances of independent terms do. The interval of a single
    training holds for that training: how others would score is not in it.

    docs/scores.md has the coverage in simulation.

    Parameters
    ----------
    values : ndarray (trainings, volumes)
    reference : ndarray (trainings, volumes), optional
        Other trainings, the same volumes in the same order.

    Returns
    -------
    low, high : float
        In the unit of `values`; they may lie beyond what scores can be, and `scores.summarise`
        ends them there. nan for fewer than three volumes, for two trainings, or where a value is
        not finite (the PSNR of equal images).
    """
    others = np.zeros((1, values.shape[1])) if reference is None else reference
    levels = [values.mean(axis=0) - others.mean(axis=0)]
    levels += [means for means in (values.mean(axis=1), others.mean(axis=1)) if len(means) > 1]
    is_finite = np.isfinite(values).all() and np.isfinite(others).all()
    if not is_finite or min(map(len, levels)) < FEWEST:
        return np.nan, np.nan
    centre = values.mean() - others.mean()
    reach = np.linalg.norm([_half_width(level) for level in levels])
    return float(centre - reach), float(centre + reach)


def _half_width(values: np.ndarray) -> float:
    """Half the width of Student's interval of a mean of independent values."""
    count = len(values)
    return float(students_quantile(count) * values.std(ddof=1) / np.sqrt(count))


def students_quantile(count: int) -> float:
    """Standard errors that the interval of a mean of `count` values reaches to each side."""
    return float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
