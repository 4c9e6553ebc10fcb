"""How steps are compiled follows from a trial on the card, is kept, and never is the slower way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from made_up_training import COMPUTE, run_of

from denoising.running.gpus import Card, Gpu
from denoising.training import compilation
from denoising.training.compilation import (
    CHANNELS_LAST,
    LIBRARY,
    PLAIN,
    Compilation,
    Measurement,
    Question,
    fastest,
    is_resident,
    settle_compilation,
    trial,
    trials,
)

CARD = Card("NVIDIA A100", (8, 0), "550.54")
XLA = Compilation(xla=True)
LAST = Compilation(xla=True, channels_last=True)
LONG = {"epochs": 100, "steps_per_epoch": 400}  # 40,000 steps
SHAPE = (16, 64, 64)


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    monkeypatch.setenv("DENOISING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/nowhere")
    for name in ("CUDA_CACHE_PATH", "CUDA_CACHE_MAXSIZE"):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def asked(machine):
    """Answers of the trial's processes by (XLA, channels last); what they were asked."""
    asked = []
    answers = {
        (False, False): [Measurement(PLAIN, 1, 0.02)],
        (True, True): [Measurement(LAST, 40, 0.01)],
        (True, False): [Measurement(XLA, 30, 0.03)],
    }

    def process(question):
        asked.append(question)
        return answers[question.xla, question.channels_last]

    machine.setattr(compilation, "trial", process)
    return asked, answers


def settled(card=CARD, compute=COMPUTE, resident=True, **changes):
    return settle_compilation(run_of("worm", **changes), SHAPE, compute, card, resident)


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
        "measuring how the steps of such a network run fastest on this GPU",
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
    assert questions(card=replace(CARD, name="NVIDIA A30")) == 3
    machine.setattr(compilation, "version", lambda package: "2.20")
    assert questions() == 3
    machine.setattr(compilation, "STEP_CODE", ["steps.py"])
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
    found = [Measurement(PLAIN, 0, 0.01), Measurement(XLA, 0, step)]
    assert fastest(found, 10_000, resident=True) == expected


def test_the_time_to_compile_counts():
    found = [Measurement(PLAIN, 1, 0.01), Measurement(XLA, 60, 0.005)]
    assert fastest(found, 10_000, resident=True) == PLAIN
    assert fastest(found, 20_000, resident=True) == XLA


def test_several_steps_per_call_count_only_where_patches_are_resident(asked):
    several = Compilation(xla=True, channels_last=True, steps_per_call=8)
    asked[1][True, True] = [Measurement(LAST, 40, 0.03), Measurement(several, 40, 0.01)]
    assert settled(**LONG) == several
    assert settled(**LONG, resident=False) == PLAIN
    assert len(asked[0]) == 3  # both from the same measurements


def test_ways_that_fail_are_left_out(asked):
    asked[1][True, True] = []
    assert settled(**LONG) == PLAIN


def test_where_the_plain_way_fails_nothing_is_compared_with_it_and_nothing_kept(asked, caplog):
    asked[1][False, False] = [Measurement(Compilation(folded=True), 1, 0.001)]
    assert settled(**LONG) == PLAIN
    assert "no trial ended well: the training takes the plain way" in caplog.text
    assert settled(**LONG) == PLAIN  # and measures again
    assert [question.xla for question in asked[0]] == [False, False]


DAMAGED = ["", "[{}]", "{", '[{"way": {"xla": 1, "new": 2}, "compiling": 1, "step": 1}]', "[3]"]


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
    assert "the measurements are not kept" in caplog.text


# Patches on the device


@pytest.mark.parametrize(("free", "resident"), [(None, False), (40_000, True), (39_000, False)])
def test_patches_are_resident_where_they_take_less_than_half_of_what_is_free(
    monkeypatch, free, resident
):
    monkeypatch.setattr(Gpu, "free_memory", lambda self: free)
    X = np.zeros((10, 250), np.float32)  # 10 kB, and targets as much
    assert is_resident(COMPUTE, X, Gpu(on_gpu=True)) == resident
    for asked in (True, False):
        assert is_resident(replace(COMPUTE, resident=asked), X, Gpu(on_gpu=True)) == asked


