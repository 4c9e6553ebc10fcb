"""OME-TIFF: a file stands for its own planes, whatever other files its XML draws in."""

import numpy as np
import pytest
import tifffile

from denoising.images.files import map_image, read_header
from denoising.images.formats import UnusableImageError

PLANES = np.random.default_rng(0).integers(1, 999, (6, 10, 12)).astype(np.uint16)


def data(first, count, uuid=None, name=None, ifd=0):
    """What says that `count` planes from `first` on lie in a file."""
    file = "" if uuid is None else f'<UUID FileName="{name}">urn:uuid:{uuid}</UUID>'
    return f'<TiffData FirstZ="{first}" IFD="{ifd}" PlaneCount="{count}">{file}</TiffData>'


def image(*planes, count=6, size="0.2", called="s"):
    return (
        f'<Image ID="Image:0" Name="{called}"><Pixels ID="Pixels:0" DimensionOrder="XYZCT"'
        f' Type="uint16" SizeX="12" SizeY="10" SizeZ="{count}" SizeC="1" SizeT="1"'
        f' PhysicalSizeX="{size}" PhysicalSizeY="0.2" PhysicalSizeZ="0.5">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{"".join(planes)}</Pixels></Image>'
    )


def save(path, planes, *images, own=None):
    uuid = "" if own is None else f' UUID="urn:uuid:{own}"'
    space = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    xml = f'<?xml version="1.0"?><OME xmlns="{space}"{uuid}>{"".join(images)}</OME>'
    tifffile.imwrite(
        path, planes, photometric="minisblack", description=xml.encode(), metadata=None
    )
    return path


def pixels(path):
    return map_image(path)[0]


def refusal(path):
    with pytest.raises(UnusableImageError) as refused:
        read_header(path)
    return str(refused.value)


@pytest.fixture
def halves(tmp_path):
    """Save a stack in two files, under other names than its XML has; return the first's path."""

    def make(first="first.tif", second=None):
        described = image(data(0, 3, "a", "acq.ome.tif"), data(3, 3, "b", "acq_1.ome.tif"))
        if second:
            save(tmp_path / second, PLANES[3:], described, own="b")
        return save(tmp_path / first, PLANES[:3], described, own="a")

    return make


def test_missing_planes_are_never_zeros(halves):
    path = halves()
    assert refusal(path) == (
        f"{path}: its OME-XML says that other planes of the same image lie in acq_1.ome.tif"
        " (missing), expected one file per image; put all the files into one folder under their"
        " first names, open one of them in Fiji with Bio-Formats, and save the image with"
        " File > Save As > Tiff."
    )


def test_a_complete_set_is_refused_too(halves):
    path = halves("acq.ome.tif", "acq_1.ome.tif")
    assert "lie in acq_1.ome.tif, expected one file per image" in refusal(path)
    assert "lie in acq.ome.tif, expected" in refusal(path.with_name("acq_1.ome.tif"))


def test_planes_of_a_series_are_not_images_each(tmp_path):
    names = [f"fish_T{t}.ome.tif" for t in range(6)]
    described = image(*(data(t, 1, f"id{t}", names[t]) for t in range(6)))
    for t, name in enumerate(names):
        save(tmp_path / name, PLANES[t], described, own=f"id{t}")
    said = refusal(tmp_path / names[1])
    assert "lie in fish_T0.ome.tif, fish_T2.ome.tif, fish_T3.ome.tif, and 2 more," in said


def test_a_file_described_as_another_one_alone_is_refused(tmp_path):
    described = image(data(0, 6, "a", "master.ome.tif"))
    save(tmp_path / "master.ome.tif", PLANES + 1, described, own="a")
    path = save(tmp_path / "second.ome.tif", PLANES, described, own="b")
    assert "the planes of its image lie in master.ome.tif" in refusal(path)


