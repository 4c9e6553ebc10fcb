"""Slabs that several jobs restored are joined to the files that one job would have written."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from denoising.images.volumes import Pair, open_volume, volume_header, volume_names, write_volume
from denoising.restoration.destination import Destination
from denoising.restoration.restored_volumes import restore_all
from denoising.restoration.slabs import gather, join, total

SLABS = {"format": "tiff", "dtype": "float32", "compression": False}


class Network:
    """In place of a restorer: twice the normalised input, and as its scale a half of it."""

    multiple = 4
    percentiles = (3, 99.8)
    axes = "ZYX"

    def __init__(self, probabilistic=True):
        self.probabilistic = probabilistic

    def restore(self, image, axes, mean, scale=None, bounds=(0.0, 1.0), region=None):
        low, high = bounds
        normalised = ((image.astype(np.float32) - np.float32(low)) / np.float32(high - low))[region]
        mean[:] = 2 * normalised
        if scale is not None:
            scale[:] = normalised / 2


def saved(folder, shapes=((9, 21, 30), (30, 5, 6), (1, 3, 2))):
    """Stacks of several shapes, in one condition: the longest axis is X, Z, and Y of too few voxels
    for three jobs.
    """
    pairs = []
    for name, shape in zip("abc", shapes, strict=False):
        stack, path = (
            np.random.default_rng(1).integers(90, 900, shape).astype(np.uint16),
            folder / f"{name}.tif",
        )
        write_volume(path, stack, "ZYX", voxel_size=(2.0, 0.5, 0.25))
        pairs.append(Pair(name, "1", "ZYX", path, path))
    return pairs


def restored_by(jobs, network, pairs, folder):
    """Folders and records that so many jobs leave."""
    folders, records = [], []
    for part in range(1, jobs + 1):
        folders.append(folder / str(part))
        records.append(folder / f"{part}.json")
        record = {"method": "worm", "device": f"GPU {part % 2}"}
        destination = Destination(folders[-1], SLABS)
        restore_all(network, pairs, destination, records[-1], record, (part, jobs))
    return folders, records


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("file_format", "dtype"), [("tiff", "float32"), ("ome-zarr", "float16"), ("tiff", "input")]
)
@pytest.mark.parametrize("probabilistic", [True, False])
def test_the_files_are_those_of_one_job(tmp_path, jobs, file_format, dtype, probabilistic):
    """Values, axes, size of a voxel; also the gain of whole numbers, which is that of the whole
    volume.
    """
    network, pairs = Network(probabilistic), saved(tmp_path)
    settings = {"format": file_format, "dtype": dtype, "compression": True}
    alone = Destination(tmp_path / "one", settings)
    restore_all(network, pairs, alone, tmp_path / "one.json", {})
    folders, records = restored_by(jobs, network, pairs, tmp_path / "slabs")
    joined = Destination(tmp_path / "all", settings)
    gather(folders, records, pairs, joined, tmp_path / "all.json")
    names = volume_names(tmp_path / "one")
    assert len(names) == 3 * (1 + probabilistic)
    assert volume_names(tmp_path / "all") == names
    for name in names:
        found, expected = (
            open_volume(tmp_path / folder / name, "ZYX") for folder in ("all", "one")
        )
        headers = [volume_header(tmp_path / folder / name) for folder in ("all", "one")]
        gain = headers[1].gain
        step = gain if dtype == "input" else 0  # slabs round to float32 before whole numbers do
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1.01 * step, strict=True)
        assert headers[0].gain == pytest.approx(gain)
        assert replace(headers[0], gain=gain, offset=0) == replace(headers[1], offset=0)
    voxels = [
        json.loads((tmp_path / f"{name}.json").read_text())["voxels"] for name in ("all", "one")
    ]
    assert (
        voxels[0]
        == voxels[1]
        == sum(np.prod(shape) for shape in ((9, 21, 30), (30, 5, 6), (1, 3, 2)))
    )


def test_a_job_writes_its_slab_alone_and_nothing_of_volumes_too_short_for_it(tmp_path):
    folders, _ = restored_by(3, Network(), saved(tmp_path), tmp_path / "slabs")
    shapes = [
        {name: open_volume(folder / name).shape for name in volume_names(folder)}
        for folder in folders
    ]
    # 32 voxels with padding make three slabs of 12 and less; 4 make one
    assert [len(found) for found in shapes] == [6, 4, 4]
    assert [found[Path("1/a.tif")] for found in shapes] == [(9, 21, 11), (9, 21, 12), (9, 21, 7)]
    assert [found[Path("scale/1/b.tif")] for found in shapes] == [(11, 5, 6), (12, 5, 6), (7, 5, 6)]
    assert shapes[0][Path("1/c.tif")] == (1, 3, 2)


def test_jobs_with_nothing_to_do_leave_an_empty_folder(tmp_path):
    folders, records = restored_by(
        2, Network(), saved(tmp_path, shapes=[(1, 3, 2)]), tmp_path / "slabs"
    )
    assert folders[1].is_dir() and not volume_names(folders[1])
    assert json.loads(records[1].read_text())["voxels"] == 0


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_slab_that_is_not_there_is_named(tmp_path, lost):
    pairs = saved(tmp_path)
    folders, records = restored_by(3, Network(), pairs, tmp_path / "slabs")
    (folders[lost] / "scale/1/b.tif").unlink()
    with pytest.raises(
        ValueError,
        match=rf"make up \(30, 5, 6\) .*not found \S*slabs/{lost + 1}/scale/1/b\.tif; delete",
    ):
        gather(folders, records, pairs, Destination(tmp_path / "all", SLABS), tmp_path / "all.json")
    assert not (tmp_path / "all.json").exists()


def test_no_slab_at_all_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="found none; not found .*a.tif"):
        join([tmp_path / "a.tif"], (4, 5, 6), tmp_path)


@pytest.mark.parametrize("shape", [(9, 20, 12), (9, 21), (9, 21, 13)])
def test_slabs_that_do_not_fit_are_refused(tmp_path, shape):
    """Also where numpy would stretch one."""
    for name, size in (("1.tif", (9, 21, 18)), ("2.tif", shape)):
        write_volume(tmp_path / name, np.zeros(size, np.float32), "ZYX"[-len(size) :])
    with pytest.raises(
        ValueError,
        match=r"slabs of 1\.tif have shapes .*, expected to make up \(9, 21, 30\) along its",
    ):
        join([tmp_path / "1.tif", tmp_path / "2.tif"], (9, 21, 30), tmp_path)


def test_slabs_do_not_fill_the_memory(tmp_path):
    """Of a volume of 16 MB in two of them."""
    paths = [tmp_path / "1.tif", tmp_path / "2.tif"]
    for path in paths:
        write_volume(path, np.zeros((64, 256, 128), np.float32), "ZYX")
    tracemalloc.start()
    try:
        join(paths, (64, 512, 128), tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**21


def test_seconds_are_of_all_jobs_together_and_every_device_is_named():
    first = {
        "method": "worm",
        "dataset": "d",
        "device": "GPU, B",
        "seconds": 2.5,
        "voxels": 30,
        "threads": 2,
    }
    second = first | {"device": "GPU, A", "seconds": 1.25, "voxels": 12}
    assert total([first, second, first], 0.5) == first | {
        "device": "GPU, A, GPU, B",
        "seconds": 6.75,
        "voxels": 72,
    }
