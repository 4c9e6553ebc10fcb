"""Training patches: csbdeep's choice and normalisation, and published patches as they are."""

import json

import numpy as np
import pandas as pd
import pytest
from csbdeep.data import no_background_patches, norm_percentiles
from numpy.lib.stride_tricks import sliding_window_view

from denoising.images import slabs as slab_module
from denoising.images.slabs import slabs
from denoising.images.volumes import listing_row, write_listing, write_volume
from denoising.study.names import TRUTH
from denoising.training import patches
from denoising.training.patches import (
    Cutting,
    cut_patches,
    patches_from_npz,
    patches_from_volumes,
)
from denoising.training.splits import read_labels

SHAPE, PATCH = (6, 20, 24), (4, 8, 8)
FILES = {"X.npy", "Y.npy", "patches.csv", "patches.json"}


def rng(*seed):
    return np.random.default_rng([0, *seed])


def spots(*seed, shape=SHAPE):
    """A dark image with a few bright voxels: most of it is background."""
    image = rng(*seed).integers(0, 200, shape).astype(np.uint16)
    for place in rng(*seed, 1).integers(0, shape, (3, len(shape))):
        image[tuple(place)] = 5000
    return image


def distinct(*seed, shape=SHAPE):
    """Every value from 0 to size - 1 once: a value tells its place, and percentile p is p / 100 *
    (size - 1).
    """
    return rng(*seed).permutation(int(np.prod(shape))).reshape(shape).astype(np.uint16)


def unnormalised(patch, low, high):
    return np.rint(patch.astype(np.float64) * (high - low) + low)


# Foreground


@pytest.fixture(params=["whole", "in blocks"])
def blocks(request, monkeypatch):
    """Foreground is looked for in the volume as a whole, or in blocks of a patch, which cut rows
    too.
    """
    if request.param == "in blocks":
        monkeypatch.setattr(patches, "BLOCK", 1)
        monkeypatch.setattr(slab_module, "SLAB_BYTES", 1)


def foreground(truth, patch):
    """Of the whole image, part by part."""
    threshold, found = 0.4 * np.percentile(truth, 99.9), np.zeros(truth.shape, bool)
    for part in slabs(truth.shape, 4, patch):
        found[part] = patches.foreground(truth, patch, threshold, part)
    return found


