"""Training patches in an npz, as csbdeep's save_training_data writes them."""

import numpy as np
import pytest
from csbdeep.io import save_training_data

from denoising.images import npz
from denoising.training.npz import npz_patches

SIZES = {"S": 5, "C": 2, "Z": 4, "Y": 8, "X": 12}


def array(axes, **sizes):
    shape = [(SIZES | sizes)[axis] for axis in axes]
    return np.random.default_rng(0).random(shape).astype(np.float32)


def copied(both):
    """The patches as arrays."""
    arrays = [np.zeros(patches.shape, np.float32) for patches in both]
    for patches, array in zip(both, arrays, strict=True):
        patches.copy_to(array)
    return arrays


@pytest.fixture(autouse=True, params=[npz.PART, 500], ids=["whole", "in parts"])
def part(request, monkeypatch):
    """Arrays are read at once, and in parts."""
    monkeypatch.setattr(npz, "PART", request.param)


@pytest.fixture
def read(tmp_path):
    """Save arrays, and read them with the settings of a dataset."""

    def save_and_read(stated=None, channel=None, shape=(8, 12), **arrays):
        np.savez(tmp_path / "my.npz", **arrays)
        return copied(npz_patches(tmp_path / "my.npz", stated, channel, shape))

    return save_and_read


@pytest.mark.parametrize(("axes", "shape"), [("SCYX", (8, 12)), ("SCZYX", (4, 8, 12))])
def test_what_csbdeep_saves_is_read(axes, shape, tmp_path):
    X = array(axes, C=1)
    save_training_data(tmp_path / "my.npz", X, X / 2, axes)
    found = copied(npz_patches(tmp_path / "my.npz", None, None, shape))
    np.testing.assert_array_equal(found[0], X[:, 0])
    np.testing.assert_array_equal(found[1], X[:, 0] / 2)


@pytest.mark.parametrize("axes", ["SCYX", "SYX"])
def test_axes_that_nobody_names_are_those_of_csbdeep(axes, read):
    X = array(axes, C=1)
    np.testing.assert_array_equal(read(X=X, Y=X)[0], X.reshape(5, 8, 12))


@pytest.mark.parametrize("axes", ["SYXC", "CSYX", "SCXY", "YXCS"])
def test_any_order_of_axes_that_the_file_names_is_followed(axes, read):
    X = array(axes, C=1)
    order = [axes.index(axis) for axis in "SYXC"]
    found, _ = read(X=X, Y=X, axes=axes)
    np.testing.assert_array_equal(found, X.transpose(order)[..., 0])


@pytest.mark.parametrize("axes", ["SCYX", "SYXC", "CSYX"])
def test_a_channel_is_chosen(axes, read):
    X = array(axes)
    Y = array(axes, C=1)
    found = read(X=X, Y=Y, axes=axes, channel=1)
    np.testing.assert_array_equal(found[0], np.take(X, 1, axes.index("C")))
    np.testing.assert_array_equal(found[1], np.take(Y, 0, axes.index("C")))


@pytest.mark.parametrize(
    ("arrays", "settings", "said"),
    [
        (
            {"X": array("SCYX"), "Y": array("SCYX"), "axes": "SCYX"}, {},
            "array X has 2 channels (axes SCYX, (5, 2, 8, 12)), and networks here have one; choose"
            " one, from 0, by the key channel of the dataset's npz.",
        ),
        (
            {"X": array("SCYX"), "Y": array("SCYX")}, {"channel": 2},
            "array X has 2 channels (axes SCYX, (5, 2, 8, 12)), but the dataset's npz.channel is 2;"
            " channels count from 0.",
        ),
        (
            {"X": array("SYX"), "Y": array("SYX", S=4)}, {},
            "X is (5, 8, 12) and Y (4, 8, 12), expected one shape; save or fetch the file again.",
        ),
        (
            {"X": array("SCYX", C=1), "Y": array("SCYX", C=1)}, {"shape": (8, 8)},
            "arrays are (5, 1, 8, 12), expected (n, 1, 8, 8) with axes SCYX; set the dataset's"
            " patches.axes and patches.shape to what the file holds.",
        ),
        (
            {"X": array("SYXC", C=1), "Y": array("SYXC", C=1)}, {},
            "arrays are (5, 8, 12, 1), expected (n, 1, 8, 12) with axes SCYX; set the dataset's",
        ),
        (
            {"X": array("SCYX"), "Y": array("SCYX"), "axes": "STYX"}, {},
            "arrays are (5, 2, 8, 12), expected (n, ?, 8, 12) with axes STYX; set the dataset's",
        ),
        (
            {"X": array("SCYX", C=1), "Y": array("SCYX", C=1), "axes": "SCYX"}, {"stated": "SYXC"},
            "names its axes SCYX, expected SYXC; correct the dataset's patches.axes.",
        ),
        ({"X": array("SYX")}, {}, "holds X.npy, expected an array Y;"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(arrays, settings, said, read, tmp_path):
    with pytest.raises(ValueError) as refused:
        read(**arrays, **settings)
    assert f"{tmp_path / 'my.npz'}: {said}" in str(refused.value)
