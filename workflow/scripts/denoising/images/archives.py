"""Archives of the published form: unpacked safely into a folder of volumes, and the arrays of their
npz.

An archive is a tar file with one top folder that holds `test_data/` and `train_data/`. Its layout
says which file in them is which volume: `study/layouts.py`. `train_data/` may hold
`data_label.npz` (X and Y, published patches), volumes of its own, or both. Beside `test_data/`,
simulated archives have `nuclei.csv`.
"""

import json
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from denoising.images.volumes import (
    NUCLEI,
    check_volume,
    listing_row,
    open_volume,
    volume_header,
    write_listing,
    write_volume,
)
from denoising.running.checksums import sha256_of
from denoising.study.layouts import LAYOUTS, ArchiveImage
from denoising.study.names import TRUTH

NPZ = "train_data/data_label.npz"


def unpack(
    archive: Path,
    layout: str,
    truth: str | int,
    conditions: dict[str, str] | dict[str, int],
    folder: Path,
) -> None:
    """Unpack an archive into a folder of volumes, checking every array.

    Parameters
    ----------
    archive : Path
        A tar file, compressed or not.
    layout : str
        A key of `LAYOUTS`.
    truth : str or int
        The ground truth's folder name, or its channel.
    conditions : dict of str to (str or int)
        For each condition its folder name, or its channel.
    folder : Path
        Written: a folder of volumes.

    Raises
    ------
    ValueError
        Naming archive and entry: an entry that would leave the folder, a volume that lacks its
        counterpart in a condition, an array of another shape, other axes, not finite; no test
        volumes at all.
    """
    sources: dict[str, Any] = {TRUTH: truth, **conditions}
    folder.mkdir(parents=True, exist_ok=True)
    # In the folder itself: what a killed process leaves goes with it
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as scratch:
        files = _extract(archive, Path(scratch))
        rows = []
        for part in ("test", "train"):
            images = LAYOUTS[layout].find(files, part, sources)
            by_volume = _by_volume(archive, part, sources, images)
            for volume in sorted(by_volume):
                rows += _write(archive, files, part, by_volume[volume], folder)
        if not any(row["part"] == "test" for row in rows):
            raise ValueError(
                f"{archive}: no test volumes found for layout {layout} (test_data/...tif), entries"
                f" begin with {sorted(files)[:3]}; correct the dataset's layout, truth or"
                " conditions."
            )
        if NPZ in files:
            target = folder / "train" / "data_label.npz"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(files[NPZ], target)
        if NUCLEI in files:
            os.replace(files[NUCLEI], folder / NUCLEI)
    write_listing(folder, rows)


def _extract(archive: Path, scratch: Path) -> dict[str, Path]:
    """Extract the data of `archive`; return its files by their name below the top folder."""
    if zipfile.is_zipfile(archive):
        raise ValueError(
            f"{archive}: is a zip or npz file, expected a tar archive; pack its content as tar, or"
            " give csbdeep's training patches as the dataset's npz.path."
        )
    files = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                safe = _safe(archive, member, scratch)
                name = _below_top(safe.name)
                is_data = name.startswith(("test_data/", "train_data/")) or name == NUCLEI
                if safe.isfile() and is_data:
                    tar.extract(safe, scratch, filter="data")
                    files[name] = scratch / safe.name
            _check_end(tar)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if getattr(error, "errno", None):  # a full disk, not a damaged archive
            raise
        reason = str(error).partition(":\n")[0]
        raise ValueError(
            f"{archive}: not a complete tar archive ({reason}); fetch it again."
        ) from None
    return files


def _safe(archive: Path, member: tarfile.TarInfo, scratch: Path) -> tarfile.TarInfo:
    """The entry as it may be extracted, or a refusal that names it."""
    try:
        if member.name.startswith("/"):
            raise tarfile.AbsolutePathError(member)
        safe = tarfile.data_filter(member, str(scratch))
    except tarfile.FilterError:
        safe = None
    if safe is None or not (safe.isfile() or safe.isdir()):
        raise ValueError(
            f"{archive}: entry {member.name} would leave the folder it is unpacked to, or is a link"
            " or device, expected plain files below it; do not use this archive."
        )
    return safe


def _check_end(tar: tarfile.TarFile) -> None:
    """Read the archive on to its very end, where decompressors compare checksums.

    tarfile itself stops at the first block that is no entry. So it takes a flipped byte, an entry
    whose header is damaged and an archive cut short between entries for good ones. All after the
    last entry must be zeros, at least one block of them.
    """
    stream: Any = tar.fileobj
    stream.seek(tar.offset)
    zeros = 0
    while block := stream.read(1 << 20):
        if block.strip(b"\0"):
            raise EOFError(f"no entry begins at byte {tar.offset}, where the last one ends")
        zeros += len(block)
    if zeros < tarfile.BLOCKSIZE:
        raise EOFError(f"its entries end at byte {tar.offset} without the mark of an end")


