"""Volumes of a study from file to file: what csbdeep restores, in the image's units."""

import json

import numpy as np
import pytest
from csbdeep.data import PercentileNormalizer
from random_networks import random_network

from denoising.images import files as formats
from denoising.images.volumes import Pair, open_volume, volume_header, write_volume
from denoising.restoration.destination import Destination
from denoising.restoration.restored_volumes import VolumeRestoration, restore_all
from denoising.restoration.restorer import Restorer

SETTINGS = {"format": "tiff", "dtype": "float32", "compression": True}


def restore_file(restorer, pair, destination, part=(1, 1)):
    """Restore one volume, step by step; returns its number of voxels."""
    destination.folder.mkdir(exist_ok=True)
    volumes = VolumeRestoration(restorer, destination, part)
    return volumes.write(volumes.restore(volumes.read(pair)))


def saved(folder, name="a", shape=(9, 21, 30), **metadata):
    """An integer stack on disk, and the stack."""
    stack = np.random.default_rng(1).integers(90, 900, shape).astype(np.uint16)
    write_volume(folder / f"{name}.tif", stack, "ZYX"[-len(shape) :], **metadata)
    return folder / f"{name}.tif", stack


@pytest.mark.parametrize("dtype", ["float32", "float16", "input"])
@pytest.mark.parametrize("file_format", ["tiff", "ome-zarr"])
@pytest.mark.parametrize("compression", [True, False])
def test_files_hold_what_csbdeep_restores(tmp_path, dtype, file_format, compression):
    source, stack = saved(tmp_path, voxel_size=(2.0, 0.5, 0.25))
    model = random_network("ZYX", 1, 3, True)
    settings = {"format": file_format, "dtype": dtype, "compression": compression}
    mean, scale = tmp_path / "out/1/a.tif", tmp_path / "out/scale/1/a.tif"
    destination = Destination(tmp_path / "out", settings, threads=2)
    pair = Pair("a", "1", "ZYX", source, source)
    assert restore_file(Restorer(model, 10**6), pair, destination) == stack.size
    expected = model.predict_probabilistic(stack, "ZYX", normalizer=PercentileNormalizer(3, 99.8))
    error = {"float32": 1e-4, "float16": 1e-3, "input": 1e-4}[dtype]
    for path, values in ((mean, expected.mean()), (scale, expected.scale())):
        assert np.abs(open_volume(path, "ZYX") - values).max() < error * np.ptp(values)
        header = volume_header(path)
        bounds = np.percentile(stack, (3, 99.8)) - (0 if path == mean else np.percentile(stack, 3))
        kept = header.normalisation
        assert (kept.low, kept.high) == pytest.approx(tuple(bounds))
        assert header.dtype == ("uint16" if dtype == "input" else dtype)
        assert header.voxel_size == pytest.approx((2.0, 0.5, 0.25))
    suffix = {"tiff": ".tif", "ome-zarr": ".ome.zarr"}[file_format]
    assert {path.name for path in (tmp_path / "out/1").iterdir()} == {f"a{suffix}"}


@pytest.mark.parametrize("axes", ["XYZ", "YZX"])
def test_networks_may_have_their_axes_in_another_order_than_the_image(tmp_path, axes):
    """Also where several jobs share the volume."""
    source, stack = saved(tmp_path)
    model = random_network(axes, 1, 3, False)
    pair = Pair("a", "1", "ZYX", source, source)
    restorer = Restorer(model, 10**6)
    expected = model.predict(stack, "ZYX", normalizer=PercentileNormalizer(3, 99.8))
    found = []
    for part in range(1, 3):
        restore_file(restorer, pair, Destination(tmp_path / f"{part}", SETTINGS), (part, 2))
        found.append(open_volume(tmp_path / f"{part}/1/a.tif", "ZYX"))
    whole = np.concatenate(found, axis=2)  # along the longest axis
    assert np.abs(whole - expected).max() < 1e-5 * np.ptp(expected)


