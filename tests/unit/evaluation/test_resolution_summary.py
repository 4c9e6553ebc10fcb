"""Means of curves: over trainings first, then over volumes, at frequencies that all have."""

import numpy as np
import pandas as pd
import pytest
from made_up import students

from denoising.evaluation import columns
from denoising.evaluation.resolution_summary import curve_means

FREQUENCIES = np.array([0.1, 0.2, 0.3])


def curve(value, frequency=FREQUENCIES, **changes):
    """A correlation that falls in proportion to the frequency, and a transfer of half of it."""
    names = dict.fromkeys(columns.SCORES[:8], "") | {
        "model": "care", "seed": "0", "tested_on": "worms", "condition": "1", "volume": "a",
        "output": "network", "direction": "xy",
    }  # fmt: skip
    correlation = value * (1 - np.asarray(frequency))
    values = {"frequency": frequency, "correlation": correlation, "transfer": correlation / 2}
    return pd.DataFrame(values | {"count": 9}).assign(**names | changes)


def test_means_and_intervals_are_over_volumes():
    values = np.array([0.5, 0.6, 0.9])
    curves = pd.concat([curve(value, volume=f"v{i}") for i, value in enumerate(values)])
    means = curve_means(curves).set_index(["metric", "frequency"])
    assert len(means) == 6
    for frequency in FREQUENCIES:
        row = means.loc[("correlation", frequency)]
        assert row["mean"] == pytest.approx(values.mean() * (1 - frequency))
        assert row["high"] - row["mean"] == pytest.approx(students(values) * (1 - frequency))
        assert means.loc[("transfer", frequency), "mean"] == pytest.approx(row["mean"] / 2)


def test_trainings_are_averaged_for_each_volume():
    curves = [
        curve(value + 0.1 * seed, volume=volume, seed=str(seed))
        for seed in (0, 1, 2)
        for volume, value in (("a", 0.2), ("b", 0.4), ("c", 0.6))
    ]
    means = curve_means(pd.concat(curves))
    assert set(means["n"]) == {3}
    assert means["mean"].max() == pytest.approx(0.5 * 0.9)


def test_methods_conditions_and_directions_stay_apart():
    curves = [
        curve(0.5),
        curve(0.6, direction="z"),
        curve(0.7, condition="2"),
        curve(0.8, model="", seed="", output="gaussian"),
    ]
    means = curve_means(pd.concat(curves))
    assert len(means) == 4 * 2 * 3
    assert set(means["method"]) == {"care", "gaussian"}


def test_volumes_of_different_shapes_share_the_frequencies_of_the_coarsest():
    fine = np.linspace(0.05, 0.5, 10)
    curves = [
        curve(value, frequency, volume=volume, output=output, model="", seed="")
        for volume, frequency, value in (("a", fine, 0.4), ("b", FREQUENCIES, 0.6))
        for output in ("input", "gaussian")
    ]
    means = curve_means(pd.concat(curves)).query("metric == 'correlation'")
    assert sorted(set(means["frequency"])) == pytest.approx(list(FREQUENCIES))
    assert set(means["n"]) == {2}
    np.testing.assert_allclose(means["mean"], 0.5 * (1 - means["frequency"]))
