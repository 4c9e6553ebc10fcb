"""The methods paragraph: every setting of a training that a reader needs, and no other."""

import pytest
from made_up import study_of

from denoising.report.methods import methods

VERSIONS = {"csbdeep": "0.8.2", "tensorflow": "2.19.1"}
MODELS = {"worm": {"trained_on": "planaria", "epochs": 7, "steps_per_epoch": 5, "batch_size": 3}}


def paragraph(models=MODELS, **changes):
    study = study_of({"mine": {"models": models}}, **changes)
    return methods(study, {"planaria": 4}, VERSIONS, "abc")


def test_one_training_is_told_in_full():
    text = paragraph()
    for said in (
        "csbdeep 0.8.2 and TensorFlow 2.19.1: residual U-Nets of depth 2 with kernels of 3 voxels "
        "and 32 features at the first level",
        "a Laplace distribution",
        "Training took 7 epochs of 5 steps of 3 patches.",
        "Adam had a learning rate of 0.0004 that fell by a factor of 0.5 after 10 epochs without",
        "Networks began with random weights.",
        "held out: 4 of planaria",
        "Commit of the workflow: abc.",
    ):
        assert said in text, said
    assert "weighed" not in text


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"scale_weight": 1}, "weighed by its predicted scale to the power of 1."),
        ({"augment": True}, "flipped and rotated"),
        ({"restarts": 3}, "up to 3 times."),
        ({"initial_weights": "identity"}, "Networks began as the identity"),
        ({"warmup_steps": 40}, "0.0004, reached over 40 steps, that fell"),
        ({"schedule": "cosine"}, "that fell as a cosine."),
        ({"loss": "mae"}, "They minimised the mean absolute error."),
    ],
)
def test_what_a_study_does_besides_is_told(setting, said):
    assert said in paragraph({"worm": MODELS["worm"] | setting})


def test_models_that_differ_are_told_by_name():
    text = paragraph(MODELS | {"wide": MODELS["worm"] | {"width": 64, "epochs": 9}})
    assert "32 or 64 features" in text
    assert "by model: worm: 7 epochs of 5 steps of 3 patches; wide: 9 epochs of 5 steps" in text


def test_a_training_that_goes_on_from_another_says_from_which():
    models = MODELS | {"further": MODELS["worm"] | {"start_from": "worm"}}
    assert "with the weights of worm" in paragraph(models)


def test_a_study_without_filters_says_nothing_of_them():
    assert "Filters (Gaussian" in paragraph(baselines=["gaussian"])
    assert "Filters" not in paragraph(baselines=[])
