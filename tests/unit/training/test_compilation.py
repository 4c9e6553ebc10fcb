"""How steps are compiled follows from a trial on the card, is kept, and never is the slower way."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from made_up_training import COMPUTE, run_of

from denoising.running.devices import Card
from denoising.training import compilation
from denoising.training.compilation import (
    CHANNELS_LAST,
    LIBRARY,
    PLAIN,
    Compilation,
    Measured,
    fastest,
    settle_compilation,
    trial,
    trials,
)

CARD = Card("NVIDIA H100", (9, 0), "550.54")
XLA = Compilation(xla=True)
LAST = Compilation(xla=True, channels_last=True)
LONG = {"epochs": 100, "steps_per_epoch": 400}  # 40,000 steps
SHAPE = (16, 64, 64)


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    monkeypatch.setenv("DENOISING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    return monkeypatch


@pytest.fixture
def asked(machine):
    """Answers of the trial's processes by (XLA, channels last); what they were asked."""
    asked = []
    answers = {
        (False, False): [Measured(PLAIN, 1, 0.02)],
        (True, True): [Measured(LAST, 40, 0.01)],
        (True, False): [Measured(XLA, 30, 0.03)],
    }

    def process(question):
        asked.append(question)
        return answers[question["xla"], question["channels_last"]]

    machine.setattr(compilation, "trial", process)
    return asked, answers


def settled(card=CARD, compute=COMPUTE, **changes):
    return settle_compilation(run_of("worm", **changes), SHAPE, compute, card)


@pytest.mark.parametrize(
    ("xla", "expected", "flags"),
    [
        (False, PLAIN, []),
        (True, XLA, []),
        ("channels_last", LAST, [CHANNELS_LAST]),
    ],
)
def test_what_the_config_says_is_not_tried(asked, xla, expected, flags):
    assert settled(compute=replace(COMPUTE, xla=xla), **LONG) == expected
    assert asked[0] == []
    # Flags of the user's own stay
    assert os.environ["XLA_FLAGS"].split() == ["--xla_dump_to=/nowhere", *flags]


def test_a_cpu_takes_the_plain_way(asked):
    assert settled(card=None, **LONG) == PLAIN
    assert asked[0] == []


def test_the_fastest_way_of_the_card_is_taken_and_said(asked, caplog):
    caplog.set_level("INFO")
    assert settled(**LONG) == LAST
    assert CHANNELS_LAST in os.environ["XLA_FLAGS"]
    assert caplog.messages == [
        "worm: measuring how its steps run fastest on NVIDIA H100",
        "worm: XLA, channels last (per step: no XLA: 20 ms; XLA, channels last: 10 ms; XLA: 30 ms)",
    ]


def test_what_was_found_is_asked_once_for_each_card_driver_network_and_patch(asked, machine):
    def questions(**changes):
        before = len(asked[0])
        settled(**LONG | changes)
        return len(asked[0]) - before

    assert questions() == 3
    assert questions() == 0
    # What does not change a step
    assert questions(learning_rate=1e-5, epochs=200) == 0
    assert questions(width=8) == questions(batch_size=4) == questions(loss="mae") == 3
    assert questions(card=replace(CARD, driver="560.1")) == 3
    assert questions(card=replace(CARD, name="NVIDIA A100")) == 3
    machine.setattr(compilation, "version", lambda package: "2.20")
    assert questions() == 3


def test_a_short_training_does_not_wait_for_trials_of_xla(asked):
    """2 s of steps; the same network in a long training is tried then, and the short one after it
    takes what fits it.
    """
    assert settled(epochs=1, steps_per_epoch=100) == PLAIN
    assert len(asked[0]) == 1
    assert settled(epochs=1, steps_per_epoch=100) == PLAIN
    assert len(asked[0]) == 1
    assert settled(**LONG) == LAST
    assert settled(epochs=1, steps_per_epoch=100) == PLAIN


@pytest.mark.parametrize(
    ("step", "expected"), [(0.0102, PLAIN), (0.0098, PLAIN), (0.0096, XLA), (0.005, XLA)]
)
def test_the_plain_way_is_left_only_for_what_is_clearly_faster(step, expected):
    found = [Measured(PLAIN, 0, 0.01), Measured(XLA, 0, step)]
    assert fastest(found, 10_000) == expected


def test_the_time_to_compile_counts():
    found = [Measured(PLAIN, 1, 0.01), Measured(XLA, 60, 0.005)]
    assert fastest(found, 10_000) == PLAIN
    assert fastest(found, 20_000) == XLA


def test_ways_that_fail_are_left_out(asked):
    asked[1][True, True] = []
    assert settled(**LONG) == PLAIN
    asked[1][False, False] = []
    assert settled(**LONG, width=8) == XLA


def test_where_all_fail_it_trains_the_plain_way_and_says_so(asked, caplog):
    for key in asked[1]:
        asked[1][key] = []
    assert settled(**LONG) == PLAIN
    assert "no trial on NVIDIA H100 ended well: it trains without XLA" in caplog.text
    assert settled(**LONG) == PLAIN  # and asks again
    assert len(asked[0]) == 6


DAMAGED = ["", "[{}]", "{", '[{"compilation": {"xla": 1, "new": 2}}]', "[3]"]


@pytest.mark.parametrize("kept", DAMAGED)
def test_a_damaged_answer_is_asked_for_again(asked, tmp_path, kept):
    settled(**LONG)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_text(kept)
    assert settled(**LONG) == LAST
    assert len(asked[0]) == 6
    assert len(json.loads(path.read_text())) == 3


def test_without_a_folder_for_the_answer_it_is_used_once(asked, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    assert settled(**LONG) == LAST
    assert "what the trial found is not kept" in caplog.text


# The trial itself, on this machine's CPU


def question(**changes):
    settings = vars(run_of("trial").settings) | {"batch_size": 2}
    asked = {"settings": settings, "shape": (8, 8), "device": "cpu", "memory_growth": True}
    return asked | {"steps": 10**9, "xla": False, "channels_last": False} | changes


def test_a_trial_takes_the_steps_of_a_training_in_each_way():
    plain, folded, several = trial(question())
    assert [each.compilation for each in (plain, folded)] == [PLAIN, Compilation(folded=True)]
    assert several.compilation in [
        Compilation(steps_per_call=8),
        Compilation(folded=True, steps_per_call=8),
    ]
    for each in (plain, folded, several):
        assert 0 < each.step < each.compiling < 60


def test_a_trial_of_xla_sets_its_flags_and_no_others():
    found = trial(question(xla=True, channels_last=True))
    assert len(found) == 3
    assert all(each.compilation.xla and each.compilation.channels_last for each in found)
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=/nowhere"


def test_a_trial_ends_early_where_the_training_would_be_short():
    assert [each.compilation for each in trials(question(steps=10))] == [PLAIN]


def test_a_trial_that_ends_badly_finds_nothing(caplog):
    """No GPU is here."""
    assert trial(question(device="gpu")) == []
    assert "ended with exit status" in caplog.text


def test_the_way_is_settled_before_tensorflow_is_imported():
    code = "import sys, denoising.training.compilation; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_this_xla_knows_the_flag(machine):
    """One that it does not know ends the process."""
    code = "import tensorflow as tf; tf.function(lambda x: x + 1, jit_compile=True)(tf.zeros(2))"
    for flag, ends_well in ((CHANNELS_LAST, True), ("--xla_gpu_no_such_flag=true", False)):
        environment = {**os.environ, "XLA_FLAGS": flag}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert (done.returncode == 0) == ends_well
