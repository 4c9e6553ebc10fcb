"""Training: csbdeep's, on patches that stay on disk, the same twice, and a history that says what happened."""

import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from csbdeep.models import CARE
from numpy.lib.format import open_memmap

from denoising.network import care_config
from denoising.training import COLUMNS, batches_from_disk, sample_order, train

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`"),
]
VALUES = {
    "width": 4,
    "depth": 1,
    "kernel": 3,
    "residual": True,
    "last_activation": "linear",
    "loss": "laplace",
    "epochs": 3,
    "steps_per_epoch": 2,
    "batch_size": 3,
    "learning_rate": 0.004,
    "plateau_factor": 0.5,
    "plateau_patience": 10,
    "plateau_min_delta": 0,
    "seed": 7,
}
TRAIN, VALIDATION = 8, 5


def write_patches(folder, shape=(8, 12)):
    """Noisy and clean patches, the last of which validate."""
    rng = np.random.default_rng(0)
    Y = rng.random((TRAIN + VALIDATION, *shape), np.float32)
    X = Y + rng.normal(0, 0.3, Y.shape).astype(np.float32)
    folder.mkdir(parents=True)
    np.save(folder / "X.npy", X)
    np.save(folder / "Y.npy", Y)
    return X, Y


def split(train=TRAIN, validation=VALIDATION):
    parts = ["train"] * train + ["validation"] * validation
    return pd.DataFrame({"patch": range(len(parts)), "part": parts})


def train_model(patches, folder, **changes):
    train(VALUES | changes, patches, split(), folder)
    return pd.read_csv(folder / "history.csv")


def best_weights(folder):
    return CARE(None, name=folder.name, basedir=str(folder.parent)).keras_model.get_weights()


def assert_same(these, those):
    for a, b in zip(these, those, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "patches"
    write_patches(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def worm(patches, models):
    """The folder of a model trained with `VALUES`."""
    train_model(patches, models / "worm")
    return models / "worm"


@pytest.fixture
def untraced():
    """Run step by step without tracing a graph first: twice as fast for a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# Order of patches


@pytest.mark.parametrize(("count", "batch_size", "batches"), [(10, 3, 10), (7, 7, 4), (4, 10, 6), (5, 1, 15)])
def test_every_patch_is_seen_equally_often(count, batch_size, batches):
    seen = np.concatenate(list(sample_order(count, batch_size, batches, seed=0)))
    assert len(seen) == batch_size * batches
    for passed in range(len(seen) // count):
        assert sorted(seen[passed * count : (passed + 1) * count]) == list(range(count))
    rest = seen[len(seen) // count * count :]
    assert len(set(rest)) == len(rest)


def test_order_does_not_depend_on_how_it_is_cut_into_batches():
    singly, threes, all_at_once = (
        np.concatenate(list(sample_order(10, size, 60 // size, seed=3))) for size in (1, 3, 60)
    )
    np.testing.assert_array_equal(singly, threes)
    np.testing.assert_array_equal(singly, all_at_once)


def test_order_is_shuffled_anew_in_each_pass_and_for_each_seed():
    first, second = sample_order(50, 50, 2, seed=0)
    (other,) = sample_order(50, 50, 1, seed=1)
    ordered = np.arange(50)
    for a, b in ((first, ordered), (first, second), (first, other)):
        assert (a != b).any()


def test_batches_are_gathered_in_the_order_asked(patches):
    X, Y = (np.load(patches / f"{name}.npy", mmap_mode="r") for name in "XY")
    indices = [np.array([3, 1, 4]), np.array([1, 5])]
    dataset = batches_from_disk(X, Y, lambda: iter(indices), 2)
    assert int(dataset.cardinality()) == 2
    for _ in range(2):  # each pass over the dataset starts afresh
        for chosen, (x, y) in zip(indices, dataset, strict=True):
            assert (x.dtype, x.shape) == ("float32", (len(chosen), 8, 12, 1))
            np.testing.assert_array_equal(x.numpy()[..., 0], X[chosen])
            np.testing.assert_array_equal(y.numpy()[..., 0], Y[chosen])


def test_epochs_go_on_where_the_last_one_ended(patches, models, untraced):
    """With weights that stand still, two epochs that make one pass see each patch once."""
    changes = {"learning_rate": 1e-30, "epochs": 2, "steps_per_epoch": 2, "batch_size": 2, "loss": "mae"}
    history = train_model(patches, models / "still", **changes)
    X, Y = np.load(patches / "X.npy")[:TRAIN], np.load(patches / "Y.npy")[:TRAIN]
    expected = evaluate(models / "still", X, Y)["loss"]
    assert history["loss"].mean() == pytest.approx(expected, rel=1e-5)
    assert history["loss"].nunique() == 2  # other patches, other losses


# History and folder


def test_folder_holds_csbdeeps_files_and_the_history(worm):
    assert {path.name for path in worm.iterdir()} == {"config.json", "weights_best.h5", "history.csv"}


def test_history_is_a_row_an_epoch(worm):
    history = pd.read_csv(worm / "history.csv")
    assert list(history) == COLUMNS == [
        *("epoch", "loss", "mse", "mae", "val_loss", "val_mse", "val_mae"),
        *("learning_rate", "seconds", "samples_seen"),
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["samples_seen"].tolist() == [6, 12, 18]  # 2 steps of 3 patches
    assert history["learning_rate"].to_numpy() == pytest.approx(0.004)
    assert (history["seconds"] > 0).all()
    assert np.isfinite(history.to_numpy()).all()


def evaluate(folder, X, Y):
    """Losses of a model folder, by stock csbdeep and Keras on arrays in memory."""
    model = CARE(None, name=folder.name, basedir=str(folder.parent))
    model.prepare_for_training()
    values = model.keras_model.evaluate(X[..., None], Y[..., None], batch_size=len(X), return_dict=True, verbose=0)
    return {name: float(value) for name, value in values.items()}


@pytest.mark.parametrize(("loss", "shape", "off"), [("laplace", (8, 12), 0.4), ("mae", (4, 8, 6), 2)])
def test_best_weights_are_those_of_the_least_validation_loss(tmp_path, untraced, loss, shape, off):
    """The network learns what is wrong for the patches that validate, so that its first epoch is its best."""
    X, Y = write_patches(tmp_path / "patches", shape)
    Y[:TRAIN], Y[TRAIN:] = X[:TRAIN] - off, X[TRAIN:] + off
    np.save(tmp_path / "patches/Y.npy", Y)
    history = train_model(tmp_path / "patches", tmp_path / "worm", loss=loss)
    assert history["val_loss"].idxmin() == 0
    best = history.loc[0]
    expected = evaluate(tmp_path / "worm", X[TRAIN:], Y[TRAIN:])
    for name in ("loss", "mse", "mae"):
        assert best[f"val_{name}"] == pytest.approx(expected[name], rel=1e-5)


def test_stock_csbdeep_opens_the_folder_and_restores(worm, patches):
    model = CARE(None, name=worm.name, basedir=str(worm.parent))
    image = np.load(patches / "X.npy")[0]
    restored = model.predict(image, "YX", normalizer=None)
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()
    assert (model.config.train_epochs, model.config.train_batch_size, model.config.axes) == (3, 3, "YXC")


def test_training_is_csbdeeps(patches, models, untraced):
    """On batches of the whole training set, where the order counts for nothing, CARE.train does the same."""
    values = VALUES | {"batch_size": TRAIN, "steps_per_epoch": 1, "epochs": 4, "learning_rate": 0.01}
    history = train_model(patches, models / "ours", **values)
    keras.utils.set_random_seed(values["seed"])
    stock = CARE(care_config(values, "YX"), name="stock", basedir=str(models))
    X, Y = (np.load(patches / f"{name}.npy")[..., None] for name in "XY")
    theirs = stock.train(X[:TRAIN], Y[:TRAIN], validation_data=(X[TRAIN:], Y[TRAIN:])).history
    for name in ("loss", "mse", "mae", "val_loss", "val_mse", "val_mae"):
        np.testing.assert_allclose(history[name], theirs[name], rtol=1e-4)
    for a, b in zip(best_weights(models / "ours"), best_weights(models / "stock"), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_learning_rate_falls_on_a_plateau(patches, models, untraced):
    """Only the first epoch counts as better, so each second epoch after it halves the next one's rate."""
    changes = {"plateau_patience": 2, "plateau_min_delta": 1e9, "epochs": 6, "steps_per_epoch": 1}
    history = train_model(patches, models / "plateau", **changes)
    np.testing.assert_allclose(history["learning_rate"] / 0.004, [1, 1, 1, 0.5, 0.5, 0.25], rtol=1e-6)


# The same twice


def test_same_seed_same_weights_to_the_bit(worm, patches, models):
    keras.utils.set_random_seed(123)  # whatever was drawn before
    train_model(patches, models / "again")
    assert_same(best_weights(worm), best_weights(models / "again"))
    first, again = (pd.read_csv(f / "history.csv").drop(columns="seconds") for f in (worm, models / "again"))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_another_seed_gives_another_model(worm, patches, models, untraced):
    train_model(patches, models / "other", seed=8)
    pairs = zip(best_weights(worm), best_weights(models / "other"), strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 0.1


# Losses that are not finite


def with_nan(patches, folder, index):
    shutil.copytree(patches, folder)
    X = np.load(folder / "X.npy")
    X[index, 0, 0] = np.nan
    np.save(folder / "X.npy", X)
    return folder


def patch_of_epoch(epoch):
    """The patch that epoch `epoch` sees first when each epoch is one step of one patch."""
    return int(list(sample_order(TRAIN, 1, epoch, VALUES["seed"]))[-1][0])


ONE_BY_ONE = {"epochs": 5, "steps_per_epoch": 1, "batch_size": 1}


@pytest.fixture(scope="module")
def broken(patches, models):
    """A model whose third epoch meets NaN: the error, and the folder."""
    bad = with_nan(patches, models / "nan-in-3", patch_of_epoch(3))
    with pytest.raises(FloatingPointError) as error:
        train_model(bad, models / "broken", **ONE_BY_ONE)
    return str(error.value), models / "broken"


def test_nan_ends_training_and_names_the_model(broken):
    message, folder = broken
    assert message.startswith("model broken: the loss is not finite in epoch ")
    assert "learning rate 0.004" in message
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert np.isfinite(history["val_loss"][:2]).all()
    assert np.isnan(history["loss"][2])


def test_nan_names_its_epoch(broken):
    assert "in epoch 3 " in broken[0]


def test_best_weights_before_a_nan_are_kept(broken, patches):
    _, folder = broken
    X, Y = (np.load(patches / f"{name}.npy")[TRAIN:] for name in "XY")
    least = pd.read_csv(folder / "history.csv")["val_loss"].min()
    assert evaluate(folder, X, Y)["loss"] == pytest.approx(least, rel=1e-5)


def test_a_nan_in_the_first_epoch_leaves_no_broken_weights(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-1", patch_of_epoch(1))
    with pytest.raises(FloatingPointError):
        train_model(bad, models / "stillborn", **ONE_BY_ONE)
    weights = models / "stillborn/weights_best.h5"
    assert not weights.exists() or all(np.isfinite(w).all() for w in best_weights(weights.parent))


def test_a_nan_in_the_validation_ends_training_at_once(patches, models, untraced):
    bad = with_nan(patches, models / "nan-in-validation", TRAIN)
    with pytest.raises(FloatingPointError, match="in epoch 1 "):
        train_model(bad, models / "unjudged", **ONE_BY_ONE)
    assert len(pd.read_csv(models / "unjudged/history.csv")) == 1


# Memory


def anonymous_memory():
    """Bytes of this process that belong to no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def peak_memory():
    """Give a list that ends with the most anonymous memory while the block runs."""
    peak, done = [anonymous_memory()], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[-1] = max(peak[-1], anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_training_set(tmp_path, worm):
    count, validate = 1600, 40
    for name in "XY":  # 420 MB each, all holes
        open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (count, 256, 256))
    values = VALUES | {"width": 1, "epochs": 1, "steps_per_epoch": 8, "batch_size": 4}
    before = anonymous_memory()
    with peak_memory() as peak:
        train(values, tmp_path, split(count - validate, validate), tmp_path / "worm")
    assert peak[-1] - before < 200e6  # the files are 840 MB
