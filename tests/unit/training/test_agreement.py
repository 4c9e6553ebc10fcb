"""Ground truth, split and labels are of the patches beside them, or are refused with a remedy."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from denoising.training.agreement import check_arrays, check_labels, read_split


@pytest.fixture
def patches(tmp_path):
    """A folder of four patches."""
    (tmp_path / "patches.json").write_text(json.dumps({"count": 4}))
    return tmp_path


def write_split(folder, patches, parts):
    path = folder / "split.csv"
    pd.DataFrame({"patch": patches, "part": parts}).to_csv(path, index=False)
    return path


def test_a_split_may_leave_patches_out(patches):
    path = write_split(patches, [0, 3], ["train", "validation"])
    assert read_split(path, patches)["patch"].tolist() == [0, 3]


@pytest.mark.parametrize(
    ("numbers", "parts", "words"),
    [
        ([0, 4], ["train", "validation"], "has patches from 0 to 4, but there are 4, from 0"),
        ([-1, 2], ["train", "validation"], "has patches from -1 to 2"),
        ([1, 1], ["train", "validation"], "has a patch twice"),
        ([0, 1], ["train", "test"], r"has the parts \['test'\], expected \['train', 'validation'"),
    ],
)
def test_a_split_of_other_patches_is_refused(patches, numbers, parts, words):
    path = write_split(patches, numbers, parts)
    with pytest.raises(
        ValueError, match=f"^{path}: the split {words}.*; the two .*: delete {path} and run"
    ):
        read_split(path, patches)


def test_labels_of_other_patches_are_refused(patches):
    path = patches / "patches.csv"
    check_labels(path, pd.DataFrame({"patch": range(4)}))
    for numbers in (range(3), [0, 1, 2, 2]):
        with pytest.raises(ValueError, match=f"^{path}: has labels of .* holds 4; .*delete {path}"):
            check_labels(path, pd.DataFrame({"patch": numbers}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Y": np.zeros((13, 1, 12), np.float32)}, r"X.npy has shape \(13, 8, 12\), but Y.npy \("),
        ({"X": np.zeros((13, 8, 12))}, "X.npy holds float64 and Y.npy float32, expected float32"),
    ],
)
def test_patches_unlike_their_ground_truth_are_refused(changes, words):
    arrays = {name: np.zeros((13, 8, 12), np.float32) for name in "XY"}
    check_arrays(Path("made"), **arrays, count=13)
    with pytest.raises(ValueError, match=f"^made: {words}.*; the two are not .*: delete made and"):
        check_arrays(Path("made"), **(arrays | changes), count=13)


def test_fewer_patches_than_their_description_says_are_refused():
    X = np.zeros((12, 8, 12), np.float32)
    with pytest.raises(ValueError, match="^made: X.npy holds 12 patches, but patches.json says 13"):
        check_arrays(Path("made"), X, X, count=13)
