"""An ensemble is the mean of its runs' restorations, volume by volume, and of nothing that does not
belong together; its intervals are those of the mixture that its networks predict.
"""

import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import denoising.images.percentiles
from denoising.images import files as formats
from denoising.images.volumes import open_volume, volume_header, write_volume
from denoising.restoration.destination import Destination
from denoising.restoration.ensembles import average, mean_volume

ENDS = ("lower", "upper")
SETTINGS = {"format": "tiff", "dtype": "float32", "compression": True}


def restored(folder, value, shape=(3, 4, 5), names=("1/a", "2/a")):
    """A folder of restorations, each constant and telling its place."""
    for i, name in enumerate(names):
        write_volume(
            folder / f"{name}.tif", np.full(shape, value + 10 * i, np.float32), "ZYX"[-len(shape) :]
        )
    return folder


def test_the_mean_of_each_volume_stands_under_its_name(tmp_path):
    folders = [restored(tmp_path / f"run{value}", value) for value in (1, 2, 6)]
    average(folders, Destination(tmp_path / "mean", SETTINGS))
    found = {str(path.relative_to(tmp_path / "mean")) for path in (tmp_path / "mean").rglob("*.*")}
    assert found == {"1/a.tif", "2/a.tif"}
    for name, expected in (("1/a.tif", 3), ("2/a.tif", 13)):
        mean = open_volume(tmp_path / "mean" / name, "ZYX")
        np.testing.assert_array_equal(mean, np.full((3, 4, 5), expected, np.float32), strict=True)


def test_single_planes_have_a_mean_too(tmp_path):
    folders = [restored(tmp_path / f"run{value}", value, shape=(4, 5)) for value in (1, 2)]
    average(folders, Destination(tmp_path / "mean", SETTINGS))
    assert (open_volume(tmp_path / "mean/1/a.tif", "YX") == 1.5).all()


@pytest.mark.parametrize("file_format", ["tiff", "ome-zarr"])
def test_runs_of_any_format_have_a_mean_of_any_format(tmp_path, file_format):
    for run, value in (("a", 1), ("b", 2)):
        volume = np.full((3, 4, 5), value, np.float32)
        volume[0] = -1
        storage = formats.Storage(file_format, "uint16", True)
        formats.write(tmp_path / run / "1/v.tif", volume, "ZYX", (2.0, 0.5, 0.5), storage)
        formats.write(tmp_path / run / "scale/1/v.tif", volume, "ZYX", storage=storage)
    settings = SETTINGS | {"format": file_format}
    average([tmp_path / "a", tmp_path / "b"], Destination(tmp_path / "mean", settings))
    mean = open_volume(tmp_path / "mean/1/v.tif", "ZYX")
    np.testing.assert_allclose(mean[1:], 1.5, atol=1e-4)
    assert volume_header(tmp_path / "mean/1/v.tif").voxel_size == pytest.approx((2.0, 0.5, 0.5))
    assert not (tmp_path / "mean/scale").exists()  # scales have no mean


def with_scales(folder, mean, scale, shape=(3, 4, 5)):
    """A folder of one restored volume and its scale, both constant."""
    restored(folder, mean, shape, names=["1/a"])
    return restored(folder / "scale", scale, shape, names=["1/a"]).parent


@pytest.mark.parametrize("block", [7, 10**6])
def test_intervals_hold_the_share_of_the_mixture_that_they_say(tmp_path, monkeypatch, block):
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", block)
    folders = [with_scales(tmp_path / "a", 1, 0.5), with_scales(tmp_path / "b", 2, 0.25)]
    average(folders, Destination(tmp_path / "mean", SETTINGS, threads=3), score=math.log(20))
    assert (open_volume(tmp_path / "mean/1/a.tif") == 1.5).all()
    for end, tail in (("lower", 0.025), ("upper", 0.975)):
        values = open_volume(tmp_path / f"mean/interval/{end}/1/a.tif", "ZYX")
        assert values.shape == (3, 4, 5)
        cdf = stats.laplace.cdf(values, [[[[1]]], [[[2]]]], [[[[0.5]]], [[[0.25]]]]).mean(axis=0)
        np.testing.assert_allclose(cdf, tail, atol=1e-5)


