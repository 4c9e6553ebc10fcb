"""OME-Zarr groups, as other software writes them and as viewers read them."""

import numpy as np
import pytest
import yaozarrs
from skimage.measure import block_reduce

from denoising.images import ome_zarr, slabs
from denoising.images.files import Storage, map_image, write
from denoising.images.formats import UnusableImageError
from denoising.images.volumes import open_volume, volume_header


def volume(shape=(5, 6, 7), dtype=np.float32):
    return (np.random.default_rng(0).gamma(1, 50, shape)).astype(dtype)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test" / "worm.tif"


def test_a_group_that_is_no_ome_zarr_is_named(tmp_path):
    (tmp_path / "worm.ome.zarr").mkdir()
    with pytest.raises(ValueError, match=r"worm\.ome\.zarr: not a readable OME-Zarr group"):
        open_volume(tmp_path / "worm.tif")


def test_ome_zarr_says_what_viewers_ask_for(path):
    import zarr

    write(path, volume(), "ZYX", (2.0, 0.5, 0.4), Storage("ome-zarr"))
    ome = zarr.open_group(str(path.with_suffix(".ome.zarr")), mode="r").attrs["ome"]
    assert ome["version"] == "0.5"
    assert ome["multiscales"][0]["axes"][0] == {"name": "z", "type": "space", "unit": "micrometer"}
    scale = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert scale == [{"type": "scale", "scale": [2.0, 0.5, 0.4]}]


def levels(path):
    """The levels of a group, and the scale and translation of each."""
    group = zarr_group(path)
    for level in group.attrs["ome"]["multiscales"][0]["datasets"]:
        steps = level["coordinateTransformations"]
        yield group[level["path"]], steps[0]["scale"], [step.get("translation") for step in steps]


