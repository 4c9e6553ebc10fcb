"""Simulated archives: the published layout, equal bytes from equal arguments, refusals."""

import tarfile
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
import tifffile

from denoising.specimens import simulated_archives
from denoising.specimens.simulated_archives import ArchiveContents, simulate_archive
from denoising.specimens.species import SPECIES

SMALL = {
    "shape": (8, 48, 48),
    "train_volumes": 2,
    "test_volumes": 3,
    "patch_shape": (8, 32, 32),
    "patches": 20,
    "seed": 3,
}
FOLDERS = ("GT", "condition_1", "condition_2", "condition_3")


def unpacked(folder, species, **changes):
    """Write and unpack an archive; return the names of its files in order, and its top folder."""
    simulate_archive(folder / "a.tar.gz", ArchiveContents(species, **SMALL | changes))
    with tarfile.open(folder / "a.tar.gz") as tar:
        names = [entry.name for entry in tar if entry.isfile()]
        tar.extractall(folder, filter="data")
    return names, folder / SPECIES[species].archive


@pytest.fixture(scope="module", params=SPECIES)
def archive(request, tmp_path_factory):
    return request.param, *unpacked(tmp_path_factory.mktemp(request.param), request.param)


def test_layout_is_the_published_one(archive):
    species, names, _ = archive
    if species == "planaria":
        stems = ["EXP278_Smed_fixed_RedDot1_sub_5_N7_m{}", "EXP280_Smed_live_RedDot1_sub_5_N7_m{}"]
        test = [stems[0].format("0001"), stems[0].format("0002"), stems[1].format("0001")]
        train = [stem.format("1001") for stem in stems]
        volumes = [f"test_data/{f}/{name}.tif" for f in FOLDERS for name in test]
        volumes += [f"train_data/{f}/{name}.tif" for f in FOLDERS for name in train]
    else:
        volumes = [f"test_data/nGFP_0.1_0.2_0.5_20_{i}_late.tif" for i in (13, 14, 15)]
    files = ["Readme.md", "poster.png", "nuclei.csv", "train_data/data_label.npz", *volumes]
    top = {"planaria": "Denoising_Planaria", "tribolium": "Denoising_Tribolium"}[species]
    assert names == sorted(f"{top}/{file}" for file in files)


def test_volumes_are_uint16_with_axes(archive):
    species, _, top = archive
    shape, axes = ((8, 48, 48), "ZYX") if species == "planaria" else ((4, 8, 48, 48), "CZYX")
    for path in top.rglob("*.tif"):
        with tifffile.TiffFile(path) as tif:
            assert (tif.series[0].axes, tif.series[0].shape) == (axes, shape)
            assert tif.series[0].dtype == np.uint16
            assert tif.pages[0].compression == tifffile.COMPRESSION.NONE
            assert "DateTime" not in tif.pages[0].tags


def test_nuclei_of_test_volumes_are_listed_where_the_ground_truth_is_bright(archive):
    species, names, top = archive
    nuclei = pd.read_csv(top / "nuclei.csv")
    assert nuclei.columns.tolist() == ["volume", "z", "y", "x", "radius_um"]
    tests = {PurePosixPath(n).stem for n in names if "/test_data/" in n and n.endswith(".tif")}
    assert set(nuclei["volume"]) == tests
    for name, rows in nuclei.groupby("volume"):
        if species == "planaria":
            truth = tifffile.imread(top / "test_data" / "GT" / f"{name}.tif")
        else:
            truth = tifffile.imread(top / "test_data" / f"{name}.tif")[3]
        places = np.rint(rows[["z", "y", "x"]].to_numpy()).astype(int)
        places = places[((places >= 0) & (places < truth.shape)).all(axis=1)]
        assert len(places) > 5
        # Against the voxels of the same planes, as light fades with depth
        medians = np.median(truth, axis=(1, 2))[places[:, 0]]
        assert (truth[tuple(places.T)] > medians).mean() > 0.9
        assert rows["radius_um"].isin(SPECIES[species].radii_um).all()


def test_published_patches_have_no_axes_key_and_are_normalised(archive):
    _, _, top = archive
    with np.load(top / "train_data" / "data_label.npz") as npz:
        assert set(npz) == {"X", "Y"}
        for patches in npz.values():
            assert (patches.shape, patches.dtype) == ((20, 1, 8, 32, 32), np.float32)
            assert np.isfinite(patches).all()
            low, high = np.percentile(patches, (1, 99.9))
            assert -0.5 < low < 0.2
            assert 0.5 < high < 3


def noise(image, truth):
    """Share of the variance of `image` that no scaling of `truth` explains."""
    return 1 - np.corrcoef(image.ravel(), truth.ravel())[0, 1] ** 2


