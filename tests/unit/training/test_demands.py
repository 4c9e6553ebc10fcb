"""What a training will take, against what trainings count and what layers put out."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from csbdeep.models import CARE
from made_up import study_of, training_settings

from denoising.study.training import TrainingRun
from denoising.training.demands import demands, is_trained, outputs_per_voxel, sustained_rate
from denoising.training.network import care_config

STUDY = study_of({"mine": {"models": {"care": {"trained_on": "planaria"}}}})
# Twelve images of two conditions to train on, with 64 patches each
IMAGES = pd.DataFrame(
    [
        ("train", condition, "16x64x64", "uint16")
        for condition in ("truth", "1", "2")
        for _ in "abcdef"
    ],
    columns=["part", "condition", "shape", "dtype"],
)


def test_flop_are_those_of_three_passes_per_step_and_one_of_validation():
    settings = training_settings(epochs=10, steps_per_epoch=20, batch_size=4)
    needed = demands(settings, STUDY.datasets["planaria"], IMAGES, 0.25)
    patches = 3 * 10 * 20 * 4 + 10 * (12 * 64 / 4)
    # The published network: 0.347 MFLOP per voxel
    assert needed.flop == pytest.approx(0.347e6 * 8 * 16 * 16 * patches, rel=0.01)


def test_memory_grows_with_the_batch():
    small, large = (
        demands(training_settings(batch_size=n), STUDY.datasets["planaria"], IMAGES, 0.2).memory
        for n in (2, 20)
    )
    # Measured with 131,072 voxels: 284 MB above TensorFlow
    voxels = 18 * 8 * 16 * 16
    assert large - small == pytest.approx(298e6 * voxels / 131_072, rel=0.1)


def test_outputs_are_those_of_every_layer():
    model = CARE(care_config(training_settings(width=4), "ZYX"), basedir=None).keras_model
    outputs = keras.Model(model.input, [layer.output for layer in model.layers])(
        np.zeros((1, 8, 16, 16, 1), np.float32)
    )
    values = sum(np.prod(output.shape) for output in outputs)
    assert outputs_per_voxel(model) == pytest.approx(values / (8 * 16 * 16))


def test_a_model_of_other_settings_is_still_to_train(tmp_path):
    run = TrainingRun("care", training_settings(), 3)
    assert not is_trained(run, tmp_path)
    (tmp_path / "training.json").write_text(json.dumps({"settings": run.values}))
    assert is_trained(run, tmp_path)
    assert not is_trained(TrainingRun("care", training_settings(epochs=7), 3), tmp_path)


def test_the_rate_is_measured_for_as_long_as_asked():
    assert 1e8 < sustained_rate("float32", on_gpu=False, seconds=0.1) < 1e14