def test_intervals_of_equal_runs_are_those_of_one(tmp_path):
    folders = [with_scales(tmp_path / run, 1, 0.5) for run in "ab"]
    average(folders, Destination(tmp_path / "mean", SETTINGS), score=3.0)
    lower, upper = (open_volume(tmp_path / f"mean/interval/{end}/1/a.tif") for end in ENDS)
    np.testing.assert_allclose(lower, 1 - 3 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(upper, 1 + 3 * 0.5, rtol=1e-6)


def test_no_intervals_are_written_if_they_are_infinite_or_not_wanted(tmp_path):
    folders = [with_scales(tmp_path / run, 1, 0.5) for run in "ab"]
    for score in ((), (math.inf,)):
        average(folders, Destination(tmp_path / "mean", SETTINGS), *score)
        assert {path.name for path in (tmp_path / "mean").iterdir()} == {"1"}


def test_a_scale_that_no_law_has_is_an_error(tmp_path):
    folders = [with_scales(tmp_path / "a", 1, 0.5), with_scales(tmp_path / "b", 2, -1)]
    with pytest.raises(ValueError, match="the scale holds negative"):
        average(folders, Destination(tmp_path / "mean", SETTINGS), score=1.0)


def test_the_mean_is_exact_to_rounding(tmp_path):
    """Large values that cancel: sums in float32 would lose the small ones."""
    rng = np.random.default_rng(0)
    size = rng.uniform(1e6, 1e7, (2, 3, 4))
    volumes = [
        (sign * size + rng.uniform(0, 1, size.shape)).astype(np.float32)
        for sign in (1, 1, -1, -1, 0)
    ]
    paths = [tmp_path / f"{i}.tif" for i in range(5)]
    for path, volume in zip(paths, volumes, strict=True):
        write_volume(path, volume, "ZYX")
    exact = [
        float(sum(map(Fraction, map(float, values))) / 5)
        for values in np.stack(volumes).reshape(5, -1).T
    ]
    mean = mean_volume(paths, tmp_path)
    np.testing.assert_array_equal(mean.ravel(), np.array(exact, np.float32))
    assert not np.array_equal(mean, sum(volumes) / np.float32(5))


def test_the_runs_do_not_fill_the_memory(tmp_path, monkeypatch):
    """A block of each run, and what is compressed at a time: no volumes."""
    shape = (32, 64, 64)
    monkeypatch.setattr(denoising.images.percentiles, "BLOCK", 64 * 64)
    folders = [restored(tmp_path / str(i), i, shape, names=["1/a"]) for i in range(8)]
    tracemalloc.start()
    try:
        average(folders, Destination(tmp_path / "mean", SETTINGS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    volume, plane = 4 * np.prod(shape), 4 * np.prod(shape[1:])
    assert peak < volume + 8 * 3 * plane


def test_runs_that_restored_other_volumes_are_refused(tmp_path):
    first = restored(tmp_path / "first", 1)
    fewer = restored(tmp_path / "fewer", 1, names=["1/a"])
    for folders in ([first, fewer], [fewer, first]):
        with pytest.raises(
            ValueError, match=r"volumes differ from those of .* in 2/a\.tif; delete both"
        ):
            average(folders, Destination(tmp_path / "mean", SETTINGS))
    assert not (tmp_path / "mean").exists()


def test_volumes_of_other_shapes_are_refused(tmp_path):
    """Also where numpy would stretch one over the other."""
    folders = [restored(tmp_path / "first", 1), restored(tmp_path / "flat", 1, shape=(3, 1, 5))]
    with pytest.raises(
        ValueError, match=r"flat/1/a\.tif: shape \(3, 1, 5\) differs from \(3, 4, 5\)"
    ):
        average(folders, Destination(tmp_path / "mean", SETTINGS))


def test_no_volume_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no restored volume"):
        average([tmp_path, tmp_path], Destination(tmp_path / "mean", SETTINGS))