def test_conditions_are_in_the_published_order(archive):
    species, _, top = archive
    if species == "planaria":  # condition 1 is the cleanest
        for path in (top / "test_data" / "GT").iterdir():
            truth, *images = (tifffile.imread(top / "test_data" / f / path.name) for f in FOLDERS)
            one, two, three = (noise(image, truth) for image in images)
            assert one < two < three
    else:  # channel 0 is the noisiest
        for path in (top / "test_data").iterdir():
            *images, truth = tifffile.imread(path)
            one, two, three = (noise(image, truth) for image in images)
            assert one > two > three


def test_no_two_volumes_show_one_specimen(tmp_path):
    _, top = unpacked(tmp_path, "planaria")
    volumes = [tifffile.imread(path) for path in top.glob("t*_data/GT/*.tif")]
    assert len(volumes) == 5
    similar = np.corrcoef([volume.ravel() for volume in volumes]) - np.eye(5)
    assert similar.max() < 0.5


@pytest.mark.parametrize("species", SPECIES)
def test_equal_arguments_give_equal_bytes(tmp_path, species):
    few = SMALL | {"train_volumes": 1, "test_volumes": 1, "patches": 4}
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        contents = ArchiveContents(species, **few | {"seed": seed})
        simulate_archive(tmp_path / name / "a.tar.gz", contents)
    one, two, three = ((tmp_path / n / "a.tar.gz").read_bytes() for n in ("one", "two", "three"))
    assert one == two
    assert one != three
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["a.tar.gz"]


def test_entries_bear_no_date_owner_or_mode_of_their_own(tmp_path):
    _, top = unpacked(tmp_path, "planaria", train_volumes=1, test_volumes=1)
    packed = tmp_path / "a.tar.gz"
    assert packed.read_bytes()[3] == 0  # the gzip header has no file name
    assert int.from_bytes(packed.read_bytes()[4:8], "little") == simulated_archives.EPOCH
    with tarfile.open(packed) as tar:
        for entry in tar:
            assert (entry.mtime, entry.uid, entry.gid) == (simulated_archives.EPOCH, 0, 0)
            assert (entry.uname, entry.gname) == ("", "")
            assert entry.mode == (0o755 if entry.isdir() else 0o644)
    with zipfile.ZipFile(top / "train_data" / "data_label.npz") as npz:
        assert npz.namelist() == ["X.npy", "Y.npy"]
        for entry in npz.infolist():
            assert (entry.date_time, entry.compress_type) == (
                (1980, 1, 1, 0, 0, 0),
                zipfile.ZIP_STORED,
            )


def test_a_volume_does_not_depend_on_how_many_there_are(tmp_path):
    (tmp_path / "few").mkdir()
    names, few = unpacked(tmp_path / "few", "planaria", train_volumes=1, test_volumes=1)
    (tmp_path / "many").mkdir()
    _, many = unpacked(tmp_path / "many", "planaria")
    volumes = [name.split("/", 1)[1] for name in names if name.endswith(".tif")]
    assert len(volumes) == 8
    assert all((few / v).read_bytes() == (many / v).read_bytes() for v in volumes)


@pytest.mark.parametrize(("patches", "volumes"), [(20, 3), (2, 2), (18, 2)])
def test_patches_are_spread_evenly_and_mixed(tmp_path, monkeypatch, patches, volumes):
    counts = []

    def cut(truth, image, patch_shape, count, rng):
        counts.append(count)
        filled = np.full((count, *patch_shape), len(counts), np.float32)
        return filled, -filled, (0, 1)

    monkeypatch.setattr(simulated_archives, "cut_patches", cut)
    _, top = unpacked(tmp_path, "tribolium", patches=patches, train_volumes=volumes, test_volumes=1)
    with np.load(top / "train_data" / "data_label.npz") as npz:
        order = npz["X"][:, 0, 0, 0, 0]
        np.testing.assert_array_equal(npz["Y"], -npz["X"])
    assert sum(counts) == patches
    assert max(counts) <= -(-patches // (3 * volumes))
    np.testing.assert_array_equal(np.bincount(order.astype(int))[1:], counts)
    if patches > 2:
        assert (np.diff(order) < 0).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"species": "zebrafish"}, "species is 'zebrafish', expected one of planaria, tribolium"),
        ({"shape": 48}, "shape is 48, expected three whole numbers"),
        ({"shape": (48, 48)}, r"shape is \(48, 48\), expected three whole numbers"),
        ({"shape": (8, 48, 48.0)}, r"shape is \(8, 48, 48.0\), expected three whole numbers"),
        ({"patch_shape": (8, 32, 0)}, r"patch_shape is \(8, 32, 0\), expected three whole"),
        ({"shape": (8, 24, 48)}, r"shape is \(8, 24, 48\), expected at least patch_shape"),
        ({"patches": 0}, "patches is 0, expected a whole number of at least 1"),
        ({"seed": -1}, "seed is -1, expected a whole number of at least 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, changes, message):
    arguments = {"species": "planaria"} | SMALL | changes
    with pytest.raises(ValueError, match=f"a.tar.gz: {message}"):
        simulate_archive(tmp_path / "a.tar.gz", ArchiveContents(**arguments))
    assert not list(tmp_path.iterdir())
