"""Npz files: arrays may be larger than memory, so they are read part by part, without a copy."""

import json
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from denoising.images.volumes import write_listing
from denoising.running.checksums import sha256_of

PART = 8_000_000  # bytes in memory at a time
DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, FileNotFoundError)


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
        try:
            with zipfile.ZipFile(self.npz) as archive, archive.open(f"{self.name}.npy") as stream:
                _read_header(stream)
                for start in range(0, self.shape[0], rows):
                    place = slice(start, min(start + rows, self.shape[0]))
                    shape = (place.stop - start, *self.shape[1:])
                    data = stream.read(shape[0] * row)
                    if len(data) < shape[0] * row:
                        raise EOFError("its numbers end early")
                    yield place, np.frombuffer(data, self.dtype).reshape(shape)
                stream.read(1)  # its checksum is compared at the end
        except DAMAGES as error:
            raise _unreadable(self.npz, self.name, error) from None


def open_array(npz: Path, name: str) -> NpzArray:
    """Array `name` of an npz file, of which this reads the header alone.

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
            with archive.open(f"{name}.npy") as stream:
                shape, is_fortran, dtype = _read_header(stream)
    except DAMAGES as error:
        raise _unreadable(npz, name, error) from None
    if prod(shape) == 0 or not shape or dtype.kind not in "uif" or is_fortran:
        raise ValueError(
            f"{npz}: array {name} is {dtype} of shape {shape}, expected some numbers in C order;"
            " fetch the archive again."
        )
    return NpzArray(npz, name, shape, dtype)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype."""
    try:
        is_short = npy.read_magic(stream) == (1, 0)
        read = npy.read_array_header_1_0 if is_short else npy.read_array_header_2_0
        return read(stream)
    except (ValueError, tokenize.TokenError) as error:  # the latter of brackets without an end
        raise EOFError(str(error)) from None


def _unreadable(npz: Path, name: str, error: Exception) -> ValueError:
    return ValueError(f"{npz}: array {name} cannot be read ({error}); fetch the archive again.")


def typical_range(patches: np.ndarray) -> tuple[float, float]:
    """Medians over patches of their 1st and 99.9th percentiles: about 0 and 1 if normalised."""
    of_each = np.percentile(patches.reshape(len(patches), -1), (1, 99.9), axis=1)
    low, high = np.median(of_each, axis=1)
    return float(low), float(high)


def npz_text(npz: Path, name: str) -> str | None:
    """The text that scalar `name` of an npz file holds; None where there is no such array."""
    with np.load(npz) as arrays:
        return str(arrays[name]) if name in arrays else None
