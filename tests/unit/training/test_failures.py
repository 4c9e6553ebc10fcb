"""Losses that are not finite end a training, and say which patches to look at."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up_training import (
    IGNORED_WARNINGS,
    SEED,
    TRAIN,
    VALIDATION,
    checkpoints_of,
    evaluate,
    train_model,
)

from denoising.training.batches import batch_indices, validation_subset
from denoising.training.failures import describe_not_finite

pytestmark = IGNORED_WARNINGS


def with_nan(patches, folder, index):
    shutil.copytree(patches, folder)
    X = np.load(folder / "X.npy")
    X[index, 0, 0] = np.nan
    np.save(folder / "X.npy", X)
    return folder


ONE_BY_ONE = {"epochs": 5, "steps_per_epoch": 1, "batch_size": 1}


def patch_of_epoch(epoch):
    """The patch that epoch `epoch` sees when each epoch is one step of one patch."""
    return int(batch_indices(TRAIN, 1, epoch - 1, SEED)[0])


@pytest.fixture(scope="module")
def broken(patches, models):
    """A model whose third epoch meets NaN: the error, and the folder where its best weights are."""
    bad = with_nan(patches, models / "nan-in-3", patch_of_epoch(3))
    with pytest.raises(FloatingPointError) as error:
        train_model(bad, models / "broken", **ONE_BY_ONE)
    (kept,) = checkpoints_of(models / "broken").iterdir()
    return str(error.value), kept


def test_nan_ends_training_and_says_where(broken):
    message, kept = broken
    assert message.startswith(
        "model broken: the loss is not finite in epoch 3, step 1, at learning rate 0.004, on "
    )
    assert f"on patches {patch_of_epoch(3)}. Patches {patch_of_epoch(3)} hold values" in message
    assert f"are kept in {kept}" in message


def test_the_best_weights_before_a_nan_are_kept(broken, patches):
    _, kept = broken
    X, Y = (np.load(patches / f"{name}.npy")[TRAIN:] for name in "XY")
    history = pd.read_csv(kept / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert evaluate(kept, X, Y)["loss"] == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_the_model_folder_of_a_broken_training_is_not_written(broken, models):
    assert not (models / "broken").exists()


def test_a_nan_in_the_first_epoch_leaves_no_weights(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-1", patch_of_epoch(1))
    with pytest.raises(FloatingPointError, match="in epoch 1, step 1.* No epoch was finished"):
        train_model(bad, models / "stillborn", **ONE_BY_ONE)
    assert not list(models.glob("**/stillborn/**/*.h5"))


def test_a_nan_among_the_patches_that_validate_is_named(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-validation", TRAIN)
    with pytest.raises(
        FloatingPointError, match=f"validation loss is not finite in epoch 1.*Patches {TRAIN} hold"
    ):
        train_model(bad, models / "unjudged", **ONE_BY_ONE)


def test_a_nan_beside_the_subset_that_validates_is_not_passed_over(patches, models, untraced):
    subset = validation_subset(np.arange(TRAIN, TRAIN + VALIDATION), 2)
    beside = next(i for i in range(TRAIN, TRAIN + VALIDATION) if i not in subset)
    bad = with_nan(patches, models / "nan-beside-the-subset", beside)
    with pytest.raises(
        FloatingPointError, match=f"whole validation set is not finite.*Patches {beside} hold"
    ):
        train_model(bad, models / "half-judged", validation_patches=2)
    assert not (models / "half-judged").exists()


def test_weights_that_diverge_are_told_from_bad_patches(patches, models, untraced):
    with pytest.raises(
        FloatingPointError, match="are finite, so the weights have diverged: set a smaller"
    ):
        train_model(patches, models / "diverged", learning_rate=1e30, loss="mse")


def test_of_many_patches_the_first_are_listed():
    pairs = SimpleNamespace(X=np.zeros((100, 2)), Y=np.zeros((100, 2)))
    message = describe_not_finite(pairs, np.arange(100), "float32")
    assert message.startswith("on patches 0, 1, 2,")
    assert " 62, 63 and 36 more. All their values are finite" in message


def test_float16_has_a_remedy_of_its_own():
    """Its largest number is 65,504."""
    pairs = SimpleNamespace(X=np.zeros((1, 2)), Y=np.zeros((1, 2)))
    remedy = "a smaller learning_rate, or precision: float32, because float16 overflows early."
    assert describe_not_finite(pairs, np.arange(1), "float16").endswith(remedy)
    assert describe_not_finite(pairs, np.arange(1), "bfloat16").endswith("a smaller learning_rate.")
