"""Npz files: arrays may be larger than memory, so they are read part by part, without a copy.

They may come from strangers: numbers and texts are read alone, never Python objects, and nothing
that a header says is believed before it is compared with the file.
"""

import contextlib
import shutil
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from denoising.images.decoding import decoding
from denoising.images.formats import UnusableImageError
from denoising.images.volumes import write_listing
from denoising.running.checksums import sha256_of
from denoising.running.names import first_of, shortened
from denoising.running.outputs import whole, write_json

PART = 8_000_000  # bytes in memory at a time
MOST_FILES = 1000  # arrays in an npz
MOST_BYTES = 200_000_000_000  # of an array
MOST_PER_ROW = 1 << 30  # bytes of a patch
LONGEST_TEXT = 100  # characters
MOST_NAMES = 10  # in a message


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
    remedy = "save it again with csbdeep's save_training_data or numpy.savez"
    with decoding(npz, "not a complete npz file", remedy), zipfile.ZipFile(npz) as archive:
        entries = {Path(entry).stem for entry in _entries(archive)}
    if not {"X", "Y"} <= entries:
        raise ValueError(
            f"{npz}: holds {first_of(sorted(entries), MOST_NAMES)}, expected arrays X (low SNR) and"
            " Y (ground truth); save it again with csbdeep's save_training_data."
        )
    target = folder / "train" / "data_label.npz"
    with whole(target) as partial:
        shutil.copyfile(npz, partial)
    write_listing(folder, [])
    file = {"bytes": npz.stat().st_size, "sha256": sha256_of(npz)}
    write_json(record, {"source": "npz", "files": {str(npz): file}})


@dataclass(frozen=True)
class NpzArray:
    """An array in an npz file: some numbers in C order."""

    npz: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    def parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The array in parts along its first axis, each with its place there.

        Raises
        ------
        ValueError
            If the file is damaged, which may show only after the last part.
        """
        row = self.dtype.itemsize * prod(self.shape[1:])
        rows = max(1, PART // row)
        with _reading(self.npz, self.name) as stream:
            _read_header(stream)
            for start in range(0, self.shape[0], rows):
                place = slice(start, min(start + rows, self.shape[0]))
                shape = (place.stop - start, *self.shape[1:])
                data = stream.read(shape[0] * row)
                if len(data) < shape[0] * row:
                    raise EOFError("its numbers end early")
                yield place, np.frombuffer(data, self.dtype).reshape(shape)
            stream.read(1)  # its checksum is compared at the end


def open_array(npz: Path, name: str) -> NpzArray:
    """Array `name` of an npz file, of which this reads the header alone.

    Raises
    ------
    ValueError
        Naming file and array: no npz file, no such array, a damaged one, or one that does not hold
        some numbers in C order.
    """
    with _reading(npz, name) as stream:
        shape, is_fortran, dtype = _read_header(stream)
        is_empty = not shape or min(shape) < 1
        if is_empty or dtype.kind not in "uif" or is_fortran:
            raise UnusableImageError(
                f"{npz}: array {name} is {_kind(dtype)} of shape {shape}, expected some numbers in"
                " C order; fetch the archive again."
            )
        row = dtype.itemsize * prod(shape[1:])
        size = shape[0] * row
        if row > MOST_PER_ROW or size > MOST_BYTES:
            raise UnusableImageError(
                f"{npz}: array {name} of shape {shape} takes {size / 1e9:.3g} GB, expected at"
                f" most {MOST_BYTES / 1e9:.3g} GB, and {MOST_PER_ROW / 1e9:.3g} GB for each"
                " patch; save fewer or smaller patches."
            )
        held = _size(npz, name) - stream.tell()
        if held != size:
            raise EOFError(f"shape {shape} takes {size} bytes, and it holds {held}")
    return NpzArray(npz, name, shape, dtype)


# What numpy raises for a damaged header; TokenError for brackets without an end
HEADER_ERRORS = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, KeyError,
                 tokenize.TokenError)  # fmt: skip


@contextlib.contextmanager
def _reading(npz: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of an array; errors of the block name file and array."""
    fault, remedy = f"array {name} cannot be read", "fetch the archive again"
    if not npz.is_file():
        raise UnusableImageError(f"{npz}: {fault} (there is no such file); {remedy}.")
    with decoding(npz, fault, remedy), zipfile.ZipFile(npz) as archive:
        entries = _entries(archive)
        if f"{name}.npy" not in entries:
            raise UnusableImageError(
                f"{npz}: holds {first_of(entries, MOST_NAMES)}, expected an array {name}; {remedy}."
            )
        with archive.open(f"{name}.npy") as stream:
            yield stream


def _entries(archive: zipfile.ZipFile) -> list[str]:
    names = archive.namelist()
    if len(names) > MOST_FILES:
        raise EOFError(f"it holds {len(names)} arrays, expected at most {MOST_FILES}")
    return names


def _size(npz: Path, name: str) -> int:
    """Bytes of an array and its header, unpacked."""
    with zipfile.ZipFile(npz) as archive:
        return archive.getinfo(f"{name}.npy").file_size


def _kind(dtype: np.dtype) -> str:
    return f"{dtype}"[:LONGEST_TEXT]


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype."""
    try:
        is_short = npy.read_magic(stream) == (1, 0)
        read = npy.read_array_header_1_0 if is_short else npy.read_array_header_2_0
        return read(stream)
    # Of many kinds, and with advice to trust the file
    except HEADER_ERRORS:
        raise EOFError("its header is damaged, or too long") from None


def typical_range(patches: np.ndarray) -> tuple[float, float]:
    """Medians over patches of their 1st and 99.9th percentiles: about 0 and 1 if normalised."""
    of_each = np.percentile(patches.reshape(len(patches), -1), (1, 99.9), axis=1)
    low, high = np.median(of_each, axis=1)
    return float(low), float(high)


def npz_text(npz: Path, name: str) -> str | None:
    """The text that scalar `name` of an npz file holds; None where there is no such array.

    Raises
    ------
    ValueError
        Naming file and array: it holds something else than a short text.
    """
    with zipfile.ZipFile(npz) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
    with _reading(npz, name) as stream:
        shape, _, dtype = _read_header(stream)
        if shape or dtype.kind not in "US" or dtype.itemsize > 4 * LONGEST_TEXT:
            raise UnusableImageError(
                f"{npz}: array {name} is {_kind(dtype)} of shape {shape}, expected one short text;"
                " save the file again."
            )
        data = stream.read(dtype.itemsize)
        if len(data) < dtype.itemsize:
            raise EOFError("its text ends early")
        text = np.frombuffer(data, dtype)[0].item()
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    return shortened(plain, LONGEST_TEXT)
