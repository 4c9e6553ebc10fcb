"""Images from strangers, TIFF, OME-TIFF and OME-Zarr, damaged or made to do harm: each is read, or
refused in one sentence that names the file, in bounded time, memory and disk.
"""

import json
import shutil
import struct

import numpy as np
import pytest
import tifffile
from bounded import faults, outcome
from mutations import mutations

from denoising.images.files import Storage, map_image, write
from denoising.images.sources import Selection, find_source

VOLUME = np.random.default_rng(3).integers(0, 4000, (3, 20, 24)).astype(np.uint16)
COUNT = 50  # damaged copies of each kind of file


def gray(path, image, **how):
    tifffile.imwrite(path, image, photometric="minisblack", **how)


def imagej(path):
    write(path, VOLUME, "ZYX", (2.0, 0.5, 0.5))


def compressed(path):
    write(path, VOLUME, "ZYX", storage=Storage(compression=True))


def shaped(path):
    write(path, VOLUME.astype(np.float32), "ZYX", storage=Storage(dtype="float16"))


def ome(path):
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, VOLUME, ome=True, metadata={"axes": "ZYX", **size})


def tiled(path):
    gray(path, VOLUME, tile=(16, 16), compression="zlib", predictor=True)


def lzw(path):
    gray(path, VOLUME, compression="lzw")


def zstd(path):
    gray(path, VOLUME, compression="zstd", bigtiff=True)


def jpeg(path):
    gray(path, (VOLUME >> 4).astype(np.uint8), compression="jpeg")


def appended(path):
    for plane in VOLUME:
        gray(path, plane, append=True, metadata=None)


def pair_of(path):
    """A file read as one of a user's pairs: its header, its values, its size of a voxel."""

    def read(scratch):
        source = find_source(path, Selection("ZYX"))
        for image in source.images(scratch):
            assert image.shape == source.shape
            image.sum()

    return read


def new_image(path):
    """A file read as an image to restore."""

    def read(scratch):
        image, header = map_image(path, scratch)
        assert image.shape == header.shape
        assert len(header.axes) == image.ndim
        image.sum()

    return read


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
@pytest.mark.parametrize(
    "kind", [imagej, compressed, shaped, ome, tiled, lzw, zstd, jpeg, appended]
)
def test_a_damaged_tiff_is_read_or_refused_in_a_sentence(kind, reader, tmp_path):
    whole = tmp_path / "whole.tif"
    kind(whole)
    assert outcome(reader(whole), tmp_path).ended == "value"
    path = tmp_path / "worm 3.tif"
    wrong = []
    for name, damaged in mutations(whole.read_bytes(), COUNT, seed=1):
        path.write_bytes(damaged)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


# TIFF files that lie


def little_tiff(tags, next_ifd=0, count=None, pixels=bytes(1024)):
    """A TIFF file of one page with these tags, as (code, type, count, value)."""
    header = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags.values()))
    number = len(tags) if count is None else count
    return header + pixels + struct.pack("<H", number) + entries + struct.pack("<I", next_ifd)


def page(**changes):
    """Tags of a gray page of 32 x 32 pixels, of which some are changed; None leaves one out."""
    tags = {
        "width": (256, 4, 1, 32),
        "length": (257, 4, 1, 32),
        "bits": (258, 3, 1, 8),
        "compression": (259, 3, 1, 1),
        "photometric": (262, 3, 1, 1),
        "offsets": (273, 4, 1, 8),
        "samples": (277, 3, 1, 1),
        "rows": (278, 4, 1, 32),
        "counts": (279, 4, 1, 1024),
    } | changes
    return {name: tag for name, tag in tags.items() if tag is not None}