@pytest.mark.parametrize("own", ["a", None])
@pytest.mark.parametrize("is_old_file_there", [False, True])
def test_a_renamed_file_is_itself(own, is_old_file_there, tmp_path):
    described = image(data(0, 6, "a", "old.ome.tif"))
    path = save(tmp_path / "new.tif", PLANES, described, own=own)
    if is_old_file_there:
        save(tmp_path / "old.ome.tif", PLANES + 1, described, own=own)
    np.testing.assert_array_equal(pixels(path), PLANES)
    assert read_header(path).axes == "ZYX"
    assert read_header(path).voxel_size == pytest.approx((0.5, 0.2, 0.2))


def test_each_file_of_several_positions_is_its_own_position(tmp_path):
    """The XML of each file describes all positions, as Micro-Manager writes it."""
    positions = [image(data(0, 6, p, f"{p}.ome.tif"), size=s) for p, s in (("a", 1), ("b", 2))]
    for number, name in enumerate("ab"):
        save(tmp_path / f"{name}.ome.tif", PLANES + number, *positions, own=name)
    for number, name in enumerate("ab"):
        path = tmp_path / f"{name}.ome.tif"
        np.testing.assert_array_equal(pixels(path), PLANES + number)
        assert read_header(path).voxel_size[2] == 1 + number


def test_several_images_of_one_file_are_refused(tmp_path):
    images = [image(data(0, 3), count=3), image(data(0, 3, ifd=3), count=3)]
    said = refusal(save(tmp_path / "a.ome.tif", PLANES, *images))
    assert "holds 2 images of one kind ((3, 10, 12) uint16, (3, 10, 12) uint16)" in said


def test_an_acquisition_that_was_stopped_is_refused(tmp_path):
    path = save(tmp_path / "a.ome.tif", PLANES[:4], image(data(0, 6)))
    assert refusal(path) == (
        f"{path}: it has 4 of its 6 planes, as if cut short; copy or export it again, or save the"
        " planes that are there as an image of their own."
    )


def test_planes_that_the_xml_leaves_out_are_said(tmp_path):
    path = save(tmp_path / "a.ome.tif", PLANES, image(data(0, 4), count=4))
    assert read_header(path).doubts == ("its OME-XML describes 4 of its 6 planes alone",)


def test_a_description_in_another_file_is_said(tmp_path):
    path = save(tmp_path / "a.ome.tif", PLANES, '<BinaryOnly MetadataFile="x.companion.ome"/>')
    np.testing.assert_array_equal(pixels(path), PLANES)
    (doubt,) = read_header(path).doubts
    assert doubt == "its planes are described in x.companion.ome, which is not read"


def test_control_characters_are_left_out(tmp_path):
    path = save(tmp_path / "a.ome.tif", PLANES, image(data(0, 6), called="a\x01\x1fb"))
    header = read_header(path)
    assert (header.axes, header.voxel_size, header.doubts) == ("ZYX", (0.5, 0.2, 0.2), ())


@pytest.mark.parametrize("size", ["0,2", "nan", "-1", "wide"])
def test_sizes_that_are_no_numbers_are_unknown_and_said(size, tmp_path):
    header = read_header(save(tmp_path / "a.ome.tif", PLANES, image(data(0, 6), size=size)))
    assert header.voxel_size == (0.5, 0.2, None)
    assert header.doubts == ("the size of its voxels cannot be read, and is taken for unknown",)


def test_zero_is_how_writers_say_that_a_size_is_unknown(tmp_path):
    header = read_header(save(tmp_path / "a.ome.tif", PLANES, image(data(0, 6), size="0.0")))
    assert (header.voxel_size, header.doubts) == ((0.5, 0.2, None), ())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("</Pixels>", ""), ('Name="s"', 'Name="a & b"'), ("DimensionOrder", "Order")],
)
def test_pixels_under_broken_xml_are_read(right, wrong, tmp_path):
    described = image(data(0, 6)).replace(right, wrong)
    path = save(tmp_path / "a.ome.tif", PLANES, described)
    np.testing.assert_array_equal(pixels(path), PLANES)
    header = read_header(path)
    assert header.voxel_size == (None, None, None)
    assert header.doubts == (
        "its description is broken, so that the size of its voxels and the names of its axes are"
        " taken for unknown",
    )
