"""Batches: every patch equally often, in an order and orientation that the batch's number tells,
and no copies.
"""

import threading
import time

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from denoising.training.batches import (
    PatchPairs,
    batch_indices,
    batch_symmetries,
    on_device,
    oriented,
    read_ahead,
    validation_subset,
)
from denoising.training.costs import host_memory


def order(count, batch_size, batches, seed=0, first=0):
    return np.concatenate(
        [batch_indices(count, batch_size, n, seed) for n in range(first, first + batches)]
    )


# Order of patches


@pytest.mark.parametrize(
    ("count", "batch_size", "batches"), [(10, 3, 10), (7, 7, 4), (4, 10, 6), (5, 1, 15)]
)
def test_every_patch_is_seen_equally_often(count, batch_size, batches):
    seen = order(count, batch_size, batches)
    assert len(seen) == batch_size * batches
    for passed in range(len(seen) // count):
        assert sorted(seen[passed * count : (passed + 1) * count]) == list(range(count))
    rest = seen[len(seen) // count * count :]
    assert len(set(rest)) == len(rest)


def test_order_does_not_depend_on_how_it_is_cut_into_batches():
    singly, threes, all_at_once = (order(10, size, 60 // size, seed=3) for size in (1, 3, 60))
    np.testing.assert_array_equal(singly, threes)
    np.testing.assert_array_equal(singly, all_at_once)


def test_any_batch_is_known_without_those_before_it():
    np.testing.assert_array_equal(order(10, 4, 9)[20:], order(10, 4, 4, first=5))


def test_order_is_shuffled_anew_in_each_pass_and_for_each_seed():
    first, second, other = order(50, 50, 1), order(50, 50, 1, first=1), order(50, 50, 1, seed=1)
    for a, b in ((first, np.arange(50)), (first, second), (first, other)):
        assert (a != b).any()


# Orientation


@pytest.mark.parametrize("shape", [(6, 6), (3, 6, 6)])
def test_the_eight_symmetries_of_the_square_and_of_xy_alone(shape):
    patch = np.random.default_rng(0).random(shape, np.float32)
    found = oriented(tf.constant(np.stack([patch] * 8)), tf.range(8)).numpy()
    turns = [np.rot90(patch, turn, (-2, -1)) for turn in range(4)]
    expected = turns + [turned[..., ::-1] for turned in turns]
    assert {each.tobytes() for each in found} == {
        np.ascontiguousarray(each).tobytes() for each in expected
    }
    np.testing.assert_array_equal(found[0], patch)


def test_patches_that_are_not_square_are_flipped_only():
    patch = np.random.default_rng(0).random((4, 6), np.float32)
    found = oriented(tf.constant(np.stack([patch] * 4)), tf.range(4)).numpy()
    expected = [patch, patch[:, ::-1], patch[::-1], patch[::-1, ::-1]]
    np.testing.assert_array_equal(found, np.stack(expected))


def test_orientations_are_drawn_evenly_and_known_from_the_batchs_number():
    drawn = batch_symmetries(8000, 3, 0, square=True)
    assert np.bincount(drawn, minlength=8).min() > 900
    assert batch_symmetries(8000, 3, 0, square=False).max() == 3
    np.testing.assert_array_equal(drawn, batch_symmetries(8000, 3, 0, square=True))
    assert (drawn != batch_symmetries(8000, 4, 0, square=True)).any()
    assert (drawn != batch_symmetries(8000, 3, 1, square=True)).any()


# Subset that validates


def test_the_subset_is_fixed_and_part_of_the_validation_set():
    validation = np.arange(100, 200)
    subset = validation_subset(validation, 10)
    assert len(set(subset)) == 10
    assert set(subset) <= set(validation)
    np.testing.assert_array_equal(subset, validation_subset(validation, 10))
    for size in (None, 100, 1000):
        np.testing.assert_array_equal(validation_subset(validation, size), validation)


# Reading


def test_batches_come_in_order_and_are_read_ahead_by_another_thread():
    readers, read = set(), []

    def slowly(item):
        readers.add(threading.current_thread())
        read.append(item)
        return -item

    batches = read_ahead(slowly, iter(range(9)))
    assert next(batches) == 0
    time.sleep(0.1)
    assert read == [0, 1, 2]  # two wait, and no more
    assert list(batches) == [-1, -2, -3, -4, -5, -6, -7, -8]
    assert threading.current_thread() not in readers


def test_an_error_in_reading_comes_where_its_batch_would():
    def read(item):
        if item == 1:
            raise OSError("disk")
        return item

    batches = read_ahead(read, range(3))
    assert next(batches) == 0
    with pytest.raises(OSError, match="disk"):
        next(batches)


def test_arrays_come_to_the_device_whole_and_once(monkeypatch):
    array = np.ones((50, 1_000_000), np.float32)  # 200 MB
    before = host_memory()
    copy = on_device(array)
    assert 190 < host_memory() - before < 330
    del copy


def test_arrays_come_to_the_device_block_by_block(monkeypatch):
    monkeypatch.setattr("denoising.training.batches.BLOCK_BYTES", 100)
    array = np.random.default_rng(0).random((7, 3, 4), np.float32)
    np.testing.assert_array_equal(on_device(array).numpy(), array)


# Patches that belong together


def test_patches_and_ground_truth_of_two_runs_are_refused(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((13, 8, 12), np.float32))
    np.save(tmp_path / "Y.npy", np.zeros((13, 1, 12), np.float32))
    split = pd.DataFrame({"patch": [0, 1], "part": ["train", "validation"]})
    with pytest.raises(ValueError, match=f"^{tmp_path}: X.npy has shape"):
        PatchPairs.open(tmp_path, split)


def test_patches_that_belong_together_are_mapped(tmp_path):
    for name in "XY":
        np.save(tmp_path / f"{name}.npy", np.zeros((3, 8, 8), np.float32))
    split = pd.DataFrame({"patch": [0, 1, 2], "part": ["train", "train", "validation"]})
    pairs = PatchPairs.open(tmp_path, split)
    assert isinstance(pairs.X, np.memmap)
    assert (list(pairs.training), list(pairs.validation)) == ([0, 1], [2])