@pytest.mark.parametrize("shape", [(1, 21, 30), (5, 21, 30), (40, 21, 30)])
def test_networks_of_planes_restore_stacks_by_the_percentiles_of_the_stack(tmp_path, shape):
    """Also where several jobs share the planes."""
    source, stack = saved(tmp_path, shape=shape)
    model = random_network("YX", 1, 3, False)
    low, high = np.percentile(stack, (3, 99.8))
    planes = (stack - low) / (high - low)
    expected = np.stack([model.predict(plane, "YX", normalizer=None) for plane in planes])
    found = []
    for part in range(1, 3):
        destination = Destination(tmp_path / f"{part}", SETTINGS)
        restore_file(
            Restorer(model, 10**6), Pair("a", "1", "ZYX", source, source), destination, (part, 2)
        )
        found.append(open_volume(tmp_path / f"{part}/1/a.tif", "ZYX"))
    whole = np.concatenate(found, axis=shape.index(max(shape)))
    whole = (whole - low) / (high - low)
    assert np.abs(whole - expected).max() < 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("source_format", ["tiff", "ome-zarr"])
def test_compressed_volumes_are_restored_like_any(tmp_path, source_format):
    _, stack = saved(tmp_path)
    formats.write(
        tmp_path / "b.tif", stack, "ZYX", storage=formats.Storage(source_format, None, True)
    )
    model = random_network("ZYX", 1, 3, False)
    pair = Pair("b", "1", "ZYX", tmp_path / "b.tif", tmp_path / "b.tif")
    restore_file(Restorer(model, 10**6), pair, Destination(tmp_path / "out", SETTINGS))
    mean = open_volume(tmp_path / "out/1/b.tif", "ZYX")
    expected = model.predict(stack, "ZYX", normalizer=PercentileNormalizer(3, 99.8))
    assert np.abs(mean - expected).max() < 1e-5 * np.ptp(expected)
    assert not (tmp_path / "out/scale").exists()


@pytest.mark.parametrize("dtype", ["float32", "float16", "input"])
def test_a_large_offset_costs_no_detail(tmp_path, dtype):
    """Values that float32 itself cannot tell apart: the restoration is that without the offset."""
    offset = 3e8
    rng = np.random.default_rng(1)
    stack = rng.integers(0, 50, (9, 21, 30)).astype(np.uint32)
    restorer = Restorer(random_network("ZYX", 1, 3, False), 10**6)
    restored = []
    for name, values in (("near", stack), ("far", stack + np.uint32(offset))):
        write_volume(tmp_path / f"{name}.tif", values, "ZYX")
        pair = Pair(name, "1", "ZYX", tmp_path / f"{name}.tif", tmp_path / f"{name}.tif")
        settings = SETTINGS | {"dtype": dtype}
        restore_file(restorer, pair, Destination(tmp_path / "out", settings))
        restored.append(open_volume(tmp_path / f"out/1/{name}.tif"))
    near, far = restored
    assert np.abs((far.astype(np.float64) - offset) - near).max() < 1e-3 * np.ptp(near)


def test_a_volume_that_cannot_be_restored_is_named(tmp_path):
    write_volume(tmp_path / "flat.tif", np.ones((9, 9), np.uint16), "YX")
    pair = Pair("flat", "1", "YX", tmp_path / "flat.tif", tmp_path / "flat.tif")
    restorer = Restorer(random_network("YX", 1, 3, False), 10**6)
    with pytest.raises(ValueError, match=r"flat\.tif: percentiles .* constant"):
        restore_file(restorer, pair, Destination(tmp_path / "out", SETTINGS))


