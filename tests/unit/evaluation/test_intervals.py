"""Intervals of means over volumes and trainings."""

import numpy as np
import pytest
from made_up import students

from denoising.evaluation.intervals import interval


@pytest.mark.parametrize("count", [3, 4, 20])
def test_an_interval_is_as_wide_as_students(count):
    values = np.random.default_rng(1).normal(5, 2, count)
    low, high = interval(values[None])
    reach = students(values)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))
    assert interval(values[None]) == (low, high)  # the same scores, the same interval


# Without Student's quantiles, or with trainings resampled like volumes, 72 to 87 % in all cases
@pytest.mark.parametrize(
    ("trainings", "volumes", "of_trainings", "paired"),
    [(1, 4, 0.0, False), (3, 20, 1.0, False), (5, 20, 1.0, False), (3, 20, 1.0, True)],
)
def test_an_interval_holds_the_mean_as_often_as_it_says(trainings, volumes, of_trainings, paired):
    """Volumes differ by 0.5, trainings by `of_trainings`, values besides by 0.3.

    A reference has no trainings.
    """
    rng, held = np.random.default_rng(2), []
    for _ in range(500):
        easy = 0.5 * rng.normal(size=volumes)
        values = (
            easy
            + of_trainings * rng.normal(size=(trainings, 1))
            + 0.3 * rng.normal(size=(trainings, volumes))
        )
        low, high = interval(
            values, easy[None] + 0.3 * rng.normal(size=(1, volumes)) if paired else None
        )
        held.append(low <= 0 <= high)
    assert 0.93 <= np.mean(held) <= 0.98


def test_volumes_and_trainings_add_in_squares():
    volumes = np.array([0.05, 0.06, 0.09, 0.1])
    trainings = np.array([-0.01, 0.0, 0.01])
    low, high = interval(volumes + trainings[:, None])
    assert high - low == pytest.approx(2 * np.hypot(students(volumes), students(trainings)))
    assert interval(np.stack([volumes] * 3)) == pytest.approx(interval(volumes[None]))
    assert interval(volumes[None]) == pytest.approx(interval(volumes[None] + 0.5 - 0.5))


def test_paired_differences_do_not_see_what_volumes_share():
    volumes = np.array([[0.02, 0.05, 0.09, 0.2, 0.4]])
    assert interval(volumes - 0.01, volumes) == pytest.approx((-0.01, -0.01))
    several = volumes + np.array([[0.0], [0.01], [0.03]])
    low, high = interval(several, several)  # trainings of two models are not pairs
    assert low == pytest.approx(-high)
    assert high == pytest.approx(2**0.5 * students([0.0, 0.01, 0.03]))
    low, high = interval(several, volumes)
    assert interval(volumes, several) == pytest.approx((-high, -low))


def test_intervals_that_cannot_be():
    assert np.isnan(interval(np.array([[0.5]]))).all()
    assert np.isnan(interval(np.array([[0.5, 0.6]]))).all()  # two volumes
    assert np.isnan(interval(np.array([[0.5, 0.6, 0.8]] * 2))).all()  # two trainings
    assert np.isnan(interval(np.array([[np.inf, 30.0, 31.0]]))).all()
    low, high = interval(np.full((1, 7), 0.1))
    assert low == pytest.approx(0.1)
    assert low <= np.full((1, 7), 0.1).mean() <= high
