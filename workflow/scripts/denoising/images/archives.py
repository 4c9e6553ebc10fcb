"""Archives of the published form, unpacked safely into a folder of volumes.

An archive is a tar file with one top folder that holds `test_data/` and `train_data/`, or a folder
that it was unpacked to: files of such a folder are used in place, never changed. The layout says
which file in them is which volume: `study/layouts.py`. `train_data/` may hold `data_label.npz` (X
and Y, published patches), volumes of its own, or both. Beside `test_data/`, simulated archives have
`nuclei.csv`.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denoising.images.archive_names import all_files, below_top, folder_files, is_data
from denoising.images.volumes import (
    check_volume,
    listing_row,
    open_volume,
    volume_header,
    write_listing,
    write_volume,
)
from denoising.running.tar_files import extract
from denoising.study.layouts import LAYOUTS, ArchiveImage
from denoising.study.names import NUCLEI, TRUTH

NPZ = "train_data/data_label.npz"


@dataclass(frozen=True)
class Contents:
    """What an archive held: the names of its files, and those that became volumes, each with its
    number of channels (None where it is one image).
    """

    archive: Path
    names: list[str]
    images: dict[str, int | None]


def unpack(
    archive: Path,
    layout: str,
    truth: str | int,
    conditions: dict[str, str] | dict[str, int],
    folder: Path,
) -> Contents:
    """Unpack an archive into a folder of volumes, checking every array.

    Parameters
    ----------
    archive : Path
        A tar file, compressed or not, or a folder.
    layout : str
        A key of `LAYOUTS`.
    truth : str or int
        The ground truth's folder name, or its channel.
    conditions : dict of str to (str or int)
        For each condition its folder name, or its channel.
    folder : Path
        Written: a folder of volumes. Where the archive is a folder, files that can be used as they
        are become links to it.

    Raises
    ------
    ValueError
        Naming archive and entry: entries that would leave the folder, a volume that lacks its
        counterpart in a condition, an array of another shape, other axes, not finite; no test
        volumes at all.
    """
    sources: dict[str, Any] = {TRUTH: truth, **conditions}
    folder.mkdir(parents=True, exist_ok=True)
    # In the folder itself: what a killed process leaves goes with it
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as scratch:
        if archive.is_dir():
            files = folder_files(archive)
            names = [str(path.relative_to(archive)) for path in all_files(archive)]
        else:
            files, names = _extract(archive, Path(scratch))
        unpacking = _Unpacking(archive, files, folder)
        rows = []
        for part in ("test", "train"):
            images = LAYOUTS[layout].find(files, part, sources)
            by_volume = _by_volume(archive, part, sources, images)
            for volume in sorted(by_volume):
                rows += unpacking.write(part, by_volume[volume])
        if not any(row["part"] == "test" for row in rows):
            raise ValueError(
                f"{archive}: no test volumes found for layout {layout} (test_data/...tif), entries"
                f" begin with {sorted(names)[:3]}; correct the dataset's layout, truth or"
                " conditions."
            )
        if NPZ in files:
            unpacking.place(NPZ, folder / "train" / "data_label.npz")
        if NUCLEI in files:
            unpacking.place(NUCLEI, folder / NUCLEI)
    write_listing(folder, rows)
    return Contents(archive, names, unpacking.images)


def _extract(archive: Path, scratch: Path) -> tuple[dict[str, Path], list[str]]:
    """Extract the data of `archive`; return its files by their name below the top folder, and the
    names of all files.
    """
    names = extract(archive, scratch, lambda name: is_data(below_top(name)))
    data = [name for name in names if is_data(below_top(name))]
    return {below_top(name): scratch / name for name in data}, names


def _by_volume(
    archive: Path, part: str, sources: Mapping[str, Any], images: Iterator[ArchiveImage]
) -> dict[str, list[ArchiveImage]]:
    """The images of each volume, of which every condition must be there."""
    by_volume = defaultdict(list)
    for image in images:
        by_volume[image.volume].append(image)
    for volume, found in by_volume.items():
        missing = sources.keys() - {image.condition for image in found}
        if missing:
            raise ValueError(
                f"{archive}: {part}_data has {', '.join(image.file for image in found)}, but volume"
                f" {volume} is missing from {', '.join(sorted(str(sources[c]) for c in missing))};"
                " fetch the archive again or correct the dataset's truth and conditions."
            )
    return by_volume


class _Unpacking:
    """Volumes on their way from files of the archive, by name, to a folder of volumes."""

    def __init__(self, archive: Path, files: dict[str, Path], folder: Path):
        self.archive = archive
        self.files = files
        self.folder = folder
        self.in_place = archive.is_dir()
        self.images: dict[str, int | None] = {}

    def write(self, part: str, images: list[ArchiveImage]) -> list[dict]:
        """Write the images of one volume to their places, and return their rows."""
        opened = {
            image.file: self._open(image)
            for image in {image.file: image for image in images}.values()
        }
        arrays = [_channel(opened[image.file], self.archive, image) for image in images]
        if len({array.shape for array in arrays}) > 1:
            shapes = zip(images, arrays, strict=True)
            listed = ", ".join(f"{image.file} {array.shape}" for image, array in shapes)
            raise ValueError(
                f"{self.archive}: files of one volume differ in shape ({listed}), expected one;"
                " fetch it again."
            )
        rows = []
        for image, array in zip(images, arrays, strict=True):
            row = listing_row(part, image.volume, image.condition, array, "ZYX")
            source = self.files[image.file]
            target = self.folder / row["path"]
            # OME-XML names its own file, so a link has that name
            is_usable = image.channel is None and target.name == source.name
            if self.in_place and is_usable and _is_map_of(array, source):
                self.place(image.file, target)
            else:
                write_volume(target, array, "ZYX", volume_header(source).voxel_size)
            rows.append(row)
        if not self.in_place:
            for file in opened:
                self.files[file].unlink()
        return rows

    def place(self, file: str, target: Path) -> None:
        """Put a file of the archive to its place as it is."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.in_place:
            target.symlink_to(self.files[file].resolve())
        else:
            os.replace(self.files[file], target)

    def _open(self, image: ArchiveImage) -> np.ndarray:
        """A file as a memory map, for errors under its name in the archive."""
        path = self.files[image.file]
        try:
            array = open_volume(path, "ZYX" if image.channel is None else "CZYX", self.folder)
            check_volume(array, image.file)
        except ValueError as error:
            text = str(error).replace(str(path), image.file)
            raise ValueError(f"{self.archive}: {text}") from None
        self.images[image.file] = None if image.channel is None else len(array)
        return array


def _is_map_of(array: np.ndarray, path: Path) -> bool:
    """Whether an array is a memory map of the file itself."""
    filename = getattr(array, "filename", None)
    return filename is not None and Path(filename).samefile(path)


def _channel(stack: np.ndarray, archive: Path, image: ArchiveImage) -> np.ndarray:
    """The channel of a stack that is the image; the whole where it names no channel."""
    if image.channel is None:
        return stack
    if len(stack) > stack.shape[1]:
        raise ValueError(
            f"{archive}: {image.file} has shape {stack.shape}, more channels than planes, expected"
            " axes CZYX; store the channel axis first."
        )
    if image.channel >= len(stack):
        raise ValueError(
            f"{archive}: {image.file} has {len(stack)} channels of shape {stack.shape[1:]},"
            f" expected at least {image.channel + 1}; correct the dataset's truth and conditions."
        )
    return stack[image.channel]
