"""Classical baselines: what each filter does, that strengths follow the noise, and how they are
tuned.
"""

import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from csbdeep.utils import normalize
from noisy_images import NOISE, blobs, rmse, with_noise
from skimage.restoration import estimate_sigma

from denoising.images.volumes import (
    listing_row,
    open_volume,
    paired,
    volume_header,
    write_listing,
    write_volume,
)
from denoising.restoration import baselines, filters
from denoising.restoration.baselines import (
    METHODS,
    Setting,
    denoise,
    noise,
    restore_all,
    tune,
)
from denoising.restoration.destination import Destination
from denoising.study.baselines import BASELINES

KNOWN = {"gaussian": 1.2, "median": 3, "tv": 2, "wavelet": 1.7, "nlm": 0.8}
MIDDLE = {name: method.strengths[len(method.strengths) // 2] for name, method in METHODS.items()}
STRENGTHS = MIDDLE | KNOWN


def restored_by(baseline, image, strength=None):
    setting = Setting(baseline, strength or STRENGTHS[baseline], 1.0, image.shape)
    return denoise(image, setting)


# Every baseline


def test_there_are_the_baselines_that_a_config_may_name():
    assert set(METHODS) == set(BASELINES)


@pytest.mark.parametrize("baseline", BASELINES)
def test_noise_is_removed(clean, noisy, baseline):
    restored = restored_by(baseline, noisy)
    assert (restored.shape, restored.dtype) == (noisy.shape, np.float32)
    assert rmse(restored, clean) < 0.6 * rmse(noisy, clean)
    assert abs(restored.mean() - clean.mean()) < 0.01


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("axes", [(2, 1, 0), (1, 0, 2)])
def test_no_axis_is_taken_for_colour_channels(baseline, axes):
    noisy = with_noise(blobs((16, 20, 24)))
    expected = restored_by(baseline, noisy).transpose(axes)
    np.testing.assert_allclose(restored_by(baseline, noisy.transpose(axes)), expected, atol=2e-4)


@pytest.mark.parametrize("baseline", BASELINES)
def test_results_do_not_depend_on_units(noisy, baseline):
    """Strengths follow the noise, so gain and offset of the image come out as they went in."""
    expected = 40 * restored_by(baseline, noisy) + 7
    np.testing.assert_allclose(restored_by(baseline, 40 * noisy + 7), expected, rtol=2e-3)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_larger_strength_smooths_more(noisy, baseline):
    spread = [
        restored_by(baseline, noisy, strength).std() for strength in METHODS[baseline].strengths
    ]
    assert (
        np.diff(spread) < 0.02 * spread[0]
    ).all()  # total variation ends where another iteration changes little
    assert spread[-1] < 0.97 * spread[0]


@pytest.mark.filterwarnings("ignore:Level value of")
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("shape", [(4, 20, 24), (2, 20, 24), (1, 20, 24)])
def test_thin_stacks_keep_their_shape(baseline, shape):
    restored = restored_by(baseline, with_noise(blobs(shape)))
    assert restored.shape == shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("planes", [1, 2, 5])
def test_tuned_on_planes_they_filter_planes(baseline, planes):
    """With a strength that follows the noise of the stack."""
    stack = with_noise(np.stack([blobs((40, 48), seed) for seed in range(planes)]))
    found = denoise(stack, Setting(baseline, STRENGTHS[baseline], 0.3, (20, 24)), (-1, 3))
    sigma = noise(stack, (20, 24), -1)
    assert sigma == noise(stack, (1, 20, 24), -1)
    for plane, restored in zip(stack, found, strict=True):
        factor = sigma / noise(plane, (20, 24), -1) if METHODS[baseline].unit == "noise" else 1
        setting = Setting(baseline, STRENGTHS[baseline] * factor, 0.3, (20, 24))
        np.testing.assert_allclose(denoise(plane, setting, (-1, 3)), restored, atol=1e-5)


@pytest.mark.parametrize("baseline", ["tv", "wavelet", "nlm"])
def test_an_image_without_noise_is_left_alone(baseline):
    flat = np.full((8, 20, 20), 0.5, np.float32)
    np.testing.assert_array_equal(restored_by(baseline, flat), flat)


@pytest.mark.parametrize(
    ("baseline", "strength", "z_scale"),
    [("gaussian", 1.3, 0.4), ("median", 5, 0.6), ("nlm", 0.8, 1)],
)
@pytest.mark.parametrize(
    ("shape", "block"), [((13, 25, 33), (5, 12, 11)), ((1, 30, 20), (1, 7, 9)), ((37, 23), (9, 8))]
)
def test_blocks_of_local_filters_do_not_show(
    monkeypatch, baseline, strength, z_scale, shape, block
):
    noisy = with_noise(blobs(shape))
    setting = Setting(baseline, strength, z_scale, shape)
    whole = denoise(noisy, setting)
    taken = []
    monkeypatch.setattr(baselines, "BLOCK", {len(shape): block})
    monkeypatch.setitem(METHODS, baseline, watched(METHODS[baseline], taken))
    np.testing.assert_allclose(denoise(noisy, setting), whole, atol=1e-6)
    assert len(taken) > 8
    reach = {"gaussian": 5, "median": 2, "nlm": 9}[baseline]
    assert max(taken) <= max(b + 2 * reach for b in block)


def watched(method, taken):
    """The method, which puts the longest edge of everything that it filters in `taken`."""

    def filter(image, *settings):
        taken.append(max(image.shape))
        return method.filter(image, *settings)

    return replace(method, filter=filter)


@pytest.mark.parametrize("baseline", BASELINES)
def test_images_are_normalised_block_by_block(baseline):
    """What is 0 and 1 of whole numbers with an offset, as for networks."""
    counts = (1000 * with_noise(blobs((12, 20, 24))) + 500).astype(np.uint16)
    expected = restored_by(
        baseline, ((counts - np.float32(400)) / np.float32(900)).astype(np.float32)
    )
    setting = Setting(baseline, STRENGTHS[baseline], 1.0, counts.shape)
    found = denoise(counts, setting, bounds=(400, 1300))
    np.testing.assert_allclose(found, expected, atol=1e-5)


# Noise


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_noise_is_estimated_as_scikit_image_does(clean, sigma):
    noisy = with_noise(clean, sigma)
    assert noise(noisy, noisy.shape) == pytest.approx(estimate_sigma(noisy), rel=1e-5)
    assert noise(noisy, noisy.shape) == pytest.approx(sigma, rel=0.15)


def test_noise_is_that_of_the_specimen_not_of_the_background():
    image = np.zeros((16, 64, 64), np.float32)
    image[:, :16, :32] = 1
    noisy = (
        image * with_noise(np.zeros_like(image), 0.1)
        + with_noise(np.zeros_like(image), 0.01, seed=2)
        + image
    )
    assert noise(noisy, (16, 16, 16)) == pytest.approx(0.1, rel=0.1)
    assert noise(noisy, noisy.shape) < 0.03
    assert noise(noisy + 100, (16, 16, 16), dark=100) == pytest.approx(0.1, rel=0.1)
    assert noise(noisy + 100, (16, 16, 16)) < 0.03


def test_noise_of_what_is_below_zero_is_estimated(noisy):
    assert noise(noisy - 2, noisy.shape) == pytest.approx(noise(noisy, noisy.shape), rel=1e-5)
    assert noise(noisy - 2, [10] * noisy.ndim) == pytest.approx(NOISE, rel=0.3)


def test_blocks_larger_than_the_image_are_cut_to_it(noisy):
    assert noise(noisy, [100] * noisy.ndim) == noise(noisy, noisy.shape)


# Tuning


@pytest.fixture
def patches():
    Y = np.stack([blobs((8, 20, 20), seed) for seed in range(12)])
    X = np.stack([with_noise(image, seed=100 + i) for i, image in enumerate(Y)])
    return X, Y, pd.DataFrame({"patch": range(12), "part": ["train"] * 6 + ["validation"] * 6})


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_best_strength_of_the_grid_is_chosen(patches, baseline):
    X, Y, split = patches
    choice = tune(baseline, X, Y, split, None, seed=0)
    grid = pd.DataFrame(choice["grid"])
    assert tuple(grid["strength"]) == METHODS[baseline].strengths
    assert choice["nrmse"] == grid["nrmse"].min()
    assert choice["strength"] == grid.loc[grid["nrmse"].idxmin(), "strength"]
    assert (choice["baseline"], choice["patches"], choice["patch_shape"]) == (
        baseline,
        6,
        [8, 20, 20],
    )
    assert json.loads(json.dumps(choice)) == choice


def test_validation_patches_alone_are_drawn_with_the_seed(patches, monkeypatch):
    X, Y, split = patches
    monkeypatch.setitem(
        METHODS, "gaussian", baselines.Method(filters.gaussian, "voxels", (1,), patches=3)
    )
    seen = {seed: tune("gaussian", X, Y, split, None, seed)["nrmse"] for seed in (0, 0, 1, 2, 3)}
    assert len(set(seen.values())) > 1
    X[:6] = np.nan
    assert {seed: tune("gaussian", X, Y, split, None, seed)["nrmse"] for seed in seen} == seen


def test_patches_are_scored_as_the_paper_scores(patches):
    """Means subtracted and scaled, so that gain and offset of the truth's patch do not count."""
    X, Y, split = patches
    expected = tune("gaussian", X, Y, split, None, seed=0)
    found = tune("gaussian", 3 * X + 5, Y, split, None, seed=0)
    assert found["strength"] == expected["strength"]
    assert found["nrmse"] == pytest.approx(expected["nrmse"], rel=1e-4)


def test_sizes_in_voxels_and_in_micrometres_are_tried(patches):
    X, Y, split = patches
    choice = tune("gaussian", X, Y, split, [2.0, 0.8, 0.8], seed=0)
    assert {row["z_scale"] for row in choice["grid"]} == {1.0, 0.4}
    assert len(choice["grid"]) == 2 * len(METHODS["gaussian"].strengths)
    assert choice["z_scale"] == 1  # blobs are as wide along all axes
    assert {row["z_scale"] for row in tune("tv", X, Y, split, [2.0, 0.8, 0.8], seed=0)["grid"]} == {
        1.0
    }


@pytest.mark.parametrize(
    ("grid", "at_edge"), [((0.3, 0.5), True), ((4, 8), True), ((0.3, 1.2, 6), False)]
)
def test_a_strength_at_the_edge_of_the_grid_is_warned_about(
    patches, monkeypatch, caplog, grid, at_edge
):
    monkeypatch.setitem(METHODS, "gaussian", baselines.Method(filters.gaussian, "voxels", grid))
    with caplog.at_level(logging.WARNING):
        assert tune("gaussian", *patches, None, seed=0)["at_edge"] == at_edge
    assert ("edge of what was tried" in caplog.text) == at_edge


def test_a_filter_that_leaves_nothing_is_scored_as_nothing(patches, monkeypatch):
    X, Y, split = patches
    nothing = baselines.Method(lambda image, *_: np.ones_like(image), "voxels", (1, 2, 3))
    monkeypatch.setitem(METHODS, "gaussian", nothing)
    assert tune("gaussian", X, Y, split, None, seed=0)["nrmse"] == pytest.approx(
        Y[6:].std(axis=(1, 2, 3)).mean()
    )


# Test volumes


SETTINGS = {"format": "tiff", "dtype": "float32", "compression": True}


def volumes_and_choice(folder, baseline, voxel_size=None):
    conditions, rows, images = ["C1", "C2"], [], {}
    for volume in ("a", "b"):
        for i, condition in enumerate(["truth", *conditions]):
            image = (1000 * with_noise(blobs((8, 16, 16), seed=i), 0.1 * i) + 500).astype(np.uint16)
            images[condition, volume] = image
            write_volume(folder / "test" / condition / f"{volume}.tif", image, "ZYX", voxel_size)
            rows.append(listing_row("test", volume, condition, image, "ZYX"))
    write_listing(folder, rows)
    choice = {
        "baseline": baseline,
        "strength": STRENGTHS[baseline],
        "z_scale": 1.0,
        "patch_shape": [8, 8, 8],
        "percentiles": [3, 99.8],
    }
    return images, choice | {"unit": "noise"}


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_condition_of_every_test_volume_is_restored(tmp_path, baseline):
    images, choice = volumes_and_choice(tmp_path / "in", baseline)
    pairs = list(paired(tmp_path / "in", "test", ["C1", "C2"]))
    runtime = restore_all(pairs, Destination(tmp_path / "out", SETTINGS), choice, workers=2)
    written = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")
    )
    assert written == ["C1/a.tif", "C1/b.tif", "C2/a.tif", "C2/b.tif"]
    for condition in ("C1", "C2"):
        with tifffile.TiffFile(tmp_path / f"out/{condition}/b.tif") as tif:
            assert (tif.series[0].axes, tif.series[0].dtype) == ("ZYX", np.float32)
            image = images[condition, "b"]
            low, high = np.percentile(image, (3, 99.8))
            setting = Setting(baseline, STRENGTHS[baseline], 1.0, (8, 8, 8))
            expected = denoise(normalize(image), setting) * (high - low) + low
            # not to rounding: non-local means drop patches that are hardly alike
            np.testing.assert_allclose(tif.asarray(), expected, atol=2e-4 * (high - low))
    assert runtime["seconds"] > 0
    assert {key: runtime[key] for key in ("method", "voxels", "threads", "device", "strength")} == {
        "method": baseline, "voxels": 4 * 8 * 16 * 16, "threads": 2, "device": "CPU",
        "strength": STRENGTHS[baseline],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "dtype"),
    [({}, "float32"), ({"dtype": "float16"}, "float16"), ({"dtype": "input"}, "uint16")],
)
@pytest.mark.parametrize("kind", ["tiff", "ome-zarr"])
def test_files_are_as_the_config_has_those_of_networks(tmp_path, kind, settings, dtype):
    _, choice = volumes_and_choice(tmp_path / "in", "gaussian", (2.0, 0.5, 0.4))
    pairs = list(paired(tmp_path / "in", "test", ["C1"]))
    destination = Destination(tmp_path / "out", SETTINGS | settings | {"format": kind})
    restore_all(pairs, Destination(tmp_path / "plain", SETTINGS), choice, workers=1)
    restore_all(pairs, destination, choice, workers=1)
    name = "C1/a.tif"
    assert (tmp_path / "out" / name).exists() == (kind == "tiff")
    header = volume_header(tmp_path / "out" / name)
    assert (header.axes, header.dtype) == ("ZYX", dtype)
    assert header.voxel_size == pytest.approx((2.0, 0.5, 0.4))
    plain, found = (open_volume(tmp_path / folder / name) for folder in ("plain", "out"))
    np.testing.assert_allclose(found, plain, atol=1e-3 * np.ptp(plain))


def test_an_image_that_cannot_be_normalised_is_named(tmp_path):
    _, choice = volumes_and_choice(tmp_path, "gaussian")
    write_volume(tmp_path / "test/C1/a.tif", np.full((8, 16, 16), 7, np.uint16), "ZYX")
    pairs = list(paired(tmp_path, "test", ["C1"]))
    with pytest.raises(
        ValueError, match=r"C1/a\.tif: gaussian failed on an image of \(8, 16, 16\): .*constant"
    ):
        restore_all(pairs, Destination(tmp_path / "out", SETTINGS), choice, workers=1)
