"""Learning rate, best epoch and end, each a function of the validation losses so far."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import PLATEAU_SETTINGS as SETTINGS

from denoising.training.schedules import best_epoch, ended, learning_rate, warmed_up

# Plateaus


def rates_of(losses, **changes):
    """The rate of each epoch as a multiple of the first, and of the epoch after the last loss."""
    settings = replace(SETTINGS, learning_rate=1.0, plateau_factor=0.5, **changes)
    return [learning_rate(settings, losses[:epoch]) for epoch in range(len(losses) + 1)]


def test_the_rate_falls_once_its_patience_is_over_and_waits_as_long_again():
    assert rates_of([1.0] * 6) == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates_of([1.0] * 3, plateau_patience=1) == [1, 1, 0.5, 0.25]


def test_an_epoch_that_improves_begins_the_wait_anew():
    assert rates_of([4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 2.0]) == [1] * 7 + [0.5]


def test_only_what_comes_a_margin_below_the_best_is_an_improvement():
    """The best stays that of the last improvement, so small steps add up to one."""
    margin = {"plateau_min_delta": 0.25}
    assert rates_of([1.0, 0.75, 0.75], **margin) == [1, 1, 1, 0.5]
    assert rates_of([1.0, 0.625, 0.5, 0.4375], **margin) == [1, 1, 1, 1, 0.5]
    assert rates_of([1.0, 0.875, 0.6875, 0.6875], **margin) == [1] * 5


def test_a_loss_that_is_no_number_improves_nothing():
    assert rates_of([np.nan] * 2) == [1, 1, 0.5]
    assert rates_of([np.nan, 1.0, np.nan, 0.5]) == [1] * 5


def test_rates_are_those_that_float32_holds():
    """As the optimizer rounds them, after each fall anew."""
    first = np.float32(0.0004)
    second = np.float32(float(first) * 0.3)
    third = np.float32(float(second) * 0.3)
    rates = [learning_rate(SETTINGS, [1.0] * epochs) for epochs in (0, 3, 5)]
    assert rates == [first, second, third]
    assert all(type(rate) is float for rate in rates)
    cosine = replace(SETTINGS, schedule="cosine")
    assert learning_rate(cosine, [1.0] * 7) == np.float32(learning_rate(cosine, [1.0] * 7))


# Cosine, warm-up and end


def test_cosine_falls_from_the_learning_rate_to_nothing():
    settings = replace(SETTINGS, schedule="cosine", learning_rate=1.0)
    rates = [learning_rate(settings, [0.0] * epoch) for epoch in range(41)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[20], rates[40]) == pytest.approx((1, 0.5, 0))
    assert rates[10] == pytest.approx(0.853553, abs=1e-6)  # (1 + cos 45 degrees) / 2


def test_the_rate_rises_in_even_steps_to_that_of_the_schedule():
    settings = replace(SETTINGS, warmup_steps=4)
    rates = [warmed_up(settings, 0.5, number) for number in range(6)]
    assert rates == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert warmed_up(settings, 0.1, 0) == np.float32(0.025)


def test_without_warm_up_the_rate_is_the_schedules():
    assert [warmed_up(SETTINGS, 0.1, number) for number in (0, 7)] == [0.1, 0.1]


def test_the_best_epoch_is_the_first_of_the_least_loss():
    assert best_epoch([]) == 0
    assert best_epoch([3.0, 1.0, 2.0, 1.0]) == 2


def test_all_epochs_are_trained_unless_asked_to_stop_early():
    assert not ended(SETTINGS, [1.0] * 39)
    assert ended(SETTINGS, [1.0] * 40)


def test_early_stopping_waits_for_its_patience():
    settings = replace(SETTINGS, early_stopping_patience=3)
    assert not ended(settings, [])
    assert not ended(settings, [3.0, 1.0, 2.0, 1.0])
    assert ended(settings, [3.0, 1.0, 2.0, 1.0, 1.5])
    assert not ended(settings, [3.0, 1.0, 2.0, 1.0, 0.9])
