"""Images in a user's own files: axes that the config states, frames, channels."""

import numpy as np
import pytest
import tifffile

from denoising.images.files import Storage, write
from denoising.images.formats import UnusableImageError
from denoising.images.sources import Selection, find_source


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a_low.tif"


def save(path, shape, axes, **how):
    array = np.random.default_rng(0).integers(1, 999, shape).astype(np.uint16)
    tifffile.imwrite(path, array, metadata={"axes": axes}, **how)
    return array


def images(path, *selected):
    return list(find_source(path, Selection(*selected)).images(path.parent))


def refusal(path, *selected):
    with pytest.raises(UnusableImageError) as refused:
        find_source(path, Selection(*selected))
    return str(refused.value).removeprefix(f"{path}: ")


# Axes


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX", "QYX", "IYX"])
def test_planes_are_a_stack_whatever_the_file_calls_them(axes, path):
    array = save(path, (6, 9, 8), axes, photometric="minisblack")
    (image,) = images(path, "ZYX")
    np.testing.assert_array_equal(image, array)
    said = find_source(path, Selection("ZYX")).doubts
    called = f"its 6 planes are called {axes[0]}, and taken for Z, as pairs.axes has it"
    assert said == ((called,) if axes[0] in "TC" else ())


@pytest.mark.parametrize("how", [{"imagej": True}, {"ome": True}])
def test_times_are_planes_in_files_of_any_writer(how, path):
    array = save(path, (6, 9, 8), "TYX", **how)
    np.testing.assert_array_equal(images(path, "ZYX")[0], array)


@pytest.mark.parametrize(
    ("shape", "axes", "stated"),
    [
        ((1, 1, 1, 9, 8), "TCZYX", "YX"),
        ((1, 6, 1, 9, 8), "TZCYX", "ZYX"),
        ((6, 1, 9, 8), "TCYX", "ZYX"),
        ((1, 9, 8), "ZYX", "ZYX"),
    ],
)
def test_axes_of_length_one_are_left_out(shape, axes, stated, path):
    array = save(path, shape, axes, photometric="minisblack")
    (image,) = images(path, stated)
    np.testing.assert_array_equal(image, array.reshape(image.shape))
    assert image.ndim == len(stated)


@pytest.mark.parametrize(
    ("shape", "axes", "stated", "said"),
    [
        (
            (10, 9, 8), "TYX", "YX",
            "axes are TYX (10, 9, 8), expected YX; in pairs add frames: all (each of its 10 frames"
            " is an image) or set axes: ZYX (it is a stack).",
        ),
        (
            (2, 9, 8), "CYX", "YX",
            "axes are CYX (2, 9, 8), expected YX; in pairs add channel: 0 (the first of its 2"
            " channels).",
        ),
        (
            (6, 2, 9, 8), "ZCYX", "ZYX",
            "axes are ZCYX (6, 2, 9, 8), expected ZYX; in pairs add channel: 0 (the first of its 2"
            " channels).",
        ),
        (
            (5, 6, 9, 8), "TZYX", "ZYX",
            "axes are TZYX (5, 6, 9, 8), expected ZYX; in pairs add frames: all (each of its 5"
            " frames is an image).",
        ),
        (
            (4, 6, 2, 9, 8), "TZCYX", "ZYX",
            "axes are TZCYX (4, 6, 2, 9, 8), expected ZYX; in pairs add channel: 0 (the first of"
            " its 2 channels) and add frames: all (each of its 4 frames is an image).",
        ),
        (
            (6, 2, 9, 8), "ZCYX", "YX",
            "axes are ZCYX (6, 2, 9, 8), expected YX; in pairs add channel: 0 (the first of its 2"
            " channels) and add frames: all (each of its 6 frames is an image) or add channel: 0"
            " (the first of its 2 channels) and set axes: ZYX (it is a stack).",
        ),
        ((5, 6, 9, 8), "TZYX", "YX", "axes are TZYX (5, 6, 9, 8), expected YX; save it as YX."),
        ((6, 9, 8), "XZY", "ZYX", "axes are XZY (6, 9, 8), expected ZYX; save it as ZYX."),
    ],
)  # fmt: skip
def test_other_axes_are_refused_with_what_the_config_can_state(shape, axes, stated, said, path):
    save(path, shape, axes, photometric="minisblack")
    assert refusal(path, stated) == said


@pytest.mark.parametrize("advised", [("YX", "all"), ("ZYX",)])
def test_the_advice_for_a_movie_can_be_followed(advised, path):
    array = save(path, (10, 9, 8), "TYX", imagej=True)
    np.testing.assert_array_equal(np.squeeze(images(path, *advised)), array)


@pytest.mark.parametrize("how", [{"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": 2}])
def test_colours_are_channels(how, path):
    shape = (3, 9, 8) if "planarconfig" in how else (9, 8, 3)
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.uint8)
    tifffile.imwrite(path, array, **how)
    assert "in pairs add channel: 0 (the first of its 3 channels)" in refusal(path, "YX")
    expected = array[1] if shape[0] == 3 else array[..., 1]
    np.testing.assert_array_equal(images(path, "YX", None, 1)[0], expected)


