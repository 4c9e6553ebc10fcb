"""Tar files from strangers: only plain files leave them, within limits of number and size.

An entry may not lie outside the folder that it is extracted to, be a link or a device, or have a
name that cannot be printed. Nothing that an entry says of itself is believed before it is compared
with the limits, so that a small file does not fill the disk or the memory.
"""

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denoising.running.names import first_of, shortened
from denoising.running.reasons import is_not_the_files_fault, reason

LONGEST_NAME = 200  # characters shown
MOST_NAMES = 10  # in a message
MOST_FILES = 100_000
MOST_BYTES = 200_000_000_000  # of all files together
MOST_HEADER = 1 << 20  # bytes of a name or of other words about an entry
MOST_ZEROS = 1 << 26  # bytes after the last entry
WORDS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
         tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)  # fmt: skip
IF_TRUSTED = (
    "if you trust it, unpack it yourself, and give the folder as the dataset's archive.path"
)


class UnsafeArchiveError(ValueError):
    """An archive that is not unpacked; the message is a sentence without the archive's name."""


class _Entry(tarfile.TarInfo):
    """An entry whose words are small; tarfile reads them into memory as a whole."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type in WORDS and not 0 <= self.size <= MOST_HEADER:
            raise UnsafeArchiveError(
                f"has a header of {self.size} bytes, expected at most {MOST_HEADER}; do not use"
                " this archive."
            )
        return super()._proc_member(tar)  # type: ignore[misc]

    def _refuse_sparse(self, *_: Any) -> None:
        raise UnsafeArchiveError(f"has sparse files, which are not read; {IF_TRUSTED}.")

    # tarfile's own, which read lists of any length
    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


def open_tar(path: Path) -> tarfile.TarFile:
    """Open a tar file, compressed or not, at its first entry."""
    return tarfile.open(path, tarinfo=_Entry)


def is_tar(path: Path) -> bool:
    """Whether it begins as a tar file does, compressed or not; `extract` reads it to its end.

    Raises
    ------
    ValueError
        Naming the file, if its first entry is not safe.
    """
    try:
        open_tar(path).close()
    except UnsafeArchiveError as error:
        raise ValueError(f"{path}: {error}") from None
    except (EOFError, zlib.error, lzma.LZMAError):  # compressed, and cut short at once
        return True
    except tarfile.TarError:
        return False
    return True


def extract(archive: Path, folder: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    """Extract the wanted files of `archive`, and return the names of all of its files.

    Parameters
    ----------
    archive : Path
    folder : Path
    is_wanted : callable
        Takes the name of a file.

    Raises
    ------
    ValueError
        Naming the archive: it is no complete tar file, has unsafe entries, all of which are named,
        or goes beyond the limits.
    """
    try:
        with open_tar(archive) as tar:
            return _extract(tar, folder, is_wanted)
    except UnsafeArchiveError as error:
        raise ValueError(f"{archive}: {error}") from None
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        if is_not_the_files_fault(error):
            raise
        raise ValueError(
            f"{archive}: not a complete tar archive ({reason(error)}); delete it if this workflow"
            " fetched it, else replace it, and run again."
        ) from None


def _extract(tar: tarfile.TarFile, folder: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    names = []
    unsafe = []
    size = 0
    for count, member in enumerate(tar, 1):
        size += member.size
        _check_limits(count, member.size, size)
        safe = _safe(member, folder)
        if safe is None:
            unsafe.append(shortened(member.name, LONGEST_NAME))
        elif safe.isfile():
            names.append(safe.name)
            if is_wanted(safe.name) and not unsafe:
                _check_room(safe, folder)
                tar.extract(safe, folder, filter="data")
    _check_end(tar)
    if unsafe:
        raise UnsafeArchiveError(
            "would leave the folder it is unpacked to, or is a link or device, or has a name that"
            f" cannot be printed, expected plain files alone: {first_of(unsafe, MOST_NAMES)}; do"
            " not use this archive."
        )
    return names


def _check_limits(count: int, size: int, of_all: int) -> None:
    if count > MOST_FILES:
        raise UnsafeArchiveError(f"holds more than {MOST_FILES} files; {IF_TRUSTED}.")
    if size < 0:
        raise UnsafeArchiveError(f"has a file of {size} bytes; do not use this archive.")
    if of_all > MOST_BYTES:
        raise UnsafeArchiveError(
            f"would take more than {MOST_BYTES / 1e9:.3g} GB unpacked; {IF_TRUSTED}."
        )


def _check_room(member: tarfile.TarInfo, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if member.size > free:
        raise UnsafeArchiveError(
            f"{member.name} takes {member.size / 1e9:.3g} GB unpacked, and {free / 1e9:.3g} GB are"
            " free; make room, or run on a larger disk by --directory."
        )


def _safe(member: tarfile.TarInfo, folder: Path) -> tarfile.TarInfo | None:
    """The entry as it may be extracted; None if it may not."""
    try:
        safe = tarfile.data_filter(member, str(folder))
    except (tarfile.FilterError, ValueError, OSError):  # the latter of names that cannot be
        return None
    is_plain = safe.isfile() or safe.isdir()
    return (
        safe if is_plain and safe.name.isprintable() and not member.name.startswith("/") else None
    )


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
        if zeros > MOST_ZEROS:
            raise UnsafeArchiveError(
                f"goes on for more than {MOST_ZEROS} bytes after its last file; do not use it."
            )
    if zeros < tarfile.BLOCKSIZE:
        raise EOFError(f"its entries end at byte {tar.offset} without the mark of an end")
