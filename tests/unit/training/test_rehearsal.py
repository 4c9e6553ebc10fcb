"""A device that cannot take the first step gets less to do, or the training ends with a sentence.

Stands in for the device: the compiled step, which raises what a GPU's libraries raise.
"""

import logging
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from made_up_training import (
    COMPUTE,
    IGNORED_WARNINGS,
    PLAIN_EXECUTION,
    assert_same,
    described,
    run_of,
    split,
    train_model,
)

from denoising.training import steps
from denoising.training.batches import PatchPairs
from denoising.training.network import Device
from denoising.training.rehearsal import rehearsed
from denoising.training.steps import TrainingSteps

pytestmark = IGNORED_WARNINGS
GPU = Device("GPU", "GPU, fake", (8, 0))
EVERYTHING = replace(PLAIN_EXECUTION, xla=True, channels_last=True, folded=True, resident=True)
NO_MEMORY = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
NO_COPY = tf.errors.InternalError(None, None, "Dst tensor is not initialized.")
NO_ALGORITHM = tf.errors.NotFoundError(
    None, None, "Failed to determine best cudnn convolution algorithm for: %cudnn-conv"
)
NOT_COMPILED = tf.errors.UnimplementedError(None, None, "unsupported by XLA")


@pytest.fixture
def pairs(patches):
    return PatchPairs.open(patches, split())


@pytest.fixture
def failing(monkeypatch):
    """Have each step end with an error that a function of the execution gives, if any; what was
    tried.
    """
    tried = []
    # The steps run on this machine's CPU, where XLA is slow to compile
    monkeypatch.setattr(TrainingSteps, "read", lambda self, indices: self.patches.X[indices])
    monkeypatch.setattr(
        TrainingSteps, "mean_losses", lambda self, patches, after_batch: [0.0, 0.0, 0.0]
    )
    monkeypatch.setattr(
        tf.config, "get_visible_devices", lambda kind: [f"/physical_device:{kind}:0"]
    )

    def give(error_of):
        def build(function, **options):
            execution = function.__self__.execution

            def step(*_):
                if function.__name__ != "_train_all":
                    return None
                tried.append(execution)
                if error := error_of(execution):
                    raise error
                steps = function.__self__
                steps.network.set_weights([w + 1 for w in steps.network.get_weights()])
                return tf.zeros((1, 3))

            return step

        monkeypatch.setattr(tf, "function", build)
        return tried

    return give


def test_the_first_step_is_taken_and_undone(pairs, failing):
    tried = failing(lambda execution: None)
    taken = rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)
    assert tried == [taken.execution] == [EVERYTHING]
    expected = TrainingSteps(run_of("worm"), pairs, GPU, EVERYTHING)
    for values, initial in zip(taken.state(), expected.state(), strict=True):
        assert_same(values, initial)


@pytest.mark.parametrize("error", [NO_MEMORY, NO_COPY])
def test_without_memory_the_patches_stay_on_disk(pairs, failing, error, caplog):
    tried = failing(lambda execution: error if execution.resident else None)
    taken = rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)
    assert tried == [EVERYTHING, taken.execution]
    assert taken.execution == replace(EVERYTHING, resident=False)
    assert "worm: out of memory with all patches on the device: it reads them" in caplog.text
    assert error.message in caplog.text


def test_a_way_that_won_with_several_steps_a_call_is_left_with_them(pairs, failing):
    """With one it may be slower than the plain way."""
    failing(lambda execution: NO_MEMORY if execution.resident else None)
    taken = rehearsed(run_of("worm"), pairs, GPU, replace(EVERYTHING, steps_per_call=8))
    assert taken.execution == PLAIN_EXECUTION


def test_where_that_is_not_enough_the_message_names_the_batch_size(pairs, failing):
    tried = failing(lambda execution: NO_MEMORY)
    with pytest.raises(RuntimeError, match="batch_size 3; set a smaller batch_size.*OOM when"):
        rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)
    assert [execution.resident for execution in tried] == [True, False]


@pytest.mark.parametrize("error", [NOT_COMPILED, NO_ALGORITHM])
def test_what_xla_cannot_compile_runs_without_it(pairs, failing, error, caplog):
    tried = failing(lambda execution: error if execution.xla else None)
    taken = rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)
    assert tried == [EVERYTHING, taken.execution]
    assert taken.execution == replace(PLAIN_EXECUTION, resident=True)
    assert "worm: XLA cannot compile its steps: it trains without XLA." in caplog.text


def test_no_algorithm_for_want_of_memory_ends_on_disk_without_xla(pairs, failing):
    """cuDNN does not say which it was."""
    failing(lambda execution: NO_ALGORITHM if execution.resident else None)
    taken = rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)
    assert taken.execution == PLAIN_EXECUTION


def test_other_errors_stay_what_they_are(pairs, failing):
    failing(lambda execution: NOT_COMPILED)
    with pytest.raises(tf.errors.UnimplementedError, match="unsupported by XLA"):
        rehearsed(run_of("worm"), pairs, GPU, EVERYTHING)


def test_patches_that_do_not_fit_before_any_step_stay_on_disk(pairs, failing, monkeypatch):
    """The copy itself fails."""
    failing(lambda execution: None)

    def copy(array):
        raise NO_MEMORY

    monkeypatch.setattr("denoising.training.steps.on_device", copy)
    assert not rehearsed(run_of("worm"), pairs, GPU, EVERYTHING).execution.resident


def test_a_real_step_that_xla_cannot_compile_trains_without_it(
    patches, models, monkeypatch, caplog
):
    """On this machine's CPU, with an operation that XLA has not."""
    caplog.set_level(logging.INFO)
    compute = replace(COMPUTE, xla=True)
    plain = steps.restored_by

    def restored_by(network, x, execution, training):
        if execution.xla:
            x = x + 0 * tf.cast(tf.strings.length(tf.strings.as_string(x)), tf.float32)
        return plain(network, x, execution, training)

    monkeypatch.setattr(steps, "restored_by", restored_by)
    history = train_model(patches, models / "rehearsed", compute=compute)
    assert "rehearsed: XLA cannot compile its steps: it trains without XLA." in caplog.text
    assert not described(models / "rehearsed")["xla"]
    monkeypatch.undo()
    expected = train_model(patches, models / "unrehearsed")
    np.testing.assert_array_equal(history["loss"], expected["loss"])


def test_a_rate_that_cannot_be_measured_costs_nothing(patches, models, monkeypatch):
    def rate(precision, on_gpu):
        raise NO_MEMORY

    monkeypatch.setattr("denoising.training.costs.matmul_rate", rate)
    history = train_model(patches, models / "unrated")
    assert len(history) == 3
    assert history["matmul_share"].isna().all()
    assert described(models / "unrated")["matmul_gflop_per_second"] is None
