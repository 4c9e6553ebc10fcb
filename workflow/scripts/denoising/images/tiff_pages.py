"""The one image of a TIFF file, made of the file's own pages alone.

Pages of one size that a program appended one by one, each as an image of its own, are a stack.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import tifffile

from denoising.images import ome_xml
from denoising.images.formats import UnusableImageError, check_is_tiff
from denoising.images.slabs import scratch_array

UNREAD = (
    "its description is broken, so that the size of its voxels and the names of its axes are taken"
    " for unknown"
)
MOST_LISTED = 3  # images of a file, in a message


@dataclass(frozen=True)
class Pages:
    """An open TIFF file and its image; `parts` are several where pages were appended to a stack.

    `xml` is the root of an OME-TIFF's XML, of this image alone; None if there is none that can be
    read.
    """

    file: tifffile.TiffFile
    parts: list[tifffile.TiffPageSeries]
    xml: Element | None
    doubts: tuple[str, ...]

    @property
    def axes(self) -> str:
        axes = self.parts[0].axes
        # Planes of red, green and blue are channels, not a sequence without a name
        if self.parts[0].keyframe.photometric == tifffile.PHOTOMETRIC.RGB and axes[-1] != "S":
            axes = axes.replace("S", "C")
        return axes if len(self.parts) == 1 else "I" + axes

    @property
    def shape(self) -> tuple[int, ...]:
        shape = self.parts[0].shape
        return shape if len(self.parts) == 1 else (len(self.parts), *shape)

    @property
    def dtype(self) -> np.dtype:
        return self.parts[0].dtype

    def pixels(self, scratch: Path) -> np.ndarray:
        """A memory map of the file itself or, where pixels are compressed or scattered, of a
        nameless copy in the folder `scratch`.
        """
        image = self._pixels(scratch)
        if image.shape != self.shape:
            raise ValueError(f"its pixels are {image.shape}, expected {self.shape}")
        return image

    def _pixels(self, scratch: Path) -> np.ndarray:
        first = self.parts[0]
        if len(self.parts) == 1 and first.dataoffset is not None:  # one place of all pixels
            return first.asarray(out="memmap")
        image = scratch_array(scratch, self.shape, self.dtype)
        if len(self.parts) == 1:
            return first.asarray(out=image)
        for plane, part in zip(image, self.parts, strict=True):
            part.asarray(out=plane)
        return image


@contextlib.contextmanager
def open_pages(path: Path) -> Iterator[Pages]:
    """Open a TIFF file whose image is complete.

    Raises
    ------
    UnusableImageError
        Naming the file: it is empty, cut short or of another format, holds several images, or the
        image lies in several files.
    """
    check_is_tiff(path)
    with contextlib.ExitStack() as files:
        tif, xml, doubts = _open(path, files)
        parts = _one_image(path, tif.series)
        _check_not_empty(path, parts[0])
        _check_list_of_pages(path, tif, parts[0])
        for part in parts:
            _check_complete(path, tif, part)
        if parts[0].kind == "ome" and len(parts[0].pages) < len(tif.pages):
            count = len(parts[0].pages)
            doubts.append(f"its OME-XML describes {count} of its {len(tif.pages)} planes alone")
        pages = Pages(tif, parts, xml, tuple(doubts))
        if xml is None and tif.imagej_metadata:
            # It counts the planes, of which tifffile takes what is left for another image
            planes = int(tif.imagej_metadata.get("images", 1))
            _check_planes(path, math.prod(pages.shape[:-2]), planes)
        yield pages


def _open(
    path: Path, files: contextlib.ExitStack
) -> tuple[tifffile.TiffFile, Element | None, list[str]]:
    """The file with its own images alone, the root of its OME-XML, and what of that is doubtful."""
    tif = files.enter_context(tifffile.TiffFile(path))
    text = tif.ome_metadata
    xml = None if text is None else ome_xml.parse(text)
    doubts = []
    if xml is not None:
        own = ome_xml.own_images(path, xml)
        tif = files.enter_context(tifffile.TiffFile(path, omexml=own))
        described = ome_xml.metadata_file(xml)
        if described:
            doubts.append(f"its planes are described in {described}, which is not read")
    elif text is not None:
        doubts.append(UNREAD)
    try:
        len(tif.series)
    except Exception:  # of many kinds, for descriptions that are not what they seem
        if not _has_all_pages(tif):
            raise
        plain = tifffile.TiffFile(path, is_ome=False, is_imagej=False, is_shaped=False)
        return files.enter_context(plain), None, [UNREAD]
    return tif, xml, doubts


def _check_not_empty(path: Path, part: tifffile.TiffPageSeries) -> None:
    if math.prod(part.shape) == 0 or not part.shape:
        raise UnusableImageError(f"{path}: holds no pixels, shape {part.shape}; export it again.")


def _check_list_of_pages(path: Path, tif: tifffile.TiffFile, part: tifffile.TiffPageSeries) -> None:
    """Refuse a file whose list of pages has no end: tifffile takes what is left for the image."""
    # Where all pixels are in one place, pages behind them do not count, and may be many
    is_in_one_place = part.kind in ("shaped", "imagej") and part.dataoffset is not None
    if not is_in_one_place and not _has_all_pages(tif):
        raise UnusableImageError(
            f"{path}: is cut short, with {len(tif.pages)} whole planes in {tif.filehandle.size}"
            " bytes; copy or export it again."
        )


def _has_all_pages(tif: tifffile.TiffFile) -> bool:
    """Whether the list of pages has its end, a zero in place of the next page."""
    len(tif.pages)  # reads all of it
    tif.filehandle.seek(tif.pages.next_page_offset or 0)
    return tif.filehandle.read(tif.tiff.offsetsize) == bytes(tif.tiff.offsetsize)


def _one_image(path: Path, series: list[tifffile.TiffPageSeries]) -> list[tifffile.TiffPageSeries]:
    """The series that are the image: one, or pages that were appended."""
    first = series[0]
    kinds = {(part.shape, part.dtype, part.axes) for part in series}
    if len(series) == 1 or (len(kinds) == 1 and first.axes == "YX" and first.kind != "ome"):
        return series
    different = "of different kinds" if len(kinds) > 1 else "of one kind"
    listed = ", ".join(f"{part.shape} {part.dtype}" for part in series[:MOST_LISTED])
    more = ", ..." if len(series) > MOST_LISTED else ""
    raise UnusableImageError(
        f"{path}: holds {len(series)} images {different} ({listed}{more}), expected one; save one"
        " image per file."
    )


def _check_complete(path: Path, tif: tifffile.TiffFile, part: tifffile.TiffPageSeries) -> None:
    """Refuse what tifffile would fill with zeros or with pages of other files."""
    planes = math.prod(part.shape) // max(1, math.prod(part.keyframe.shape))
    if part.dataoffset is not None:
        found = planes
        end = part.dataoffset + part.nbytes
    else:
        pages = [page for page in part.pages if page is not None and page.dataoffsets[:1] != (0,)]
        _check_own(path, tif, pages)
        # One page may stand for all that follow it
        found = planes if len(part.pages) == 1 else len(pages)
        end = max(map(_end, pages), default=0)
    _check_planes(path, found, planes)
    size = tif.filehandle.size
    if end > size:
        raise UnusableImageError(
            f"{path}: is cut short, with {size} of at least {end} bytes; copy or export it again."
        )


def _check_planes(path: Path, found: int, planes: int) -> None:
    if found < planes:
        raise UnusableImageError(
            f"{path}: it has {found} of its {planes} planes, as if cut short; copy or export it"
            " again, or save the planes that are there as an image of their own."
        )


def _check_own(path: Path, tif: tifffile.TiffFile, pages: list) -> None:
    others = {page.parent.filename for page in pages} - {tif.filename}
    if others:
        raise UnusableImageError(
            f"{path}: planes of its image lie in {', '.join(sorted(others))} too, expected one file"
            " per image; open it in Fiji, and save the image with File > Save As > Tiff."
        )


def _end(page: tifffile.TiffPage | tifffile.TiffFrame) -> int:
    """Byte behind the page's last pixel."""
    return max(
        (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)),
        default=0,
    )
