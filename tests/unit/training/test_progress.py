"""Progress: the history's rows, TensorBoard's scalars, and a forecast in a long first epoch."""

import itertools
import json
import re
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from made_up_training import (
    CPU,
    IGNORED_WARNINGS,
    PLAIN_EXECUTION,
    VALIDATION,
    checkpoint_names,
    run_of,
    split,
    train_model,
)

from denoising.training import loop
from denoising.training.batches import PatchPairs
from denoising.training.loop import Folders, Trainer, train
from denoising.training.progress import COLUMNS, largest, rounded_duration

pytestmark = IGNORED_WARNINGS


# History


def test_history_is_a_row_an_epoch(worm):
    history = pd.read_csv(worm / "history.csv")
    assert list(history) == COLUMNS
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["samples_seen"].tolist() == [6, 12, 18]  # 2 steps of 3 patches
    assert history["learning_rate"].to_numpy() == pytest.approx(0.004)
    there = history.drop(columns=["device_memory_mb", "gpu_energy_kj"])  # there is no GPU
    assert np.isfinite(there.to_numpy()).all()


def test_history_counts_what_training_costs(worm):
    history = pd.read_csv(worm / "history.csv")
    assert (history["seconds"] > history["training_seconds"]).all()
    np.testing.assert_allclose(
        history["samples_per_second"], 6 / history["training_seconds"], rtol=0.02
    )
    np.testing.assert_allclose(
        history["voxels_per_second"], 6 * 96 / history["training_seconds"], rtol=0.02
    )
    described = json.loads((worm / "training.json").read_text())
    # three passes per patch that trains, one per patch that validates, 96 voxels each
    flop = described["flop_per_voxel_forward"] * 96 * (3 * 6 + VALIDATION)
    np.testing.assert_allclose(history["teraflop"], flop / 1e12, rtol=0.05)
    assert history["host_memory_mb"].is_monotonic_increasing
    assert (history["host_memory_mb"] > 50).all()


@pytest.mark.parametrize(
    ("values", "expected"), [([None], None), ([3.0, None], 3.0), ([None, 2.0, 5.0], 5.0)]
)
def test_a_counter_that_fails_sometimes_stops_nothing(values, expected):
    assert largest(values) == expected


# TensorBoard


def test_tensorboard_is_written_if_asked(patches, tmp_path, untraced):
    folders = Folders(tmp_path / "worm", tmp_path / "checkpoints", tmp_path / "t")
    run = run_of("worm", epochs=1, steps_per_epoch=1)
    train(run, PatchPairs.open(patches, split()), folders, CPU, PLAIN_EXECUTION)
    (events,) = (tmp_path / "t").iterdir()
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert tags == {"loss", "val_loss", "learning_rate"}


# Forecast


class Interrupted(Exception):
    pass


@pytest.fixture
def forecasts(monkeypatch, caplog, untraced):
    """Train by a clock that shows 100 s for the first step and 10 s for each other step.

    Returns the forecasts.
    """

    def trained(patches, folder, interrupt_at=None, **changes):
        now = [0.0]
        steps = itertools.count(1)
        collect_losses = Trainer._collect_losses

        def collecting(self, *arguments):
            collect_losses(self, *arguments)
            step = next(steps)
            now[0] += 100 if step == 1 else 10
            if step == interrupt_at:
                raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_collect_losses", collecting)
            patch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0]))
            caplog.clear()
            with suppress(Interrupted), caplog.at_level("INFO"):
                train_model(patches, folder, **changes)
        messages = [record.getMessage() for record in caplog.records]
        return [message for message in messages if " s per step" in message]

    return trained


def test_a_long_first_epoch_says_once_how_long_it_will_all_take(patches, tmp_path, forecasts):
    (forecast,) = forecasts(patches, tmp_path / "worm", epochs=2, steps_per_epoch=36)
    # 36 steps of 10 s, and 5 patches to validate on, as many as 5 / 9 of a step; 7 steps are taken
    about = (
        r"worm: 10 s per step: an epoch takes about 6\.1 min, the training 11 min "
        r"\(epochs left: 2\), done about "
    )
    assert re.fullmatch(about + r"\w{3} \d\d \w{3} \d\d:\d\d", forecast)


def test_a_resumed_training_foretells_what_is_left(patches, tmp_path, forecasts):
    long = {"epochs": 60, "steps_per_epoch": 9}
    assert len(forecasts(patches, tmp_path / "worm", interrupt_at=22, **long)) == 1
    assert checkpoint_names(tmp_path / "worm")[-1] == "epoch-00002"
    (forecast,) = forecasts(patches, tmp_path / "worm", interrupt_at=9, **long)
    expected = "an epoch takes about 1.6 min, the training 91 min (epochs left: 58), done about "
    assert expected in forecast


def test_an_epoch_that_ends_by_then_speaks_for_itself(patches, tmp_path, forecasts):
    assert forecasts(patches, tmp_path / "worm", epochs=3, steps_per_epoch=7) == []


@pytest.mark.parametrize(
    ("seconds", "about"), [(61, "1 min"), (2880, "48 min"), (8640, "2.4 h"), (288500, "80 h")]
)
def test_times_have_two_digits(seconds, about):
    assert rounded_duration(seconds) == about
