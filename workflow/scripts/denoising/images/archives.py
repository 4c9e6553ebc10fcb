"""Archives of the published form: unpacking safely into a folder of volumes, reading their npz.

An archive is a tar file with one top folder that holds `test_data/` and `train_data/` in one of two
layouts:

    folders   test_data/{truth folder, a folder a condition}/NAME.tif, each ZYX, the same names in
    every folder stacks    test_data/NAME.tif, each CZYX, a channel a condition and one for the
    ground truth

`train_data/` may hold `data_label.npz` (X and Y, published patches) and, in the folders layout,
volumes of its own.
"""

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from denoising.images.volumes import (
    TRUTH,
    check_volume,
    listing_row,
    open_volume,
    volume_header,
    write_listing,
    write_volume,
)

NPZ = "train_data/data_label.npz"


def unpack(archive: Path, layout: str, truth, conditions: dict, folder: Path) -> None:
    """Unpack an archive into a folder of volumes, checking every array.

    Parameters
    ----------
    archive : Path
        A tar file, compressed or not.
    layout : {"folders", "stacks"}
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
    sources = {TRUTH: truth, **conditions}
    folder.mkdir(parents=True, exist_ok=True)
    # In the folder itself: what a killed process leaves goes with it
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as scratch:
        files = _extract(archive, Path(scratch))
        read = _folder_rows if layout == "folders" else _stack_rows
        rows = [
            row for part in ("test", "train") for row in read(archive, files, part, sources, folder)
        ]
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
    write_listing(folder, rows)


def _extract(archive: Path, scratch: Path) -> dict[str, Path]:
    """Extract the data of `archive`; return its files by their name below the top folder."""
    files = {}
    try:
        with _decompressed(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    safe = _safe(archive, member, scratch)
                    name = _below_top(safe.name)
                    if safe.isfile() and name.startswith(("test_data/", "train_data/")):
                        tar.extract(safe, scratch, filter="data")
                        files[name] = scratch / safe.name
            stream.check_end(tar.offset)
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        if getattr(error, "errno", None):  # a full disk, not a damaged archive
            raise
        raise ValueError(
            f"{archive}: not a complete tar archive ({error}); fetch it again."
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


class _decompressed:
    """An archive's decompressed bytes, read once; tarfile by itself compares no checksum and misses
    no end.
    """

    OPENERS: ClassVar = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}

    def __init__(self, path: Path):
        with path.open("rb") as file:
            magic = file.read(2)
        self.file = self.OPENERS.get(magic, open)(path, "rb")
        self.count, self.recent = 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.count += len(data)
        self.recent = (self.recent + data)[-2 * tarfile.RECORDSIZE :]
        return data

    def check_end(self, end: int) -> None:
        """Read on to where decompressors compare checksums; all after `end` of the last entry must
        be empty.
        """
        after = self.recent[end - self.count :] if self.count > end else b""
        empty = len(after)
        while not any(after):
            after = self.read(1 << 20)
            empty += len(after)
            if not after:
                break
        if any(after) or empty < tarfile.BLOCKSIZE:
            raise EOFError(f"its entries end at byte {end} without the mark of an end")


def _below_top(name: str) -> str:
    parts = PurePosixPath(name).parts
    for data in ("test_data", "train_data"):
        if data in parts:
            return "/".join(parts[parts.index(data) :])
    return name


def _folder_rows(archive, files, part, sources, folder) -> Iterator[dict]:
    """Write the volumes of the folders layout to their places and yield their rows."""
    by_condition = {
        condition: {
            PurePosixPath(name).stem: name
            for name in files
            if PurePosixPath(name).parent == PurePosixPath(f"{part}_data/{source}")
            and _is_tiff(PurePosixPath(name))
        }
        for condition, source in sources.items()
    }
    volumes = sorted(set().union(*by_condition.values()))
    for volume in volumes:
        shapes = {}
        for condition, source in sources.items():
            if volume not in by_condition[condition]:
                raise ValueError(
                    f"{archive}: {part}_data/{source}/{volume}.tif is missing, but other conditions"
                    " have that volume; fetch the archive again or correct the dataset's"
                    " conditions."
                )
            name = by_condition[condition][volume]
            image = _checked(files[name], "ZYX", archive, name)
            shapes[name] = image.shape
            row = listing_row(part, volume, condition, image, "ZYX")
            write_volume(folder / row["path"], image, "ZYX", volume_header(files[name]).voxel_size)
            files[name].unlink()
            yield row
        _one_shape(archive, shapes)


def _is_tiff(name: PurePosixPath) -> bool:
    return name.suffix.lower() in (".tif", ".tiff") and not name.name.startswith("._")


def _stack_rows(archive, files, part, sources, folder) -> Iterator[dict]:
    """Write a volume a channel for every stack of the stacks layout and yield their rows."""
    for name, path in sorted(files.items()):
        entry = PurePosixPath(name)
        if entry.parent != PurePosixPath(f"{part}_data") or not _is_tiff(entry):
            continue
        stack = _checked(path, "CZYX", archive, name)
        if len(stack) > stack.shape[1]:
            raise ValueError(
                f"{archive}: {name} has shape {stack.shape}, more channels than planes, expected"
                " axes CZYX; store the channel axis first."
            )
        if max(sources.values()) >= len(stack):
            raise ValueError(
                f"{archive}: {name} has {len(stack)} channels of shape {stack.shape[1:]}, expected"
                f" at least {max(sources.values()) + 1}; correct the dataset's truth and"
                " conditions."
            )
        for condition, channel in sources.items():
            row = listing_row(part, entry.stem, condition, stack[channel], "ZYX")
            write_volume(
                folder / row["path"], stack[channel], "ZYX", volume_header(path).voxel_size
            )
            yield row
        path.unlink()


def _checked(path: Path, axes: str, archive: Path, name: str) -> np.ndarray:
    """A file of the archive as a memory map, for errors under its name in the archive."""
    try:
        image = open_volume(path, axes)
        check_volume(image, name)
    except ValueError as error:
        raise ValueError(f"{archive}: {str(error).replace(str(path), name)}") from None
    return image


def _one_shape(archive: Path, shapes: dict[str, tuple]) -> None:
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"{archive}: files of one volume differ in shape ({listed}), expected one; fetch it"
            " again."
        )


# Reading npz files, which numpy cannot memory-map


def npz_shape(path: Path, name: str) -> tuple[int, ...]:
    """Shape of array `name` in an npz file, from its header alone."""
    with _opened(path) as archive, _open_entry(archive, path, name) as file:
        return _read_header(file, path, name)[0]


def npz_blocks(path: Path, name: str, block_bytes: int = 1 << 26) -> Iterator[np.ndarray]:
    """Array `name` of an npz file in blocks of whole first-axis items, about `block_bytes` each."""
    with _opened(path) as archive, _open_entry(archive, path, name) as file:
        shape, dtype = _read_header(file, path, name)
        item = int(np.prod(shape[1:])) * dtype.itemsize
        step = max(1, block_bytes // item)
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            try:
                data = file.read(count * item)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise ValueError(
                    f"{path}: array {name} is damaged ({error}); fetch the archive again."
                ) from None
            if len(data) != count * item:
                raise ValueError(
                    f"{path}: array {name} ends early, at item {start}; fetch the archive again."
                )
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])


def npz_text(path: Path, name: str) -> str | None:
    """The text that scalar `name` of an npz file holds; None where there is no such array."""
    with _opened(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        with archive.open(f"{name}.npy") as file:
            return str(np.lib.format.read_array(file, allow_pickle=False))


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise ValueError(
            f"{path}: no readable npz file ({error}); fetch the archive again."
        ) from None


def _open_entry(archive: zipfile.ZipFile, path: Path, name: str):
    if f"{name}.npy" not in archive.namelist():
        raise ValueError(
            f"{path}: holds {archive.namelist()}, expected an array {name}; fetch the archive"
            " again."
        )
    return archive.open(f"{name}.npy")


def _read_header(file, path: Path, name: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    if fortran or dtype.hasobject or dtype.kind not in "uif" or 0 in shape or not shape:
        raise ValueError(
            f"{path}: array {name} is {dtype} of shape {shape} (Fortran order: {fortran}), "
            "expected some numbers in C order; fetch the archive again."
        )
    return shape, dtype