@pytest.mark.parametrize(
    ("shape", "voxel", "dtype", "shapes"),
    [
        ((5, 6, 7), (2.0, 0.5, 0.4), "float32", [(5, 6, 7)]),
        ((19, 6, 7), None, "float32", [(19, 6, 7), (19, 3, 4)]),
        ((19, 21, 9), (2.0, 0.8, 0.8), "uint16", [(19, 21, 9), (19, 11, 5), (10, 6, 3)]),
        ((19, 21, 9), (0.5, 0.5, 0.5), "float32", [(19, 21, 9), (10, 11, 5), (5, 6, 3)]),
        ((1, 21, 9), (0.5, 0.5, 0.5), "float16", [(1, 21, 9), (1, 11, 5), (1, 6, 3)]),
        ((21, 9), (None, 0.5, 0.5), "uint16", [(21, 9), (11, 5), (6, 3)]),
    ],
    ids=str,
)
def test_the_pyramid_has_means_of_voxels_in_chunks_at_their_places(
    path, shape, voxel, dtype, shapes, monkeypatch
):
    monkeypatch.setattr(ome_zarr, "CHUNK", {"Z": 4, "Y": 6, "X": 6 if shapes[1:] else 9})
    image = volume(shape, dtype)
    write(path, image, "ZYX"[-len(shape) :], voxel, Storage("ome-zarr"))
    yaozarrs.validate_zarr_store(zarr_group(path))
    found = list(levels(path))
    assert [level.shape for level, *_ in found] == shapes
    expected = image.astype(float)
    for (level, scale, shift), (finer, *_) in zip(found, found[:1] + found, strict=False):
        factors = [-(-a // b) for a, b in zip(finer.shape, level.shape, strict=True)]
        expected = block_means(finer[...], factors).round(0 if dtype == "uint16" else 9)
        np.testing.assert_allclose(level[...], expected, 1e-3 if dtype == "float16" else 1e-6)
        assert all(a <= b for a, b in zip(level.chunks[::-1], (9, 6, 4), strict=False))
        # A level's first voxel reaches as far as the first voxels of the image that it is made of
        sizes = [size or 1.0 for size in (voxel or (None,) * 3)[-len(shape) :]]
        for size, of_level, start in zip(sizes, scale, shift[-1] or [0] * 3, strict=False):
            assert start - of_level / 2 == pytest.approx(-size / 2)
    np.testing.assert_array_equal(open_volume(path), image)


@pytest.mark.parametrize(
    ("axes", "written"), [("TZCYX", "TCZYX"), ("ZCYX", "CZYX"), ("CYX", "CYX"), ("TYX", "TYX")]
)
def test_times_and_channels_come_first_as_the_format_wants_it(path, axes, written):
    sizes = {"T": 2, "Z": 5, "C": 3, "Y": 6, "X": 7}
    image = np.random.default_rng(0).random([sizes[axis] for axis in axes], np.float32)
    write(path, image, axes, storage=Storage("ome-zarr"))
    yaozarrs.validate_zarr_store(zarr_group(path))
    expected = image.transpose([axes.index(axis) for axis in written])
    np.testing.assert_array_equal(zarr_group(path)["0"][...], expected)
    assert volume_header(path).axes == written


def zarr_group(path):
    import zarr

    return zarr.open_group(str(path.with_suffix(".ome.zarr")), mode="r")


def block_means(image, factors):
    """Means of whole blocks; the last voxels of an axis repeat."""
    padded = np.pad(
        image.astype(float),
        [(0, -size % factor) for size, factor in zip(image.shape, factors, strict=True)],
        "edge",
    )
    return block_reduce(padded, tuple(factors), np.mean)


def others_zarr(path, image, axes, chunks, changed=None):
    """A group of two levels as other software writes it, version 0.4."""
    import zarr

    sizes = [1.0] * (len(axes) - 3) + [2.0, 0.25, 0.2]
    named = [
        {"name": axis.lower(), "type": "space", "unit": "micrometer"}
        if axis in "ZYX"
        else {"name": axis.lower()}
        for axis in axes
    ]
    levels = [
        {
            "path": name,
            "coordinateTransformations": [
                {"type": "scale", "scale": [size * factor for size in sizes]}
            ],
        }
        for name, factor in (("0", 1), ("1", 2))
    ]
    whole = [{"type": "scale", "scale": [1.0] * (len(axes) - 2) + [2.0, 2.0]}]
    multiscale = {"axes": named, "datasets": levels, "coordinateTransformations": whole} | (
        changed or {}
    )
    group = zarr.create_group(str(path), zarr_format=2, attributes={"multiscales": [multiscale]})
    for name, values in (("0", image), ("1", image[..., ::2, ::2])):
        group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)[...] = (
            values
        )


@pytest.mark.parametrize("chunks", [(1, 1, 1, 3, 7), (1, 1, 4, 4, 4), (1, 1, 5, 6, 7)], ids=str)
@pytest.mark.parametrize("slab_bytes", [1, 100, 1 << 26])
@pytest.mark.parametrize("dtype", ["uint16", ">u2", "float32"])
def test_ome_zarr_of_others_is_read_at_full_resolution(
    tmp_path, chunks, slab_bytes, dtype, monkeypatch
):
    monkeypatch.setattr(slabs, "SLAB_BYTES", slab_bytes)
    path, image = tmp_path / "worm.ome.zarr", volume(dtype=dtype)
    others_zarr(path, image[None, None], "TCZYX", chunks)
    np.testing.assert_array_equal(open_volume(path, "ZYX"), image)
    assert volume_header(path).voxel_size == pytest.approx((2.0, 0.5, 0.4))
    assert list(tmp_path.iterdir()) == [path]


def test_a_plane_in_five_axes_is_a_plane(tmp_path):
    path, image = tmp_path / "worm.ome.zarr", volume((6, 7))
    others_zarr(path, image[None, None, None], "TCZYX", (1, 1, 1, 6, 7))
    np.testing.assert_array_equal(open_volume(path, "YX"), image)
    np.testing.assert_array_equal(open_volume(path, "ZYX"), image[None])


@pytest.mark.parametrize("shape", [(2, 1, 5, 6, 7), (1, 2, 5, 6, 7)], ids=["times", "channels"])
def test_several_times_or_channels_are_not_guessed_from(tmp_path, shape):
    others_zarr(tmp_path / "worm.ome.zarr", np.zeros(shape, np.uint8), "TCZYX", shape)
    with pytest.raises(
        ValueError, match=r"worm\.ome\.zarr: axes are TCZYX \(.*\), expected ZYX; save it as ZYX"
    ):
        open_volume(tmp_path / "worm.ome.zarr", "ZYX")


@pytest.mark.parametrize(
    "changed", [{"axes": ["z", "y", "x"]}, {"axes": []}, {"datasets": []}], ids=str
)
def test_ome_zarr_that_does_not_say_what_it_holds_is_named(tmp_path, changed):
    others_zarr(tmp_path / "worm.ome.zarr", volume(), "ZYX", (5, 6, 7), changed)
    with pytest.raises(
        ValueError, match=r"worm\.ome\.zarr: not a readable OME-Zarr group .* save it again"
    ):
        open_volume(tmp_path / "worm.ome.zarr", "ZYX")


def test_a_chunk_that_is_missing_or_damaged_is_refused(tmp_path):
    """In OME-Zarr a missing chunk is zeros; groups written here say that they have all chunks."""
    path = tmp_path / "a.ome.zarr"
    image = np.zeros((4, 300, 300), np.float32)
    write(path.with_name("a.tif"), image, "ZYX", storage=Storage("ome-zarr", compression=True))
    np.testing.assert_array_equal(map_image(path)[0], image)
    chunk = path / "0/c/0/1/1"
    data = chunk.read_bytes()
    chunk.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UnusableImageError, match=f"{path}: not a readable .*checksum.*; save"):
        map_image(path)
    chunk.unlink()
    with pytest.raises(UnusableImageError, match=f"{path}: has 3 of its 4 chunks; copy or save"):
        map_image(path)
