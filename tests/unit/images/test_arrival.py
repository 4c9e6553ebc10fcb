"""What is said of an archive when it arrives, by archives that differ from the expected one."""

import json

import numpy as np
import pytest

from denoising.images.archives import NPZ, Contents
from denoising.images.arrival import report, write_report
from denoising.images.volumes import listing_row, write_listing, write_volume

PUBLISHED = {"test_volumes": 2, "planes": 8, "rows": 40, "columns": 40, "patches": 6}
NOISE = {"truth": 2, "3": 20, "1": 200}
FOLDERS = {"truth": "GT", "3": "condition_3", "1": "condition_1"}
CHANNELS = {"truth": 2, "3": 1, "1": 0}
STACKS = [f"Top/test_data/nGFP_0.1_0.5_20_{i}_late.tif" for i in (13, 14)]


@pytest.fixture
def said(tmp_path):
    """Write a folder of volumes as an archive gave it, and return its report."""

    def arrive(
        noise=NOISE, sources=FOLDERS, names=("Top/Readme.md",), images=None, patches=6,
        shape=(8, 40, 40), published=PUBLISHED,
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        specimen = 1000 * rng.random((1, 1, 5)).repeat(8, axis=2) + np.zeros(shape)
        rows = []
        for volume in "ab":
            for condition, strength in noise.items():
                image = (specimen + rng.normal(0, strength, shape)).astype(np.float32)
                rows.append(listing_row("test", volume, condition, image, "ZYX"))
                write_volume(tmp_path / rows[-1]["path"], image, "ZYX")
        write_listing(tmp_path, rows)
        if images is None:
            files = [f"test_data/{folder}/a.tif" for folder in FOLDERS.values()]
            images = dict.fromkeys(files)
        if patches:
            X = rng.random((patches, 1, 4, 8, 8), np.float32)
            (tmp_path / "train").mkdir()
            np.savez(tmp_path / NPZ.replace("train_data", "train"), X=X, Y=X / 2)
        all_names = [*names, *(f"Top/{file}" for file in images), f"Top/{NPZ}"]
        contents = Contents(tmp_path / "worms.tar.gz", all_names, images)
        entry = report(contents, tmp_path, sources, published)
        write_report(entry, tmp_path / "worms.tar.gz", tmp_path / "checks/worms.json")
        assert json.loads((tmp_path / "checks/worms.json").read_text()) == {
            "archive": str(tmp_path / "worms.tar.gz"),
            **entry,
        }
        return entry

    return arrive


def test_an_archive_as_published_is_recorded_without_a_word(said, caplog):
    entry = said()
    assert entry["differences"] == []
    assert not caplog.records
    found = entry["found"]
    assert found["top_folders"] == ["Top"]
    assert found["beside_the_data"] == ["Top/Readme.md"]
    assert found["shapes"] == ["8x40x40"]
    noise = found.pop("noise")
    assert noise["truth"] < noise["3"] < noise["1"]
    patches = found["patches"]
    assert (patches["shape"], patches["axes"]) == ([6, 1, 4, 8, 8], None)
    np.testing.assert_allclose(patches["values"]["X"], (0, 1), atol=0.03)
    np.testing.assert_allclose(patches["values"]["Y"], (0, 0.5), atol=0.03)


def stacks(names=STACKS, channels=3):
    return {name.removeprefix("Top/"): channels for name in names}


@pytest.mark.parametrize(
    ("how", "difference"),
    [
        ({"names": ["Top/poster.png"]}, "has no Readme beside its data; found Top/poster.png."),
        ({"names": ["Readme", "More/train_data/x"]}, "its data lie below 2 top folders (More,"),
        ({"names": ["Readme", *(f"Top/test_data/c{i}/a.tif" for i in range(7))]},
         "no volume comes from test_data/c0/a.tif, test_data/c1/a.tif, test_data/c2/a.tif,"
         " test_data/c3/a.tif, test_data/c4/a.tif, and 2 more; see the dataset's layout and"),
        ({"noise": {"truth": 2, "3": 200, "1": 20}}, "the config has truth, 3, 1: see the"),
        ({"noise": {"truth": 200, "3": 20, "1": 200}}, "by noise, the cleanest first, its images"),
        ({"patches": 5}, "has 5 training patches, published are 6."),
        ({"patches": None}, "has no train_data/data_label.npz, published are 6 patches."),
        ({"shape": (8, 60, 40)}, "has volumes of 8x60x40, published are about 8x40x40."),
        ({"published": PUBLISHED | {"test_volumes": "3"}}, "has 2 test volumes, published are 3."),
        ({"images": stacks(channels=4), "sources": CHANNELS},
         "its stacks have 4 channels, of which the config names 3."),
        ({"images": stacks(["Top/test_data/a.tif"]), "sources": CHANNELS},
         "its names carry no laser powers such as 0.1_0.2_0.5_20; found a."),
        ({"images": stacks(STACKS[:1]), "sources": {"truth": 2, "3": 0, "1": 1}},
         "nGFP_0.1_0.5_20_13_late names the laser powers [0.1, 0.5, 20.0] of its channels, but the"
         " config has them, the ground truth and the cleanest first, as channels [2, 0, 1]; see"),
    ],
)  # fmt: skip
def test_a_difference_is_said_with_what_was_found(how, difference, said, caplog, tmp_path):
    (found,) = said(**how)["differences"]
    assert difference in found
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'worms.tar.gz'}: {found}"
    ]


def test_laser_powers_in_the_order_of_the_config_are_as_expected(said):
    assert said(images=stacks(), sources=CHANNELS)["differences"] == []


@pytest.mark.parametrize("patches", [None, 7])
def test_an_archive_that_is_not_a_published_one_is_held_against_its_config_alone(patches, said):
    assert said(published=None, patches=patches)["differences"] == []


def test_damaged_patches_are_named_by_their_name_in_the_archive(said, tmp_path):
    npz = tmp_path / NPZ.replace("train_data", "train")
    npz.parent.mkdir()
    npz.write_bytes(b"PK")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/worms\.tar\.gz: {NPZ}: array X cannot be"):
        said(patches=0)