# The trial itself, on this machine's CPU; with XLA: tests/gpu


def question(**changes):
    settings = vars(run_of("trial").settings) | {"batch_size": 2}
    return replace(Question(settings, [8, 8], steps=10**9, device="cpu"), **changes)


def start_as(machine, code):
    """Let the process of a trial run this code."""
    start = subprocess.Popen
    machine.setattr(
        subprocess, "Popen", lambda command, **how: start([sys.executable, "-c", code], **how)
    )


def test_a_trial_takes_the_steps_of_a_training_in_each_way():
    plain, folded, several = trial(question())
    assert [one.way for one in (plain, folded)] == [PLAIN, Compilation(folded=True)]
    assert several.way in [
        Compilation(steps_per_call=8),
        Compilation(folded=True, steps_per_call=8),
    ]
    for one in (plain, folded, several):
        assert 0 < one.step < one.compiling < 60


def test_a_trial_ends_early_where_the_training_would_be_short(machine, tmp_path):
    """And takes nothing in the folder of the study for a library."""
    machine.chdir(tmp_path)
    (tmp_path / "pandas.py").write_text("raise SystemExit('taken for a library')")
    assert [one.way for one in trials(question(steps=10))] == [PLAIN]


def test_what_a_trial_has_to_say_is_said_on_the_console_as_it_comes(machine, caplog):
    """Such as that the driver compiles TensorFlow's kernels for the card, which takes minutes."""
    start_as(machine, "print('said: the driver compiles it now'); print('{}')")
    with pytest.raises(KeyError):  # the line is no measurement
        trial(question())
    assert caplog.messages == ["the driver compiles it now"]


def test_a_training_that_is_asked_to_end_does_not_wait_for_its_trial(machine):
    """As by a scheduler: `open_log` makes SystemExit of SIGTERM."""
    start_as(machine, "import time; time.sleep(60)")
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGUSR1))
    kept = signal.signal(signal.SIGUSR1, lambda *_: sys.exit(143))
    start = time.monotonic()
    timer.start()
    with pytest.raises(SystemExit):
        trial(question())
    signal.signal(signal.SIGUSR1, kept)
    assert time.monotonic() - start < 30


def test_a_trial_ends_with_a_training_that_is_killed(tmp_path):
    """Or it would keep a GPU's memory that is no longer reserved."""
    code = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); signal.pause()"
    child = f"from denoising.training import trial; trial.end_with_the_training(); {code}"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    read, write = os.pipe()
    done = subprocess.Popen(
        [sys.executable, "-c", parent, child], env=environment, stderr=write, pass_fds=[write]
    )
    os.close(write)
    with os.fdopen(read) as of_child:
        of_child.read()  # until the last of the two has ended
    assert done.wait() == -signal.SIGKILL


def test_a_trial_that_cannot_begin_measures_nothing(caplog):
    """No GPU is here."""
    assert trial(question(device="gpu")) == []
    assert "the trial of no XLA ended after" in caplog.text


@pytest.mark.parametrize(("end", "limit"), [("os.abort()", 60), ("time.sleep(60)", 2)])
def test_a_trial_that_crashes_or_hangs_loses_what_it_had_not_measured(end, limit, machine, caplog):
    machine.setattr(compilation, "LONGEST_TRIAL", limit)
    measured = json.dumps(asdict(Measurement(PLAIN, 1, 0.02)))
    start_as(machine, f"import os, time; print({measured!r}, flush=True); {end}")
    assert trial(question()) == [Measurement(PLAIN, 1, 0.02)]
    assert "the trial of no XLA ended after" in caplog.text


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