def test_one_bit_is_refused(path):
    tifffile.imwrite(path, np.ones((9, 8), bool))
    assert refusal(path, "YX").startswith("holds bool, expected integer or floating point numbers;")


# Frames


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("shape", "axes", "stated"),
    [
        ((4, 9, 8), "TYX", "YX"),
        ((4, 9, 8), "ZYX", "YX"),
        ((4, 9, 8), "QYX", "YX"),
        ((4, 6, 9, 8), "TZYX", "ZYX"),
    ],
)
def test_frames_are_images(shape, axes, stated, compression, path):
    array = save(path, shape, axes, photometric="minisblack", compression=compression)
    np.testing.assert_array_equal(images(path, stated, "all"), array)
    np.testing.assert_array_equal(images(path, stated, [3, 0]), array[[3, 0]])
    assert find_source(path, Selection(stated, (1, 3))).frames == (1, 3)


def test_times_need_not_come_first(path):
    array = save(path, (6, 4, 9, 8), "ZTYX", photometric="minisblack")
    np.testing.assert_array_equal(images(path, "ZYX", "all"), array.swapaxes(0, 1))


def test_a_file_of_one_frame_has_frame_0(path):
    array = save(path, (9, 8), "YX")
    np.testing.assert_array_equal(images(path, "YX", "all")[0], array)
    assert find_source(path, Selection("YX", "all")).frames == (0,)


def test_a_frame_that_is_not_there_is_named(path):
    save(path, (4, 9, 8), "TYX", imagej=True)
    assert refusal(path, "YX", [0, 4]) == (
        "has 4 frames (axes TYX, (4, 9, 8)), but pairs.frames has 4; frames count from 0."
    )


def test_advice_takes_chosen_frames_into_account(path):
    array = save(path, (2, 3, 6, 9, 8), "TCZYX", photometric="minisblack")
    assert (
        "expected YX; in pairs add channel: 0 (the first of its 3 channels) and set axes: ZYX"
        in (refusal(path, "YX", "all"))
    )
    np.testing.assert_array_equal(images(path, "ZYX", "all", 0), array[:, 0])


def test_axes_without_names_are_frames_and_planes(path):
    array = np.random.default_rng(0).integers(1, 999, (4, 6, 9, 8)).astype(np.uint16)
    tifffile.imwrite(path, array, photometric="minisblack")
    assert refusal(path, "ZYX") == (
        "axes are QQYX (4, 6, 9, 8), expected ZYX; in pairs add frames: all (each of its 4 frames"
        " is an image)."
    )
    np.testing.assert_array_equal(images(path, "ZYX", "all"), array)


# Channels


def test_a_channel_is_chosen_by_itself_and_in_frames(path):
    array = save(path, (4, 6, 2, 9, 8), "TZCYX", imagej=True)
    np.testing.assert_array_equal(images(path, "ZYX", "all", 1), array[:, :, 1])
    np.testing.assert_array_equal(images(path, "ZYX", [2], 0)[0], array[2, :, 0])


def test_channel_0_of_a_file_of_one_channel_is_the_image(path):
    array = save(path, (6, 9, 8), "ZYX", photometric="minisblack")
    np.testing.assert_array_equal(images(path, "ZYX", None, 0)[0], array)


@pytest.mark.parametrize(
    ("shape", "axes", "said"),
    [
        ((6, 2, 9, 8), "ZCYX", "has 2 channels (axes ZCYX, (6, 2, 9, 8)), but"),
        ((6, 9, 8), "ZYX", "has 1 channel (axes ZYX, (6, 9, 8)), but"),
    ],
)
def test_a_channel_that_is_not_there_is_named(shape, axes, said, path):
    save(path, shape, axes, photometric="minisblack")
    assert refusal(path, "ZYX", None, 2) == f"{said} pairs.channel is 2; channels count from 0."


def test_ome_zarr_has_frames_and_channels_too(path):
    array = np.random.default_rng(0).random((4, 2, 6, 9, 8)).astype(np.float32)
    write(path, array, "TCZYX", storage=Storage("ome-zarr"))
    group = path.with_name("a_low.ome.zarr")
    np.testing.assert_array_equal(images(group, "ZYX", "all", 1), array[:, 1])


def test_a_plane_among_stacks_is_a_stack_of_one_and_said(path):
    """Files do not keep a Z of one."""
    plane = save(path, (9, 8), "YX")
    source = find_source(path, Selection("ZYX"))
    assert source.shape == (1, 9, 8)
    assert "one plane" in source.doubts[0]
    np.testing.assert_array_equal(images(path, "ZYX"), [plane[None]])
    channels = save(path, (2, 9, 8), "CYX", photometric="minisblack")
    np.testing.assert_array_equal(images(path, "ZYX", None, 1), [channels[1:]])
    movie = save(path, (3, 9, 8), "TYX", photometric="minisblack")
    np.testing.assert_array_equal(images(path, "ZYX", [0, 2]), movie[::2, None])