@pytest.mark.parametrize(
    ("shape", "patch"),
    [(SHAPE, PATCH), (SHAPE, (4, 4, 12)), (SHAPE, (1, 8, 8)), ((40, 50), (16, 16))],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_foreground_is_csbdeeps(shape, patch, dtype, blocks):
    truth = spots(1, shape=shape).astype(dtype)
    expected = no_background_patches()((truth, None), patch)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(foreground(truth, patch), expected)


@pytest.mark.parametrize("darkest", [0, -1500], ids=["positive", "negative"])
def test_foreground_of_a_ramp_is_csbdeeps(darkest, blocks):
    """Every level is somewhere near the threshold."""
    truth = (
        np.linspace(darkest, darkest + 1000, int(np.prod(SHAPE)), dtype=np.float32)
        .reshape(SHAPE[::-1])
        .T
    )
    np.testing.assert_array_equal(
        foreground(truth, PATCH), no_background_patches()((truth, None), PATCH)
    )


def test_foreground_does_not_depend_on_brightness():
    truth = spots(2)
    np.testing.assert_array_equal(foreground(truth, PATCH), foreground(truth * 3, PATCH))


def test_foreground_around_one_voxel_is_half_a_patch():
    truth = np.zeros(SHAPE, np.uint16)
    truth[3, 10, 12] = 9
    found = foreground(truth, PATCH)
    assert found[3:5, 9:13, 11:15].all()
    assert found.sum() == 2 * 4 * 4


# Cutting


@pytest.mark.parametrize(("shape", "patch"), [(SHAPE, PATCH), ((30, 32), (8, 12))])
def test_normalisation_is_csbdeeps(shape, patch):
    """The same places, cut from the raw images, normalised by csbdeep with these percentiles."""
    ranges = ((2.0, 2.0), (99.7, 99.7))
    truth, image = distinct(3, shape=shape), distinct(4, shape=shape)
    X, Y, _ = cut_patches(truth, image, patch, 20, rng(5), ranges)
    windows = {
        name: sliding_window_view(a, patch).reshape(-1, *patch)
        for name, a in (("X", image), ("Y", truth))
    }
    first = unnormalised(X.reshape(20, -1)[:, 0], *np.percentile(image, (2, 99.7)))
    places = [
        int(np.flatnonzero(windows["X"].reshape(-1, X[0].size)[:, 0] == value)[0])
        for value in first
    ]
    expected = norm_percentiles((2.0, 99.7))(
        windows["X"][places], windows["Y"][places], image, truth, None, None
    )
    np.testing.assert_allclose(X, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(Y, expected[1], rtol=1e-5, atol=1e-5)
    assert X.dtype == Y.dtype == np.float32


def test_percentiles_are_drawn_for_each_pair_and_shared_in_it():
    X, Y, _ = cut_patches(distinct(6), distinct(7), SHAPE, 200, rng(8))

    def ranks(cut):
        """The percentiles that became 0 and 1, where a patch is the whole image."""
        low, high = cut.min(axis=(1, 2, 3)), cut.max(axis=(1, 2, 3))
        return 100 * -low / (high - low), 100 * (1 - low) / (high - low)

    low, high = ranks(X)
    assert 1 <= low.min() < 1.1
    assert 2.9 < low.max() <= 3
    assert 99.5 <= high.min() < 99.53
    assert 99.87 < high.max() <= 99.9
    assert abs(np.corrcoef(low, high)[0, 1]) < 0.2
    np.testing.assert_allclose(ranks(Y), (low, high), rtol=1e-5)


def test_percentiles_of_the_config_have_csbdeeps_ranges_about_them():
    assert Cutting(PATCH, 1).ranges == ((1.0, 3.0), (99.5, 99.9))
    low, high = Cutting(PATCH, 1, (6, 99.99)).ranges
    assert low == (2, 6)
    assert high == pytest.approx((99.975, 99.995))


def test_every_foreground_place_can_be_drawn_and_no_other(blocks):
    """As many patches as there are places: each is cut once."""
    ranges = ((0.0, 0.0), (100.0, 100.0))
    truth, image = spots(9), distinct(10)
    corners = tuple(slice(p // 2, s - p + p // 2 + 1) for p, s in zip(PATCH, SHAPE, strict=True))
    allowed = no_background_patches()((truth, None), PATCH)[corners]
    X, _, places = cut_patches(truth, image, PATCH, int(allowed.sum()), rng(11), ranges)
    assert places == (allowed.size - allowed.sum(), allowed.size)
    drawn = set(unnormalised(X[:, 0, 0, 0], 0, image.size - 1))
    assert drawn == set(image[: allowed.shape[0], : allowed.shape[1], : allowed.shape[2]][allowed])


@pytest.mark.parametrize("planes", [1, 2, 3, 6])
def test_patches_of_planes_are_those_one_plane_thick(planes, blocks):
    """So that a threshold and percentiles are those of the stack."""
    truth, image = spots(9, shape=(planes, 20, 24)), distinct(10, shape=(planes, 20, 24))
    X, Y, places = cut_patches(truth, image, (8, 12), 30, rng(11))
    thick = cut_patches(truth, image, (1, 8, 12), 30, rng(11))
    assert places == thick[2]
    np.testing.assert_array_equal(X, thick[0][:, 0])
    np.testing.assert_array_equal(Y, thick[1][:, 0])


def test_the_log_counts_places_that_show_only_background(cut, caplog):
    caplog.set_level("INFO")
    cut("patches")
    assert "cut 30 patches from 6 images; 0 of 3978 places for a patch show" in caplog.text


def test_more_patches_than_places_repeat():
    X, *_ = cut_patches(distinct(12, shape=PATCH), distinct(13, shape=PATCH), PATCH, 3, rng())
    assert X.shape == (3, *PATCH)


def test_cut_depends_on_the_seed_alone():
    truth, image = distinct(14), distinct(15)
    first, again, other = (cut_patches(truth, image, PATCH, 5, rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


BRIGHT_CORNER = np.zeros(SHAPE)
BRIGHT_CORNER[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("truth", "image", "patch", "said"),
    [
        (distinct(), distinct(shape=(6, 20, 20)), PATCH, "expected one shape"),
        (distinct(), distinct(), (8, 8, 8), "(8, 8, 8) does not fit a volume of (6, 20, 24)"),
        (distinct(), distinct(), (8, 25), "does not fit"),
        (distinct(), np.full(SHAPE, 7), PATCH, "constant"),
        (np.zeros(SHAPE), distinct(), PATCH, "no patch of (4, 8, 8) in the volume of (6, 20, 24)"),
        (BRIGHT_CORNER, distinct(), PATCH, "around its centre; make patches smaller"),
    ],
)
def test_what_cannot_be_cut_is_refused(truth, image, patch, said):
    with pytest.raises(ValueError) as refused:
        cut_patches(truth, image, patch, 4, rng())
    assert said in str(refused.value)


# Folders of patches


@pytest.fixture
def volumes(tmp_path):
    """A folder of three training volumes and one test volume in two conditions, all of them
    distinct.
    """
    folder, rows = tmp_path / "volumes", []
    for i, (part, name) in enumerate(
        [("train", "NA"), ("train", "002"), ("train", "b"), ("test", "t")]
    ):
        for j, condition in enumerate((TRUTH, "1", "2")):
            image = distinct(i, j)
            rows.append(listing_row(part, name, condition, image, "ZYX"))
            write_volume(folder / rows[-1]["path"], image, "ZYX")
    write_listing(folder, rows)
    return folder


@pytest.fixture
def cut(volumes, tmp_path):
    def cut_into(name, seed=3, conditions=("1", "2")):
        patches_from_volumes(volumes, list(conditions), Cutting(PATCH, 5), seed, tmp_path / name)
        return tmp_path / name

    return cut_into


def standard(patches):
    """Patches as vectors of mean 0 and length 1: equal ones before any normalisation have the
    product 1.
    """
    vectors = patches.reshape(-1, np.prod(PATCH)).astype(np.float64)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_labels_and_ground_truth_match_their_patches(cut):
    folder = cut("patches")
    X, Y, labels = (
        np.load(folder / "X.npy"),
        np.load(folder / "Y.npy"),
        read_labels(folder / "patches.csv"),
    )
    assert list(labels["patch"]) == list(range(30))
    assert set(labels.groupby(["condition", "volume"]).size()) == {5}
    for (condition, volume), rows in labels.groupby(["condition", "volume"]):
        i = ["NA", "002", "b"].index(volume)
        image = standard(sliding_window_view(distinct(i, int(condition)), PATCH))
        truth = standard(sliding_window_view(distinct(i, 0), PATCH))
        fit = standard(X[rows["patch"]]) @ image.T
        assert (fit.max(axis=1) > 0.999).all()
        assert ((standard(Y[rows["patch"]]) * truth[fit.argmax(axis=1)]).sum(axis=1) > 0.999).all()


def test_patches_are_mixed(cut):
    """So that the last ones, which validate by default, are of every volume and condition."""
    labels = read_labels(cut("patches") / "patches.csv")
    changes = (labels["volume"] + labels["condition"]).ne(
        (labels["volume"] + labels["condition"]).shift()
    )
    assert changes.sum() > 15


def test_folder_of_patches_is_memory_mappable_and_described(cut):
    folder = cut("patches")
    assert {path.name for path in folder.iterdir()} == FILES
    for name in "XY":
        mapped = np.load(folder / f"{name}.npy", mmap_mode="r")
        assert isinstance(mapped, np.memmap)
        assert (mapped.shape, mapped.dtype) == ((30, *PATCH), np.float32)
    described = json.loads((folder / "patches.json").read_text())
    assert [described[key] for key in ("axes", "shape", "count", "source")] == [
        "SZYX",
        list(PATCH),
        30,
        "volumes",
    ]


def test_patches_depend_on_the_seed_alone(cut):
    first, again, other = cut("first"), cut("again"), cut("other", seed=4)
    for name in FILES:
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert (first / "X.npy").read_bytes() != (other / "X.npy").read_bytes()


def test_no_training_volumes(volumes, tmp_path):
    listing = pd.read_csv(volumes / "volumes.csv", dtype=str, keep_default_na=False)
    listing[listing["part"] == "test"].to_csv(volumes / "volumes.csv", index=False)
    with pytest.raises(
        ValueError, match=r"no training volumes.*set the dataset's patches\.source to npz"
    ):
        patches_from_volumes(volumes, ["1"], Cutting(PATCH, 5), 0, tmp_path / "patches")


def test_failing_volume_is_named_and_nothing_looks_finished(volumes, tmp_path):
    constant = volumes / "train" / "2" / "b.tif"
    write_volume(constant, np.full(SHAPE, 7, np.uint16), "ZYX")
    with pytest.raises(ValueError) as refused:
        patches_from_volumes(volumes, ["1", "2"], Cutting(PATCH, 5), 0, tmp_path / "patches")
    assert str(refused.value).startswith(f"volume b ({constant}): the image is constant")
    assert not list((tmp_path / "patches").iterdir())


def test_patches_take_their_names_only_when_all_are_written(cut, tmp_path, monkeypatch):
    seen = []

    def watched(*args):
        seen.append({path.name for path in (tmp_path / "patches").iterdir()} & FILES)
        return cut_patches(*args)

    monkeypatch.setattr(patches, "cut_patches", watched)
    cut("patches")
    assert seen == [set()] * 6


# Published patches


@pytest.fixture
def published(tmp_path):
    """Write an npz of published patches, as X and Y or as arrays given, and copy it."""

    def copy(expected="SCZYX", shape=PATCH, compressed=False, **arrays):
        X = rng(1).uniform(-0.1, 1.3, (10, 1, *PATCH)).astype(np.float32)
        arrays = {"X": X, "Y": X[::-1] * np.float32(0.9)} | arrays
        (np.savez_compressed if compressed else np.savez)(tmp_path / "data_label.npz", **arrays)
        patches_from_npz(tmp_path / "data_label.npz", expected, shape, tmp_path / "patches")
        return arrays, tmp_path / "patches"

    return copy


@pytest.mark.parametrize("compressed", [False, True])
def test_published_patches_are_copied_bit_by_bit(compressed, published):
    arrays, folder = published(compressed=compressed)
    assert {path.name for path in folder.iterdir()} == FILES
    for name in "XY":
        copied = np.load(folder / f"{name}.npy", mmap_mode="r")
        assert copied.shape == (10, *PATCH)
        assert copied.tobytes() == np.ascontiguousarray(arrays[name]).tobytes()
    described = json.loads((folder / "patches.json").read_text())
    assert [described[key] for key in ("axes", "shape", "count", "source")] == [
        "SZYX",
        list(PATCH),
        10,
        "npz",
    ]
    labels = read_labels(folder / "patches.csv")
    assert list(labels["patch"]) == list(range(10))
    assert set(labels["volume"]) | set(labels["condition"]) == {""}


def test_published_patches_in_two_dimensions(published):
    X = rng().uniform(0, 1, (6, 1, 8, 8)).astype(np.float32)
    _, folder = published("SCYX", (8, 8), X=X, Y=X)
    np.testing.assert_array_equal(np.load(folder / "X.npy"), X[:, 0])


def raw(scale, offset=0.0):
    return (rng(2).uniform(0, 1, (10, 1, *PATCH)) * scale + offset).astype(np.float32)


def with_nan():
    X = raw(1)
    X[7, 0, 0, 0, 0] = np.nan
    return X


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"X": raw(4000, 100), "Y": raw(1)}, ["array X", "raw units"]),
        ({"Y": raw(0.01)}, ["array Y", "raw units"]),
        ({"Y": raw(1)[:9]}, ["X is (10, 1, 4, 8, 8) and Y (9, 1, 4, 8, 8)"]),
        ({"X": with_nan()}, ["array X", "1 values are NaN"]),
        ({"shape": (8, 8, 4)}, ["(10, 1, 4, 8, 8)", "expected (n, 1, 8, 8, 4)", "patches.shape"]),
        ({"X": raw(1).repeat(2, 1), "Y": raw(1).repeat(2, 1)}, ["(10, 2, 4, 8, 8)"]),
        ({"expected": "SZYXC"}, ["SZYXC", "patches.axes"]),
        ({"expected": "SCYX"}, ["SCYX", "patches.axes"]),
        ({"X": raw(1)[:, 0], "Y": raw(1)[:, 0]}, ["(10, 4, 8, 8)", "patches.axes"]),
        pytest.param({"expected": "SCXYZ"}, ["SCXYZ", "patches.axes"]),
        pytest.param({"expected": "SCTYX"}, ["SCTYX", "patches.axes"]),
    ],
)
def test_faulty_npz_is_refused(how, said, published, tmp_path):
    with pytest.raises(ValueError) as refused:
        published(**how)
    assert all(words in str(refused.value) for words in ("data_label.npz", *said)), refused.value
    assert not (tmp_path / "patches").exists() or not list((tmp_path / "patches").iterdir())


def test_axes_in_the_npz_must_be_those_of_the_config(published):
    with pytest.raises(ValueError, match=r"SCXYZ.*patches\.axes"):
        published("SCZYX", axes=np.array("SCXYZ"))
