"""The XML in an OME-TIFF: the images whose planes lie in this file, and the size of their voxels.

The XML of one file may describe planes of other files too. Software that follows it makes one image
of several files, fills what is missing with zeros, and takes planes of a neighbour for those of a
file that was renamed. So a file stands for its own planes here: the rest is taken out of the XML,
and an image with planes elsewhere is refused.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from denoising.images.formats import UnusableImageError
from denoising.images.headers import MICROMETRES, VoxelSize, positive_number
from denoising.running.names import first_of

# XML allows no control characters but tab, line feed and carriage return
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
MOST_NAMES = 3  # in a message


def parse(xml: str) -> Element | None:
    """The root element; None if the XML is broken. Control characters are left out."""
    try:
        return ElementTree.fromstring(FORBIDDEN.sub("", xml))
    except ElementTree.ParseError:
        return None


def own_images(path: Path, root: Element) -> str:
    """The XML of the images whose planes lie in this file, without the names of any file.

    Raises
    ------
    UnusableImageError
        If some planes of an image lie in other files, or all of every image.
    """
    images = list(_children(root, "Image"))
    own = _own_uuid(path, root)
    elsewhere = {image: _elsewhere(image, own, path) for image in images}
    split = []
    for image in images:
        count = len(list(_below(image, "TiffData")))
        if 0 < len(elsewhere[image]) < count:
            split.append(image)
    whole = [image for image in images if not elsewhere[image]]
    if split or (images and not whole):
        others = [file for image in split or images for file in elsewhere[image]]
        raise UnusableImageError(_set_of_files(path, others, bool(split)))
    for image in images:
        if image not in whole:
            root.remove(image)
        for data in _below(image, "TiffData"):
            for file in list(_children(data, "UUID")):
                data.remove(file)
    return ElementTree.tostring(root, encoding="unicode")


def metadata_file(root: Element) -> str | None:
    """The other file that describes this one's planes, if there is one."""
    binary_only = next(_children(root, "BinaryOnly"), None)
    return None if binary_only is None else binary_only.get("MetadataFile", "another file")


def voxel_size(root: Element) -> tuple[VoxelSize, bool]:
    """Micrometres (Z, Y, X) of the first image, and whether every size that stands there is a
    number.
    """
    pixels = next(_below(root, "Pixels"), None)
    attributes = {} if pixels is None else pixels.attrib
    given = [attributes.get(f"PhysicalSize{axis}", "") for axis in "ZYX"]
    units = [MICROMETRES.get(attributes.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"]
    numbers = [positive_number(text) for text in given]
    z, y, x = (
        number * unit if number and unit else None
        for number, unit in zip(numbers, units, strict=True)
    )
    # Writers put 0 where they know no size
    are_numbers = [
        number is not None or not text.strip("0.")
        for number, text in zip(numbers, given, strict=True)
    ]
    return (z, y, x), all(are_numbers)


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def _below(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.iter() if child.tag.rpartition("}")[2] == name)


def _own_uuid(path: Path, root: Element) -> str | None:
    """The UUID of this file: the root's, the one beside its name, or the only one there is."""
    if root.get("UUID"):
        return root.get("UUID")
    files = list(_below(root, "UUID"))
    named = [file.text for file in files if file.get("FileName", "").lower() == path.name.lower()]
    if named:
        return named[0]
    different = {file.text for file in files}
    return different.pop() if len(different) == 1 else None


def _elsewhere(image: Element, own: str | None, path: Path) -> list[Element]:
    """The names of other files, once for each TiffData of the image that has its planes there."""
    named = [next(_children(data, "UUID"), None) for data in _below(image, "TiffData")]
    return [
        file
        for file in named
        if file is not None
        and (own is None or file.text != own)
        and file.get("FileName", "").lower() != path.name.lower()
    ]


def _set_of_files(path: Path, others: list[Element], is_split: bool) -> str:
    """The message on an image whose planes lie in several files."""
    names = sorted({file.get("FileName", "a file without a name") for file in others})
    listed = [name if (path.parent / name).exists() else f"{name} (missing)" for name in names]
    planes = "other planes of the same image" if is_split else "the planes of its image"
    return (
        f"{path}: its OME-XML says that {planes} lie in {first_of(listed, MOST_NAMES)}, expected"
        " one file per image; put all the files into one folder under their first names, open one"
        " of them in Fiji with Bio-Formats, and save the image with File > Save As > Tiff."
    )