HUGE = 0x7FFFFFFF
END_OF_PIXELS = 8 + 1024
LIES = {
    "a_list_of_pages_without_end": little_tiff(page(), next_ifd=END_OF_PIXELS),
    "a_next_page_behind_the_end": little_tiff(page(), next_ifd=HUGE),
    "more_tags_than_bytes": little_tiff(page(), count=0xFFFF),
    "no_tags": little_tiff({}),
    "an_image_wider_than_the_world": little_tiff(page(width=(256, 4, 1, HUGE))),
    "an_image_of_exabytes": little_tiff(
        page(width=(256, 4, 1, HUGE), length=(257, 4, 1, HUGE), samples=(277, 3, 1, 0xFFFF))
    ),
    "an_empty_image": little_tiff(page(width=(256, 4, 1, 0), length=(257, 4, 1, 0))),
    "no_width": little_tiff(page(width=None)),
    "no_places_of_pixels": little_tiff(page(offsets=None, counts=None)),
    "pixels_behind_the_end": little_tiff(page(offsets=(273, 4, 1, HUGE))),
    "a_billion_strips": little_tiff(page(offsets=(273, 4, 1 << 30, 8), rows=(278, 4, 1, 1))),
    "strips_of_no_rows": little_tiff(page(rows=(278, 4, 1, 0))),
    "pixels_of_3_bits": little_tiff(page(bits=(258, 3, 1, 3))),
    "pixels_of_65535_bits": little_tiff(page(bits=(258, 3, 1, 0xFFFF))),
    "an_unknown_compression": little_tiff(page(compression=(259, 3, 1, 12345))),
    "deflated_pixels_that_are_none": little_tiff(page(compression=(259, 3, 1, 8))),
    "compressed_pixels_of_terabytes": little_tiff(
        page(
            width=(256, 4, 1, 1 << 20), length=(257, 4, 1, 1 << 20), compression=(259, 3, 1, 8),
            rows=(278, 4, 1, 1 << 20),
        )
    ),
    "tiles_of_no_size": little_tiff(
        page(rows=None, tile_width=(322, 4, 1, 0), tile_length=(323, 4, 1, 0))
    ),
    "tiles_of_gigabytes": little_tiff(
        page(
            rows=None, offsets=None, counts=None, compression=(259, 3, 1, 8),
            tile_width=(322, 4, 1, 1 << 16), tile_length=(323, 4, 1, 1 << 16),
            tile_offsets=(324, 4, 1, 8), tile_counts=(325, 4, 1, 1024),
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
def test_a_tiff_that_lies_is_read_or_refused_in_a_sentence(reader, tmp_path):
    path = tmp_path / "worm 3.tif"
    wrong = []
    for name, lie in LIES.items():
        path.write_bytes(lie)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


def with_description(path, text):
    gray(path, VOLUME, metadata=None, description=text)


def described_as_json(words):
    return lambda path: with_description(path, json.dumps(words))


def described_by_imagej(lines):
    return lambda path: with_description(path, "ImageJ=1.54f\n" + "\n".join(lines) + "\n")


DESCRIPTIONS = {
    "a_shape_of_exabytes": described_as_json({"shape": [10**9, 10**9, 24]}),
    "a_shape_of_text": described_as_json({"shape": "three"}),
    "a_shape_of_negatives": described_as_json({"shape": [-3, -20, 24]}),
    "a_list": described_as_json([1, 2]),
    "axes_of_numbers": described_as_json({"shape": [3, 20, 24], "axes": 7}),
    "axes_twice": described_as_json({"shape": [3, 20, 24], "axes": "ZZZ"}),
    "units_of_lists": described_as_json(
        {"shape": [3, 20, 24], "axes": "ZYX", "gain": [1], "offset": {"a": 2}}
    ),
    "units_that_are_not_finite": described_as_json(
        {"shape": [3, 20, 24], "axes": "ZYX", "gain": "nan", "offset": "inf"}
    ),
    "a_spacing_of_a_list": described_as_json(
        {"shape": [3, 20, 24], "spacing": [1], "unit": ["um"]}
    ),
    "json_nested_deeply": lambda path: with_description(path, '{"shape": ' + "[" * 50000),
    "a_billion_planes": described_by_imagej(["images=1000000000", "slices=1000000000"]),
    "planes_of_text": described_by_imagej(["images=many", "slices=many"]),
    "a_calibration_of_text": described_by_imagej(["images=3", "slices=3", "cf=0", "c0=a", "c1=b"]),
}


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
def test_a_tiff_whose_description_lies_is_read_or_refused(reader, tmp_path):
    path = tmp_path / "worm 3.tif"
    wrong = []
    for name, describe in DESCRIPTIONS.items():
        describe(path)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


# OME-XML

OME = (
    '<?xml version="1.0" encoding="UTF-8"?>{doctype}<OME'
    ' xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{before}<Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" {sizes}>{data}</Pixels></Image>'
    "</OME>"
)
SIZES = 'SizeX="24" SizeY="20" SizeZ="3" SizeC="1" SizeT="1"'
PLANES = '<TiffData FirstZ="0" FirstC="0" FirstT="0" IFD="0" PlaneCount="3"/>'


def xml(doctype="", before="", sizes=SIZES, data=PLANES):
    return OME.format(doctype=doctype, before=before, sizes=sizes, data=data)


def entities(levels):
    """Ten times as much text with each level: three gigabytes of nine."""
    lines = ['<!ENTITY a0 "laughs">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, levels)]
    return f"<!DOCTYPE OME [{''.join(lines)}]>"


XMLS = {
    "a_billion_laughs": xml(entities(10), "<Name>&a9;</Name>"),
    "a_file_of_the_machine": xml(
        '<!DOCTYPE OME [<!ENTITY x SYSTEM "file:///etc/hostname">]>', "<Name>&x;</Name>"
    ),
    "no_sizes": xml(sizes=""),
    "sizes_of_text": xml(sizes=SIZES.replace('"3"', '"three"')),
    "negative_sizes": xml(sizes=SIZES.replace('"3"', '"-3"')),
    "a_billion_planes": xml(sizes=SIZES.replace('"3"', '"1000000000"')),
    "no_planes": xml(data=""),
    "planes_that_are_not_there": xml(data=PLANES.replace('IFD="0"', 'IFD="99"')),
    "planes_of_text": xml(data=PLANES.replace('IFD="0"', 'IFD="first"')),
    "a_file_elsewhere": xml(
        data='<TiffData IFD="0" PlaneCount="3"><UUID FileName="../../../etc/passwd">urn:uuid:1'
        "</UUID></TiffData>"
    ),
    "images_by_the_thousand": xml(before='<Image ID="Image:1"/>' * 20000),
    "nested_deeply": xml(before="<A>" * 20000 + "</A>" * 20000),
    "cut_short": xml()[:-40],
    "another_encoding": xml().replace("UTF-8", "UTF-16"),
    "no_ome": '<?xml version="1.0"?><OME xmlns="openmicroscopy">&nothing;</OME>',
}


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
def test_an_ome_tiff_whose_xml_does_harm_is_read_or_refused(reader, tmp_path):
    path = tmp_path / "worm 3.ome.tif"
    wrong = []
    for name, text in XMLS.items():
        with_description(path, text)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
def test_damaged_ome_xml_is_read_or_refused(reader, tmp_path):
    path = tmp_path / "worm 3.ome.tif"
    wrong = []
    for name, damaged in mutations(xml().encode(), COUNT, seed=2):
        with_description(path, damaged)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


# OME-Zarr


def group_of_zarr(path, compression=True):
    """An OME-Zarr group, written by a process of its own: zarr leaves threads behind."""

    def write_group(scratch):
        write(
            scratch / path.name.replace(".ome.zarr", ".tif"), VOLUME, "ZYX",
            storage=Storage("ome-zarr", compression=compression),
        )  # fmt: skip

    assert outcome(write_group, path.parent).ended == "value"
    shutil.copytree(path.parent / "scratch" / path.name, path)


def changed_json(file, change):
    words = json.loads(file.read_text())
    change(words)
    file.write_text(json.dumps(words))


def set_in(*keys_and_value):
    """A change of a JSON document: the value at the end of these keys."""
    *keys, last, value = keys_and_value

    def change(words):
        for key in keys:
            words = words[key]
        words[last] = value

    return change


SCALES = ("attributes", "ome", "multiscales")
FIRST = (*SCALES, 0, "datasets", 0)
GROUPS = {
    "attributes_of_a_list": set_in("attributes", []),
    "scales_of_text": set_in(*SCALES, "text"),
    "scales_of_a_number": set_in(*SCALES, 3),
    "no_axes": set_in(*SCALES, 0, "axes", []),
    "axes_of_numbers": set_in(*SCALES, 0, "axes", [1, 2, 3]),
    "axes_without_names": set_in(*SCALES, 0, "axes", [{}, {}, {}]),
    "axes_with_names_of_lists": set_in(*SCALES, 0, "axes", [{"name": ["z"]}] * 3),
    "more_axes_than_the_array": set_in(*SCALES, 0, "axes", [{"name": n} for n in "tczyx"]),
    "the_same_axis_thrice": set_in(*SCALES, 0, "axes", [{"name": "z"}] * 3),
    "a_unit_of_a_list": set_in(
        *SCALES, 0, "axes", [{"name": n, "unit": ["um"]} for n in "zyx"]
    ),
    "a_path_to_the_folder_above": set_in(*FIRST, "path", "../secret.ome.zarr/0"),
    "an_absolute_path": set_in(*FIRST, "path", "/etc"),
    "a_path_of_a_number": set_in(*FIRST, "path", 7),
    "a_path_to_the_group": set_in(*FIRST, "path", ""),
    "a_scale_of_text": set_in(
        *FIRST, "coordinateTransformations", [{"type": "scale", "scale": "abc"}]
    ),
    "a_scale_without_numbers": set_in(*FIRST, "coordinateTransformations", [{"type": "scale"}]),
    "transformations_of_text": set_in(*FIRST, "coordinateTransformations", "scale"),
    "units_of_text": lambda words: words["attributes"].update(gain="a", offset="b"),
    "units_of_lists": lambda words: words["attributes"].update(gain=[1], offset=[2]),
    "a_format_of_the_future": set_in("zarr_format", 99),
    "an_array_where_the_group_is": set_in("node_type", "array"),
}  # fmt: skip
ARRAYS = {
    "a_shape_of_exabytes": set_in("shape", [10**9, 10**9, 24]),
    "a_shape_of_petabytes_in_one_chunk": lambda words: (
        set_in("shape", [10**5, 10**5, 10**5])(words),
        set_in("chunk_grid", "configuration", "chunk_shape", [10**5, 10**5, 10**5])(words),
    ),
    "a_shape_of_negatives": set_in("shape", [-3, -20, -24]),
    "an_empty_shape": set_in("shape", []),
    "no_voxels": set_in("shape", [0, 20, 24]),
    "a_shape_of_text": set_in("shape", "3x20x24"),
    "chunks_of_nothing": set_in("chunk_grid", "configuration", "chunk_shape", [0, 0, 0]),
    "chunks_of_other_axes": set_in("chunk_grid", "configuration", "chunk_shape", [3, 20]),
    "larger_chunks_than_stored": set_in(
        "chunk_grid", "configuration", "chunk_shape", [3, 20, 2400]
    ),
    "an_unknown_dtype": set_in("data_type", "qubit"),
    "another_dtype": set_in("data_type", "float64"),
    "text": set_in("data_type", "string"),
    "an_unknown_codec": set_in("codecs", [{"name": "zipbomb"}]),
    "pickled_chunks": set_in("codecs", [{"name": "numcodecs.pickle"}]),
    "no_codecs": set_in("codecs", []),
    "codecs_of_text": set_in("codecs", "bytes"),
    "a_codec_in_itself": set_in(
        "codecs", [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 1, 1]}}]
    ),
    "a_fill_value_of_text": set_in("fill_value", "none"),
    "dimensions_of_numbers": set_in("dimension_names", [1, 2, 3]),
    "a_group_where_the_array_is": set_in("node_type", "group"),
}


def changed_group(whole, path, file, change):
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(whole, path)
    changed_json(path / file, change)


@pytest.mark.parametrize("reader", [pair_of, new_image], ids=["pair", "restore"])
def test_a_zarr_group_that_lies_is_read_or_refused(reader, tmp_path):
    whole = tmp_path / "whole.ome.zarr"
    group_of_zarr(whole)
    assert outcome(reader(whole), tmp_path).ended == "value"
    path = tmp_path / "worm 3.ome.zarr"
    lies = [("zarr.json", name, change) for name, change in GROUPS.items()]
    lies += [("0/zarr.json", name, change) for name, change in ARRAYS.items()]
    wrong = []
    for file, name, change in lies:
        changed_group(whole, path, file, change)
        found = outcome(reader(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", ["zarr.json", "0/zarr.json", "0/c/0/0/0"])
def test_a_damaged_zarr_group_is_read_or_refused(file, tmp_path):
    whole = tmp_path / "whole.ome.zarr"
    group_of_zarr(whole)
    path = tmp_path / "worm 3.ome.zarr"
    shutil.copytree(whole, path)
    wrong = []
    for name, damaged in mutations((whole / file).read_bytes(), COUNT, seed=3):
        (path / file).write_bytes(damaged)
        found = outcome(pair_of(path), tmp_path)
        wrong += [f"{name}: {fault}" for fault in faults(found, path.name)]
    assert not wrong, "\n".join(wrong)
