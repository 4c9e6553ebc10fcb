"""New images: each frame and channel as csbdeep restores it, in the units of the image."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile
from csbdeep.data import PercentileNormalizer
from made_up import ROOT
from matplotlib.image import imread
from random_networks import random_network
from viewer_levels import decoded, png

from denoising.images.files import Storage, write
from denoising.images.headers import Header
from denoising.images.slabs import NoRoomError
from denoising.images.volumes import open_volume, volume_header
from denoising.restoration import album_page
from denoising.restoration.album import COLUMNS, Networks, restore_album
from denoising.restoration.frames import frames_of
from denoising.restoration.new_images import Wish, open_image, write_restored
from denoising.restoration.new_images import restore_image as restore_opened
from denoising.restoration.quicklooks import draw, view
from denoising.restoration.restorer import Restorer

VIEWER = ROOT / "workflow/report/viewer.html"
TIFF = {"format": "tiff", "dtype": "float32", "compression": True}


def restore_image(restorers, path, wish, scratch):
    """Open an image and restore it."""
    return restore_opened(restorers, open_image(path, restorers[0], wish, scratch), scratch)


def wish(**changes):
    return Wish(
        **{"percentiles": (3, 99.8), "axes": None, "channels": None, "storage": TIFF} | changes
    )


@pytest.fixture(scope="module")
def model():
    return random_network("ZYX", 1, 3, False)


@pytest.fixture(scope="module")
def flat_model():
    return random_network("YX", 1, 3, True)


def numbers(shape, seed=1):
    return np.random.default_rng(seed).integers(90, 900, shape).astype(np.uint16)


def by_csbdeep(model, frame, axes):
    return model.predict(frame, axes, normalizer=PercentileNormalizer(3, 99.8))


def assert_close(found, expected):
    assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)


# Axes


def header(axes, shape):
    return Header(axes, shape, np.dtype(np.uint16))


@pytest.mark.parametrize(
    ("axes", "spatial", "alone", "order"),
    [
        ("ZYX", "ZYX", "", "ZYX"),
        ("TZCYX", "ZYX", "TC", "TZCYX"),
        ("CZYX", "ZYX", "C", "ZCYX"),
        ("TZYX", "YX", "TZ", "TZYX"),
        ("QYX", "ZYX", "", "ZYX"),
        ("XYZ", "ZYX", "", "ZYX"),
    ],
)
def test_axes_besides_the_networks_are_images_on_their_own(axes, spatial, alone, order):
    frames = frames_of(header(axes, (3,) * len(axes)), spatial, None, None)
    assert (frames.alone, frames.order) == (alone, order)


@pytest.mark.parametrize(
    ("axes", "given", "channels", "message"),
    [
        ("YX", None, None, "is a plane .*, but the network restores stacks"),
        ("QQYX", None, None, "the network needs ZYX"),
        ("YXS", None, None, "a colour image"),
        ("TYX", "ZCYX", None, "has 3 axes .* restore.axes is ZCYX"),
        ("CZYX", None, (4,), r"has 3 channels, but restore.channels asks for \[4\]"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes, given, channels, message):
    with pytest.raises(ValueError, match=message):
        frames_of(header(axes, (3,) * len(axes)), "ZYX", given, channels)


def test_axes_of_the_config_win():
    frames = frames_of(header("TYX", (9, 9, 9)), "ZYX", "ZYX", None)
    assert (frames.axes, frames.alone) == ("ZYX", "")


# Values


def test_each_time_and_channel_is_restored_as_by_csbdeep(tmp_path, model):
    movie = numbers((2, 9, 2, 21, 30)) * np.array([1, 3], np.uint16)[:, None, None]
    tifffile.imwrite(
        tmp_path / "movie.tif", movie, imagej=True, resolution=(5, 4),
        metadata={"axes": "TZCYX", "spacing": 2.0, "unit": "um"},
    )  # fmt: skip
    restored = restore_image([Restorer(model, 10**6)], tmp_path / "movie.tif", wish(), tmp_path)
    write_restored(restored, tmp_path / "out", "movie", wish())
    found = open_volume(tmp_path / "out/movie.tif", "TZCYX")
    for time, channel in np.ndindex(2, 2):
        frame = movie[time, :, channel]
        assert_close(found[time, :, channel], by_csbdeep(model, frame, "ZYX"))
    with tifffile.TiffFile(tmp_path / "out/movie.tif") as tif:  # as Fiji reads it
        assert tif.imagej_metadata["spacing"] == 2.0
        assert tif.imagej_metadata["unit"] == "um"
        assert (tif.imagej_metadata["frames"], tif.imagej_metadata["channels"]) == (2, 2)
    size = volume_header(tmp_path / "out/movie.tif").voxel_size
    assert size == pytest.approx((2.0, 0.25, 0.2))


def test_chosen_channels_alone_are_restored(tmp_path, model):
    image = numbers((3, 9, 16, 16))
    write(tmp_path / "a.tif", image, "CZYX")
    restored = restore_image(
        [Restorer(model, 10**6)], tmp_path / "a.tif", wish(channels=(1,)), tmp_path
    )
    assert restored.mean.shape == (9, 1, 16, 16)
    write_restored(restored, tmp_path / "out", "a", wish())
    found = open_volume(tmp_path / "out/a.tif")
    assert_close(np.squeeze(found), by_csbdeep(model, image[1], "ZYX"))


def test_planes_of_a_stack_are_restored_by_a_network_of_planes(tmp_path, flat_model):
    """Each with the percentiles of the stack, as in the study; one plane is blank."""
    stack = numbers((3, 21, 30)) * np.array([1, 3, 0], np.uint16)[:, None, None]
    low, high = np.percentile(stack, (3, 99.8))
    write(tmp_path / "a.tif", stack, "ZYX", storage=Storage("ome-zarr", None, True))
    restored = restore_image(
        [Restorer(flat_model, 10**6)], tmp_path / "a.ome.zarr", wish(), tmp_path
    )
    write_restored(restored, tmp_path / "out", "a", wish())
    found, scale = (open_volume(tmp_path / "out" / name) for name in ("a.tif", "scale/a.tif"))
    for plane, mean, width in zip(stack, found, scale, strict=True):
        normalised = (plane - low) / (high - low)
        expected = flat_model.predict_probabilistic(normalised, "YX", normalizer=None)
        assert_close(mean, (high - low) * expected.mean() + low)
        assert_close(width, (high - low) * expected.scale())


def test_several_networks_give_their_mean_and_their_spread(tmp_path):
    models = [random_network("YX", 1, kernel, True) for kernel in (3, 5, 7)]
    write(tmp_path / "a.tif", numbers((21, 30)), "YX")
    restorers = [Restorer(model, 10**6) for model in models]
    restored = restore_image(restorers, tmp_path / "a.tif", wish(), tmp_path)
    write_restored(restored, tmp_path / "out", "a", wish())
    each = [by_csbdeep(model, numbers((21, 30)), "YX") for model in models]
    assert_close(open_volume(tmp_path / "out/a.tif"), np.mean(each, axis=0))
    assert_close(open_volume(tmp_path / "out/spread/a.tif"), np.std(each, axis=0, ddof=1))


def test_channels_of_a_network_of_several_are_taken_together_and_normalised_by_their_own(tmp_path):
    model = random_network("YXC", 1, 3, True, channels=2)
    movie = numbers((3, 2, 32, 36))
    movie[:, 1] += 5000
    write(tmp_path / "a.tif", movie, "TCYX")
    restored = restore_image([Restorer(model, 10**6)], tmp_path / "a.tif", wish(), tmp_path)
    write_restored(restored, tmp_path / "out", "a", wish())
    mean, width = (open_volume(tmp_path / f"out{folder}/a.tif") for folder in ("", "/scale"))
    for frame, one, error in zip(movie, mean, width, strict=True):
        normalizer = PercentileNormalizer(3, 99.8)
        expected = model.predict_probabilistic(frame, "CYX", normalizer=normalizer)
        for channel in range(2):
            assert_close(one[channel], expected.mean()[channel])
            assert_close(error[channel], expected.scale()[channel])


def test_a_network_that_does_not_fit_the_channels_is_refused(tmp_path):
    write(tmp_path / "a.tif", numbers((3, 32, 32)), "CYX")
    two = [Restorer(random_network("YXC", 1, 3, False, channels=2), 10**6)]
    with pytest.raises(ValueError, match=r"a\.tif: has 3 channels, but the network takes 2"):
        restore_image(two, tmp_path / "a.tif", wish(), tmp_path)
    restored = restore_image(two, tmp_path / "a.tif", wish(channels=(0, 2)), tmp_path)
    assert restored.mean.shape == (2, 32, 32)
    two[0].config.n_channel_out = 1  # such folders are refused before, by the config
    with pytest.raises(ValueError, match=r"2 channels, expected 2; the network gives 1"):
        restore_image(two, tmp_path / "a.tif", wish(channels=(0, 2)), tmp_path)


def test_percentiles_of_the_wish_count(tmp_path, flat_model):
    image = np.zeros((32, 32), np.uint16)
    image[:1, :2] = 900  # sparse: constant up to its percentile 99.8
    write(tmp_path / "a.tif", image, "YX")
    restorers = [Restorer(flat_model, 10**6)]
    with pytest.raises(ValueError, match=r"a\.tif: .*constant"):
        restore_image(restorers, tmp_path / "a.tif", wish(), tmp_path)
    restored = restore_image(restorers, tmp_path / "a.tif", wish(percentiles=(3, 99.99)), tmp_path)
    assert np.isfinite(restored.mean).all()


def test_the_picture_of_a_stack_shows_xy_and_xz_also_by_a_network_of_planes(tmp_path, flat_model):
    tall = {}
    for axes, shape in (("YX", (32, 32)), ("ZYX", (16, 32, 32))):
        write(tmp_path / "a.tif", numbers(shape), axes)
        restored = restore_image(
            [Restorer(flat_model, 10**6)], tmp_path / "a.tif", wish(), tmp_path
        )
        draw(restored, "a", "", tmp_path / "a.png")
        height, width, _ = imread(tmp_path / "a.png").shape
        tall[axes] = height / width
    assert tall["ZYX"] > 1.2 * tall["YX"]


# Many images


@pytest.fixture
def album(tmp_path, flat_model):
    """A function that restores what lies in the folder `new`, and reads the table."""
    networks = Networks([Restorer(flat_model, 10**6)], ["its sum"], {})

    def restore(**changes):
        images = {path.stem: path for path in sorted((tmp_path / "new").iterdir())}
        table = tmp_path / "images.csv"
        restore_album(images, networks, wish(**changes), tmp_path / "out", table, VIEWER)
        return pd.read_csv(table, keep_default_na=False)

    for number, name in enumerate("ab"):
        write(tmp_path / f"new/{name}.tif", numbers((40, 50), number), "YX")
    return restore


def test_each_image_has_a_row_and_a_picture(album, tmp_path):
    table = album()
    assert list(table.columns) == list(COLUMNS)
    assert table["restored"].tolist() == [str(tmp_path / f"out/{name}.tif") for name in "ab"]
    assert {path.name for path in (tmp_path / "out/quicklooks").glob("*.png")} == {"a.png", "b.png"}
    raw = (tmp_path / "new/a.tif").read_bytes()
    album()
    assert (tmp_path / "new/a.tif").read_bytes() == raw


def test_what_is_restored_is_left_and_what_changed_is_restored_again(album, tmp_path):
    album()
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tif")}
    write(tmp_path / "new/b.tif", numbers((40, 50), 9), "YX")
    album()
    assert (tmp_path / "out/a.tif").stat().st_mtime_ns == first[tmp_path / "out/a.tif"]
    assert (tmp_path / "out/b.tif").stat().st_mtime_ns > first[tmp_path / "out/b.tif"]
    album(percentiles=(1, 99.9))
    assert (tmp_path / "out/a.tif").stat().st_mtime_ns > first[tmp_path / "out/a.tif"]


def test_images_that_cannot_be_restored_are_named_after_all_others_were(album, tmp_path):
    write(tmp_path / "new/blank.tif", np.full((40, 50), 7, np.uint16), "YX")
    (tmp_path / "new/c.tif").write_bytes(b"no image")
    with pytest.raises(ValueError, match="2 of 4 images cannot be restored") as error:
        album()
    assert "new/blank.tif: percentiles" in str(error.value)
    assert "new/c.tif: not a readable TIFF file" in str(error.value)
    assert (tmp_path / "out/b.tif").exists()
    assert not (tmp_path / "images.csv").exists()
    remarks = pd.read_csv(tmp_path / "out/images.csv").set_index("image")["remarks"]
    assert remarks[str(tmp_path / "new/blank.tif")].startswith("not restored: percentiles 3 and")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (NoRoomError(f"{'a' * 300} takes 9 GB; make room"), "; make room"),
        (MemoryError(), "give the job more (mem_mb)"),
    ],
)
def test_an_image_too_large_for_this_machine_is_named_with_the_remedy(
    album, tmp_path, monkeypatch, problem, said
):
    def failing(restorers, opened, scratch):
        if opened.path.stem == "a":
            raise problem
        return restore_opened(restorers, opened, scratch)

    monkeypatch.setattr("denoising.restoration.album.restore_image", failing)
    with pytest.raises(ValueError, match="1 of 2 images cannot be restored"):
        album()
    remarks = pd.read_csv(tmp_path / "out/images.csv")["remarks"]
    assert remarks[0].endswith(said)
    assert (tmp_path / "out/b.tif").exists()


def test_saturation_and_what_training_has_not_seen_are_remarked(tmp_path, flat_model):
    image = np.clip(numbers((64, 64)), 0, 700)
    write(tmp_path / "a.tif", image, "YX", (None, 0.5, 0.5))
    training = {
        "seen": {"noise": [0.01, 0.02, 0.03], "contrast": [0, 0.1, 9], "fineness": [0, 0.5, 1]},
        "patch_shape": [32, 32],
        "voxel_size": [None, 0.5, 0.2],
    }
    networks = Networks([Restorer(flat_model, 10**6)], [], training)
    out, table = tmp_path / "out", tmp_path / "t.csv"
    restore_album({"a": tmp_path / "a.tif"}, networks, wish(), out, table, VIEWER)
    row = pd.read_csv(tmp_path / "t.csv").iloc[0]
    assert "times noisier than any the network was trained on" in row["remarks"]
    assert "its voxels are 0.5 µm along X, in training 0.2 µm" in row["remarks"]
    assert "% of its voxels are saturated at 700" in row["remarks"]
    assert "along Y" not in row["remarks"]
    record = json.loads((tmp_path / "out/quicklooks/a.json").read_text())
    assert record["row"]["remarks"] == row["remarks"]


# The viewer


def page_of(folder):
    text = (folder / "viewer.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))


def test_the_viewer_lists_all_images_and_shows_those_that_are_restored(album, tmp_path):
    (tmp_path / "new/a0.tif").write_bytes(b"no image")
    with pytest.raises(ValueError, match="1 of 3 images cannot be restored"):
        album()
    data = page_of(tmp_path / "out/quicklooks")
    rows = data["tables"][0]["rows"]
    assert {row["name"]: row["volume"] for row in rows} == {"a": 0, "a0": None, "b": 1}
    assert [volume["size"] for volume in data["volumes"]] == [[40, 50]] * 2
    restored = open_volume(tmp_path / "out/b.tif", "YX")
    low, high = np.percentile(restored, (0.1, 99.9))
    shown = decoded(data["images"]["1|0|restoration"], "image")
    assert np.abs(shown - (restored - low) / (high - low)).max() < 0.004  # half a level
    assert "scale" in data["images"]["1|0|restoration"]
    assert any(text.startswith("1 of 3 images are in the table alone") for text in data["words"])


def test_the_viewer_has_room_for_images_with_remarks_first(album, tmp_path, monkeypatch):
    album()
    for name, remarks in {"a": "", "b": "unlike training"}.items():
        record = tmp_path / f"out/quicklooks/{name}.json"
        entry = json.loads(record.read_text())
        entry["row"]["remarks"] = remarks
        record.write_text(json.dumps(entry))
    monkeypatch.setattr(album_page, "PAGE_BYTES", 1.5 * len(record.read_text()))
    album()
    data = page_of(tmp_path / "out/quicklooks")
    assert [volume["name"] for volume in data["volumes"]] == ["b"]


def test_the_viewer_shows_a_window_of_a_large_stack_and_its_whole_depth(tmp_path, model):
    stack = numbers((9, 300, 270))
    write(tmp_path / "a.tif", stack, "ZYX", (1.5, 0.5, 0.5))
    restored = restore_image([Restorer(model, 10**6)], tmp_path / "a.tif", wish(), tmp_path)
    shown = view(restored, "a")
    assert shown["volume"] | {"name": ""} == {
        "name": "", "planes": [4], "depth": 9, "height": 300, "size": [256, 256],
        "corner": [22, 7], "aspect": 3.0, "pixel": 0.5, "row": 128, "is_cut": True,
    }  # fmt: skip
    levels = {axes: png(shown["images"]["input"][axes]) for axes in ("xy", "xz")}
    assert levels["xy"].shape == (256, 256)
    assert levels["xz"].shape == (9, 256)
    assert (levels["xy"][128] == levels["xz"][4]).all()


def test_networks_are_known_by_their_config_and_weights_and_the_first_ones_training(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        for name in ("config.json", "weights_best.h5", "history.csv"):
            (folder / name).write_text(f"{folder.name} {name}")
    restorers = dict.fromkeys(folders, "a restorer")
    networks = Networks.of(restorers)
    assert networks.restorers == ["a restorer"] * 2
    assert networks.sha256 == [
        hashlib.sha256(f"{folder} {name}".encode()).hexdigest()
        for folder in "ab"
        for name in ("config.json", "weights_best.h5")
    ]
    assert (networks.training, networks.percentiles) == ({}, (3, 99.8))
    (folders[0] / "training.json").write_text('{"percentiles": [1, 99]}')
    assert Networks.of(restorers).percentiles == (1, 99)