def test_all_pairs_are_restored_and_their_runtime_recorded(tmp_path):
    paths = [saved(tmp_path, name)[0] for name in ("a", "b")]
    pairs = [
        Pair(path.stem, condition, "ZYX", path, path)
        for path in paths
        for condition in ("1", "truth")
    ]
    restorer = Restorer(random_network("ZYX", 1, 3, True), 10**6)
    record = {"method": "worm", "device": "CPU, 2 threads"}
    destination = Destination(tmp_path / "out", SETTINGS, threads=2)
    restore_all(restorer, pairs, destination, tmp_path / "runtime.json", record)
    names = {f"{condition}/{name}.tif" for condition in ("1", "truth") for name in "ab"}
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.tif")}
    assert found == names | {"scale/1/a.tif", "scale/1/b.tif"}
    runtime = json.loads((tmp_path / "runtime.json").read_text())
    assert runtime.pop("seconds") > 0
    assert runtime == record | {"voxels": 4 * 9 * 21 * 30, "threads": 2}


# Networks of several channels


@pytest.mark.parametrize("parts", [1, 2])
def test_channels_go_through_the_network_together_and_one_of_them_is_kept(tmp_path, parts):
    """Each is normalised by its own percentiles; also where several jobs share the volume."""
    paths = [saved(tmp_path, name)[0] for name in ("nuclei", "membranes")]
    stacks = [np.random.default_rng(seed).integers(90, 900, (9, 21, 30)) for seed in (2, 3)]
    stacks[1] = 7 * stacks[1] + 100
    for path, stack in zip(paths, stacks, strict=True):
        write_volume(path, stack.astype(np.uint16), "ZYX")
    model = random_network("ZYX", 1, 3, False, channels=2)
    bounds = [np.percentile(stack, (3, 99.8)) for stack in stacks]
    normalised = [
        (stack - low) / (high - low) for stack, (low, high) in zip(stacks, bounds, strict=True)
    ]
    expected = model.predict(np.stack(normalised).astype(np.float32), "CZYX", normalizer=None)
    for channel, (low, high) in enumerate(bounds):
        pair = Pair("a", f"{channel}", "ZYX", paths[channel], paths[channel], channels=tuple(paths))
        found = []
        for part in range(1, parts + 1):
            destination = Destination(tmp_path / f"{part}", SETTINGS)
            restore_file(Restorer(model, 10**6), pair, destination, (part, parts))
            found.append(open_volume(tmp_path / f"{part}/{channel}/a.tif", "ZYX"))
        restored = (np.concatenate(found, axis=2) - low) / (high - low)
        assert np.abs(restored - expected[channel]).max() < 1e-4 * np.ptp(expected)


def test_a_channel_that_cannot_be_normalised_is_named(tmp_path):
    path, stack = saved(tmp_path, "nuclei", (20, 24))
    write_volume(tmp_path / "blank.tif", np.ones_like(stack), "YX")
    channels = (path, tmp_path / "blank.tif")
    pair = Pair("nuclei", "1", "YX", path, path, channels=channels)
    restorer = Restorer(random_network("YX", 1, 3, False, channels=2), 10**6)
    with pytest.raises(ValueError, match=r"nuclei\.tif: percentiles .* of .*blank\.tif are both 1"):
        restore_file(restorer, pair, Destination(tmp_path / "out", SETTINGS))


def test_a_job_that_has_no_part_of_a_short_image_writes_nothing(tmp_path):
    path, _ = saved(tmp_path, "short", (8, 8))
    pair = Pair("short", "1", "YX", path, path)
    restorer = Restorer(random_network("YX", 2, 3, False), 10**6)
    assert restore_file(restorer, pair, Destination(tmp_path / "out", SETTINGS), (3, 3)) == 0
    assert not list((tmp_path / "out").rglob("*.tif"))


def test_a_volume_whose_tiles_do_not_fit_is_named(tmp_path):
    path, _ = saved(tmp_path, "large", (40, 48))
    pair = Pair("large", "1", "YX", path, path)
    restorer = Restorer(random_network("YX", 1, 3, False), 10)
    with pytest.raises(ValueError, match=r"^\S*large\.tif: a tile may have 10 voxels, but the "):
        restore_file(restorer, pair, Destination(tmp_path / "out", SETTINGS))
