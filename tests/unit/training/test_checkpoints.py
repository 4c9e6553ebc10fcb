"""Checkpoints: exact, whole or not there, and of one training alone."""

from dataclasses import replace

import numpy as np
import pytest

from denoising.training.checkpoints import METADATA, State, finish, finished, key, load, save


def state(epochs, steps=0):
    rng = np.random.default_rng([epochs, steps])
    arrays = [rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=12).astype(np.float32)]
    optimizer = [np.array(epochs, np.int64), *(array * 2 for array in arrays)]
    return State(
        weights=arrays,
        optimizer=optimizer,
        best=[array + 1 for array in arrays],
        history=[
            {"epoch": e + 1, "val_loss": 0.1 + 0.2 * e, "device_memory_mb": None}
            for e in range(epochs)
        ],
        losses=[[0.1, 0.2, 0.30000000000000004]] * steps,
        seconds=1.5 * steps,
        device="CPU, 2 threads",
    )


def assert_same(a, b):
    for kind in ("weights", "optimizer", "best"):
        for x, y in zip(getattr(a, kind), getattr(b, kind), strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
    assert [getattr(a, name) for name in METADATA] == [getattr(b, name) for name in METADATA]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_comes_back_to_the_bit(tmp_path):
    save(state(2, steps=3), tmp_path)
    assert_same(load(tmp_path), state(2, steps=3))


def test_many_arrays_keep_their_order(tmp_path):
    many = State(weights=[np.full(1, i) for i in range(25)])
    save(many, tmp_path)
    assert_same(load(tmp_path), many)


def test_there_is_none_before_the_first(tmp_path):
    assert load(tmp_path / "nowhere") is None
    assert load(tmp_path) is None


def test_the_newest_counts_and_two_are_kept(tmp_path):
    for epochs, steps in ((1, 0), (2, 0), (2, 7), (3, 0)):
        save(state(epochs, steps), tmp_path)
        assert_same(load(tmp_path), state(epochs, steps))
    assert names(tmp_path) == ["epoch-00002-step-00007.npz", "epoch-00003.npz"]


def test_those_of_a_restart_are_newer(tmp_path):
    for restarts, epochs, steps in ((0, 3, 0), (1, 0, 5), (1, 1, 0), (2, 1, 0)):
        saved = replace(state(epochs, steps), restarts=restarts)
        save(saved, tmp_path)
        assert_same(load(tmp_path), saved)
    assert names(tmp_path) == ["restart-1-epoch-00001.npz", "restart-2-epoch-00001.npz"]


def test_a_damaged_description_does_not_count(tmp_path, caplog):
    """The training runs again, which costs time and nothing else."""
    folder = tmp_path / "trainings" / "one"
    finish(folder, {"best": 3})
    assert finished(folder) == {"best": 3}
    (folder / "finished.json").write_text('{"best": ')
    assert finished(folder) is None
    assert "finished.json is damaged" in caplog.text


def test_what_was_never_finished_does_not_count(tmp_path):
    save(state(1), tmp_path)
    (tmp_path / "epoch-00002.partial").write_bytes(b"PK")
    assert_same(load(tmp_path), state(1))


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.97, 0.999])
def test_a_torn_file_falls_back_to_the_one_before(tmp_path, caplog, keep):
    for epochs in (1, 2):
        save(state(epochs), tmp_path)
    newest = tmp_path / "epoch-00002.npz"
    newest.write_bytes(newest.read_bytes()[: int(keep * newest.stat().st_size)])
    assert_same(load(tmp_path), state(1))
    assert "epoch-00002.npz is damaged" in caplog.text


def test_a_flipped_bit_falls_back_too(tmp_path):
    for epochs in (1, 2):
        save(state(epochs), tmp_path)
    newest = tmp_path / "epoch-00002.npz"
    content = bytearray(newest.read_bytes())
    content[content.index(state(2).weights[0].tobytes()) + 5] ^= 1
    newest.write_bytes(content)
    assert_same(load(tmp_path), state(1))


def test_a_checkpoint_that_lacks_an_array_does_not_count(tmp_path):
    for epochs in (1, 2):
        save(state(epochs), tmp_path)
    newest = tmp_path / "epoch-00002.npz"
    with np.load(newest) as saved:
        np.savez(newest, **{name: saved[name] for name in saved.files if name != "optimizer_1"})
    assert_same(load(tmp_path), state(1))


def test_if_all_are_torn_training_starts_over(tmp_path):
    for epochs in (1, 2):
        save(state(epochs), tmp_path)
        (tmp_path / f"epoch-0000{epochs}.npz").write_bytes(b"")
    assert load(tmp_path) is None


def test_the_key_tells_trainings_apart():
    defined = {"values": {"seed": 1, "epochs": 100}, "numerics": ["CPU", "float32", False]}
    assert key(**defined) == key(
        numerics=["CPU", "float32", False], values={"epochs": 100, "seed": 1}
    )
    assert key(**defined) != key(**defined | {"numerics": ["GPU", "float32", False]})
    assert key(**defined) != key(**defined | {"values": {"seed": 2, "epochs": 100}})