def _below_top(name: str) -> str:
    parts = PurePosixPath(name).parts
    for data in ("test_data", "train_data"):
        if data in parts:
            return "/".join(parts[parts.index(data) :])
    return NUCLEI if parts[1:] == (NUCLEI,) else name


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


def _write(
    archive: Path, files: dict[str, Path], part: str, images: list[ArchiveImage], folder: Path
) -> list[dict]:
    """Write the images of one volume to their places, and return their rows."""
    opened = {
        image.file: _checked(files[image.file], archive, image)
        for image in {image.file: image for image in images}.values()
    }
    arrays = [_channel(opened[image.file], archive, image) for image in images]
    if len({array.shape for array in arrays}) > 1:
        shapes = zip(images, arrays, strict=True)
        listed = ", ".join(f"{image.file} {array.shape}" for image, array in shapes)
        raise ValueError(
            f"{archive}: files of one volume differ in shape ({listed}), expected one; fetch it"
            " again."
        )
    rows = []
    for image, array in zip(images, arrays, strict=True):
        row = listing_row(part, image.volume, image.condition, array, "ZYX")
        voxel_size = volume_header(files[image.file]).voxel_size
        write_volume(folder / row["path"], array, "ZYX", voxel_size)
        rows.append(row)
    for file in opened:
        files[file].unlink()
    return rows


def _checked(path: Path, archive: Path, image: ArchiveImage) -> np.ndarray:
    """A file of the archive as a memory map, for errors under its name in the archive."""
    try:
        array = open_volume(path, "ZYX" if image.channel is None else "CZYX")
        check_volume(array, image.file)
    except ValueError as error:
        raise ValueError(f"{archive}: {str(error).replace(str(path), image.file)}") from None
    return array


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


def import_npz(npz: Path, folder: Path, record: Path) -> None:
    """Copy an npz of training patches into a folder of volumes that has no volumes.

    Parameters
    ----------
    npz : Path
        Arrays X and Y.
    folder : Path
        Written: a folder of volumes.
    record : Path
        Written: what the file is, as JSON.

    Raises
    ------
    ValueError
        If the file is no npz, or has no such arrays.
    """
    try:
        with zipfile.ZipFile(npz) as archive:
            entries = {Path(entry).stem for entry in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{npz}: not a complete npz file ({error}), expected what csbdeep's save_training_data"
            " or numpy.savez writes; save it again."
        ) from None
    if not {"X", "Y"} <= entries:
        raise ValueError(
            f"{npz}: holds {', '.join(sorted(entries))}, expected arrays X (low SNR) and Y (ground"
            " truth); save it again with csbdeep's save_training_data."
        )
    target = folder / "train" / "data_label.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(npz, target)
    write_listing(folder, [])
    file = {"bytes": npz.stat().st_size, "sha256": sha256_of(npz)}
    record.write_text(json.dumps({"source": "npz", "files": {str(npz): file}}, indent=2) + "\n")


def unzip_array(npz: Path, name: str, folder: Path) -> np.ndarray:
    """Array `name` of an npz file, as a read-only memory map.

    numpy cannot map an array in the npz file itself: it is unzipped to `folder`/NAME.npy.

    Raises
    ------
    ValueError
        Naming file and array: no npz file, no such array, a damaged one, or one that does not hold
        some numbers in C order.
    """
    try:
        with zipfile.ZipFile(npz) as archive:
            entries = archive.namelist()
            if f"{name}.npy" not in entries:
                raise ValueError(
                    f"{npz}: holds {entries}, expected an array {name}; fetch the archive again."
                )
            path = archive.extract(f"{name}.npy", folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, FileNotFoundError) as error:
        raise ValueError(
            f"{npz}: array {name} cannot be read ({error}); fetch the archive again."
        ) from None
    try:
        array = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise ValueError(
            f"{npz}: array {name} cannot be mapped ({error}); fetch the archive again."
        ) from None
    has_items = array.ndim > 0 and array.size > 0
    if not has_items or array.dtype.kind not in "uif" or not array.flags.c_contiguous:
        raise ValueError(
            f"{npz}: array {name} is {array.dtype} of shape {array.shape}, expected some numbers in"
            " C order; fetch the archive again."
        )
    return array


def npz_text(npz: Path, name: str) -> str | None:
    """The text that scalar `name` of an npz file holds; None where there is no such array."""
    with np.load(npz) as arrays:
        return str(arrays[name]) if name in arrays else None
