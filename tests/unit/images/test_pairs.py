"""A microscopist's own images: which test, and their import."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from denoising.images import pairs
from denoising.images.files import Storage, write
from denoising.images.matching import match_pairs
from denoising.images.pairs import (
    changed_since_import,
    held_out_files,
    import_pairs,
    record_pairs,
)
from denoising.images.sources import Selection
from denoising.images.volumes import open_volume, paired, read_listing, volume_header

# Which images test


@pytest.mark.parametrize(
    ("count", "fraction", "tests"),
    [(10, 0.2, 2), (2, 0.1, 1), (2, 0.9, 1), (3, 0.9, 2), (20, 0.25, 5)],
)
def test_some_images_test_and_some_train(count, fraction, tests):
    names = [f"image{i}" for i in range(count)]
    chosen = pairs.held_out(names, fraction, 0)
    assert len(chosen) == tests
    assert chosen < set(names)


def test_choice_depends_on_names_and_seed_alone():
    names = [f"image{i}" for i in range(20)]
    assert pairs.held_out(names, 0.2, 1) == pairs.held_out(names[::-1], 0.2, 1)
    assert len({frozenset(pairs.held_out(names, 0.2, seed)) for seed in range(5)}) > 1


def test_one_pair_is_not_enough():
    with pytest.raises(ValueError, match=r"pairs: 1 pair found \(only\), expected two or more"):
        pairs.held_out(["only"], 0.5, 0)


# Import


def image(*seed, shape):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture
def images(tmp_path):
    """Save five pairs of images, and return their list."""

    def save(shape, **changed):
        found = []
        for i, name in enumerate("abcde"):
            paths = [tmp_path / "raw" / f"{name}_{side}.tif" for side in ("low", "high")]
            for j, path in enumerate(paths):
                path.parent.mkdir(exist_ok=True)
                array = changed.get(path.stem, image(i, j, shape=shape))
                tifffile.imwrite(
                    path, array, photometric="minisblack", metadata={"axes": "ZYX"[-array.ndim :]}
                )
            found.append((name, *paths))
        return found

    return save


@pytest.mark.parametrize("shape", [(12, 10), (5, 12, 10)], ids=["2D", "3D"])
def test_images_are_brought_in_whole(shape, images, tmp_path):
    axes, folder = "ZYX"[-len(shape) :], tmp_path / "volumes"
    import_pairs(images(shape), Selection(axes), "low", 0.4, 3, folder)
    found = {part: list(paired(folder, part, ["low"])) for part in ("test", "train")}
    assert {pair.volume for pair in found["test"]} == pairs.held_out(list("abcde"), 0.4, 3)
    assert sorted(pair.volume for pair in found["test"] + found["train"]) == list("abcde")
    assert (len(found["test"]), len(found["train"])) == (2, 3)
    for pair in found["test"] + found["train"]:
        i = "abcde".index(pair.volume)
        assert (pair.axes, pair.condition) == (axes, "low")
        np.testing.assert_array_equal(open_volume(pair.image, axes), image(i, 0, shape=shape))
        np.testing.assert_array_equal(open_volume(pair.truth, axes), image(i, 1, shape=shape))
        assert tifffile.memmap(pair.image, mode="r").shape == shape
    assert set(read_listing(folder)["shape"]) == {"x".join(map(str, shape))}


def test_an_image_of_other_axes_is_named(images, tmp_path):
    listed = images((5, 12, 10), c_low=image(shape=(2, 5, 12, 10)))
    with pytest.raises(ValueError, match=r"c_low\.tif: axes are .*, expected ZYX"):
        import_pairs(listed, Selection("ZYX"), "low", 0.2, 0, tmp_path / "volumes")
    assert not (tmp_path / "volumes" / "volumes.csv").exists()


def test_the_size_of_a_voxel_is_kept(tmp_path):
    listed = []
    for name in "ab":
        low, high = tmp_path / f"{name}_low.tif", tmp_path / f"{name}_high.tif"
        for path in (low, high):
            told = {"axes": "ZYX", "spacing": 1.5, "unit": "um"}
            tifffile.imwrite(
                path,
                np.zeros((5, 12, 10), np.uint16),
                imagej=True,
                resolution=(5, 2),
                metadata=told,
            )
        listed.append((name, low, high))
    import_pairs(listed, Selection("ZYX"), "low", 0.5, 0, tmp_path / "volumes")
    for pair in paired(tmp_path / "volumes", "test", ["low"]):
        for path in (pair.image, pair.truth):
            assert volume_header(path).voxel_size == pytest.approx((1.5, 0.5, 0.2))


def test_ome_zarr_groups_are_brought_in_like_files(tmp_path):
    listed, stacks = [], {}
    for i, name in enumerate("ab"):
        for j, side in enumerate(("low", "high")):
            stacks[name, side] = image(i, j, shape=(5, 12, 10))
            write(
                tmp_path / f"{name}_{side}.tif",
                stacks[name, side],
                "ZYX",
                (2, 0.5, 0.5),
                Storage("ome-zarr"),
            )
    listed = match_pairs(f"{tmp_path}/*_low.ome.zarr", f"{tmp_path}/*_high.ome.zarr")
    import_pairs(listed, Selection("ZYX"), "low", 0.5, 0, tmp_path / "volumes")
    for part in ("test", "train"):
        (pair,) = paired(tmp_path / "volumes", part, ["low"])
        for path, side in ((pair.image, "low"), (pair.truth, "high")):
            np.testing.assert_array_equal(
                tifffile.memmap(path, mode="r"), stacks[pair.volume, side]
            )
            assert volume_header(path).voxel_size == pytest.approx((2, 0.5, 0.5))


def test_bytes_in_any_order_are_listed_as_the_same_numbers(images, tmp_path):
    listed = images((5, 12, 10))
    for _, low, _ in listed:
        tifffile.imwrite(
            low,
            tifffile.imread(low),
            byteorder=">",
            photometric="minisblack",
            metadata={"axes": "ZYX"},
        )
    import_pairs(listed, Selection("ZYX"), "low", 0.5, 0, tmp_path / "volumes")
    assert set(read_listing(tmp_path / "volumes")["dtype"]) == {"uint16"}
    (first, *_) = paired(tmp_path / "volumes", "test", ["low"])
    np.testing.assert_array_equal(
        open_volume(first.image), image("abcde".index(first.volume), 0, shape=(5, 12, 10))
    )


def test_nothing_but_the_volumes_is_left(images, tmp_path):
    listed = images((5, 12, 10))
    tifffile.imwrite(
        listed[0][1], image(0, shape=(5, 12, 10)), compression="zlib", metadata={"axes": "ZYX"}
    )
    import_pairs(listed, Selection("ZYX"), "low", 0.5, 0, tmp_path / "volumes")
    written = {
        str(path.relative_to(tmp_path / "volumes")) for path in (tmp_path / "volumes").rglob("*.*")
    }
    assert written == {"volumes.csv", *read_listing(tmp_path / "volumes")["path"]}


def test_every_bad_file_is_named_before_anything_is_written(images, tmp_path):
    bad = {
        "a_low": image(shape=(12, 9)),
        "c_high": image(shape=(12, 10, 3)).astype(np.uint8),
        "d_low": image(shape=(12, 9)),
    }
    listed = images((12, 10), **bad)
    listed[1][1].write_bytes(b"")
    listed[4][2].write_bytes(b"\x89PNG")
    with pytest.raises(ValueError) as refused:
        import_pairs(listed, Selection("YX"), "low", 0.2, 0, tmp_path / "mine")
    said = str(refused.value).splitlines()
    assert said[0] == "datasets.mine: 5 files or pairs cannot be used."
    for name, words in {
        "a_low.tif (12, 9) and": "one shape",
        "d_low.tif (12, 9) and": "one shape",
        "b_low.tif": "is empty",
        "c_high.tif": "axes are",
        "e_high.tif": "is a PNG file",
    }.items():
        (line,) = (line for line in said if name in line)
        assert words in line
    assert not (tmp_path / "mine").exists()


# Frames


@pytest.fixture
def movies(tmp_path):
    """Save pairs of movies of so many frames, and return their list."""

    def save(*counts):
        listed = []
        for i, (low, high) in enumerate(counts):
            paths = [tmp_path / f"movie{i}_{side}.tif" for side in ("low", "high")]
            for j, (path, count) in enumerate(zip(paths, (low, high), strict=True)):
                array = image(i, j, shape=(count, 12, 10))
                tifffile.imwrite(path, array, imagej=True, metadata={"axes": "TYX"})
            listed.append((f"movie{i}", *paths))
        return listed

    return save


def test_frames_are_images_and_those_of_a_file_stay_together(movies, tmp_path):
    folder = tmp_path / "mine"
    import_pairs(movies((4, 4), (4, 4), (4, 4)), Selection("YX", "all"), "low", 0.2, 0, folder)
    found = {part: list(paired(folder, part, ["low"])) for part in ("test", "train")}
    (test,) = {pair.volume[: -len("-t0000")] for pair in found["test"]}
    assert [pair.volume for pair in found["test"]] == [f"{test}-t000{t}" for t in range(4)]
    assert len(found["train"]) == 8
    assert not any(pair.volume.startswith(test) for pair in found["train"])
    expected = image(int(test[-1]), 1, shape=(4, 12, 10))
    for t, pair in enumerate(found["test"]):
        np.testing.assert_array_equal(open_volume(pair.truth, "YX"), expected[t])


def test_one_movie_is_tested_on_its_last_frames(movies, tmp_path):
    import_pairs(movies((10, 10)), Selection("YX", "all"), "low", 0.2, 0, tmp_path / "mine")
    tests = [pair.volume for pair in paired(tmp_path / "mine", "test", ["low"])]
    assert tests == ["movie0-t0008", "movie0-t0009"]


def test_movies_of_other_lengths_are_no_pair(movies, tmp_path):
    listed = movies((4, 4), (4, 3))
    with pytest.raises(
        ValueError, match=r"movie1_low.tif \(4 frames\) and .*movie1_high.tif \(3\)"
    ):
        import_pairs(listed, Selection("YX", "all"), "low", 0.2, 0, tmp_path / "mine")
    import_pairs(listed, Selection("YX", (0, 2)), "low", 0.2, 0, tmp_path / "mine")


def test_unreadable_image_is_named(images, tmp_path):
    listed = images((12, 10))
    listed[1][2].write_text("no image")
    with pytest.raises(ValueError, match=r"b_high\.tif: not a readable TIFF"):
        import_pairs(listed, Selection("YX"), "low", 0.2, 0, tmp_path / "volumes")


def checked(**columns):
    """The table of a check, of two files: the first trains, the second tests."""
    files = {"file": ["a.tif", "b.tif"], "bytes": ["7", "8"], "sha256": ["1f", "2f"]}
    images = {"part": ["train", "test"], "side": ["low", "low"], "frame": ["", ""]}
    return pd.DataFrame(files | images | columns)


def test_record_holds_every_files_checksum_and_what_was_held_out(tmp_path):
    record = tmp_path / "own.json"
    record_pairs(checked(), record)
    assert json.loads(record.read_text())["files"] == {
        "a.tif": {"bytes": 7, "sha256": "1f"}, "b.tif": {"bytes": 8, "sha256": "2f"}
    }  # fmt: skip
    assert held_out_files([str(record)]) == {"own": ["b.tif"]}
    record_pairs(checked(frame=["0", "3"]), record)
    assert held_out_files([str(record)]) == {"own": ["b.tif (frame 3)"]}
    record_pairs(checked(side=["low", "high"]), record)
    assert held_out_files([str(record)]) == {"own": []}


def test_files_that_changed_since_the_import_are_told(tmp_path):
    now = pd.DataFrame({"file": ["a.tif", "b.tif", "c.tif"], "sha256": ["1f", "3f", "4f"]})
    assert changed_since_import(now, tmp_path / "own.json") == []
    record_pairs(checked(), tmp_path / "own.json")
    assert changed_since_import(now, tmp_path / "own.json") == ["b.tif"]
