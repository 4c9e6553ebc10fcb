"""Scores of found nuclei: known answers, and thresholds that no volume chooses for itself."""

import numpy as np
import pytest

from denoising.evaluation.object_scores import (
    average_precision,
    intensity_scores,
    object_scores,
    precision_recall,
)
from denoising.evaluation.objects import OUTSIDE, RIGHT, WRONG, Matches


def found(labels, contrasts=None, count=4, volume="v", intensities=None):
    """A volume whose nuclei are found with falling contrast."""
    contrasts = np.linspace(0.9, 0.1, len(labels)) if contrasts is None else np.array(contrasts)
    values = np.tile(np.arange(1.0, count + 1), (2, 1)) if intensities is None else intensities
    return Matches(volume, contrasts, np.array(labels, int), count, values)


def scores_of(*volumes):
    return {(volume, metric): value for volume, metric, value in object_scores(volumes)}


def test_average_precision_by_hand():
    # found at precisions 1/1, 2/3 and 3/4 of four true ones; the outside one counts for nothing
    labels = [RIGHT, OUTSIDE, WRONG, RIGHT, RIGHT, WRONG]
    assert average_precision(found(labels)) == pytest.approx((1 + 2 / 3 + 3 / 4) / 4)
    assert average_precision(found([RIGHT] * 4)) == 1
    assert average_precision(found([])) == 0


def test_a_curve_counts_what_exceeds_each_threshold():
    curve = precision_recall(found([RIGHT, OUTSIDE, WRONG, RIGHT], [0.8, 0.5, 0.2, 0.05]))
    assert curve.iloc[0].tolist() == [1e-4, 2, 3, 4]
    assert curve.iloc[-1].tolist() == [1, 0, 0, 4]
    at = curve[curve["threshold"] > 0.1].iloc[0]
    assert (at["right"], at["found"]) == (1, 2)


def test_each_volume_has_the_threshold_that_suits_the_others():
    # alone, each volume would be perfect: one below 0.5, the other above
    low = found([RIGHT, RIGHT, RIGHT, RIGHT], [0.4, 0.4, 0.4, 0.4], volume="low")
    high = found([RIGHT] * 4 + [WRONG] * 4, [0.9] * 4 + [0.5] * 4, volume="high")
    scores = scores_of(low, high)
    assert scores["low", "f1"] == 0  # at a threshold above 0.5
    assert scores["high", "precision"] == 0.5  # at one below 0.4
    assert scores["high", "recall"] == 1
    assert scores["high", "count_error"] == 1
    assert scores["low", "average_precision"] == scores["high", "average_precision"] == 1
    assert scores_of(low)["low", "f1"] == scores_of(high)["high", "f1"] == 1


def test_a_method_that_shows_nothing_scores_nothing():
    scores = scores_of(found([]))
    assert scores["v", "f1"] == scores["v", "precision"] == scores["v", "recall"] == 0
    assert scores["v", "count_error"] == -1


def test_volumes_without_enough_nuclei_have_no_scores():
    assert scores_of(found([WRONG], count=0)) == {}
    scores = scores_of(found([RIGHT, RIGHT], count=2))
    assert scores["v", "f1"] == 1
    assert ("v", "intensity_error") not in scores


def test_intensities_are_compared_after_a_line():
    true = np.array([1.0, 2.0, 4.0, 5.0])
    assert intensity_scores(np.array([true, 3 * true + 7])) == pytest.approx((0, 1))
    assert intensity_scores(np.array([true, -true]))[1] == pytest.approx(-1)
    # constant ones give the mean, 3: off by 2/1, 1/2, 1/4 and 2/5
    assert intensity_scores(np.array([true, np.ones(4)])) == pytest.approx((0.45, 0))
