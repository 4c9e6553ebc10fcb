"""Errors of the libraries that decode images, as sentences that name the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from denoising.images.formats import UnusableImageError
from denoising.images.slabs import NoRoomError
from denoising.running.reasons import is_not_the_files_fault, reason


@contextlib.contextmanager
def decoding(path: Path, fault: str, remedy: str) -> Iterator[None]:
    """Make one sentence of whatever error a library raises for the file at `path`.

    Libraries raise errors of many kinds for files that are damaged, cut short or made to do harm.
    Errors that are not the file's fault pass.

    Parameters
    ----------
    path : Path
    fault : str
        Such as "not a readable TIFF file".
    remedy : str

    Raises
    ------
    UnusableImageError
        If the file cannot be decoded.
    MemoryError, NoRoomError
        If there is no room to decode it, in memory or on the disk.
    """
    try:
        yield
    except (UnusableImageError, FileNotFoundError):
        raise
    except MemoryError:
        raise MemoryError(
            f"{path}: takes more memory to decode than there is; give the job more (mem_mb), or"
            " save it again uncompressed."
        ) from None
    except NoRoomError as error:
        raise NoRoomError(f"{path}: {error}") from None
    except Exception as error:
        if is_not_the_files_fault(error):
            raise
        raise UnusableImageError(f"{path}: {fault} ({reason(error)}); {remedy}.") from None
