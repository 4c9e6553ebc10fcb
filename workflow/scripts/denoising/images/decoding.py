"""Errors of the libraries that decode images, as sentences that name the file."""

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from denoising.images.formats import UnusableImageError
from denoising.images.slabs import NoRoomError

LONGEST_REASON = 200  # characters
# Python's words in messages, and what stands for them
PLAIN = {
    r"<class '([\w.]+)'>": r"\1",
    r"(?<!['\"\w])b(['\"])": r"\1",  # bytes
    r"\\x[0-9a-f]{2}": "",
}
NOT_THE_FILES_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@contextlib.contextmanager
def decoding(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Make one sentence of whatever error a library raises for the file at `path`.

    Libraries raise errors of many kinds for files that are damaged, cut short or made to do harm.
    Errors that are not the file's fault pass.

    Parameters
    ----------
    path : Path
    kind : str
        Such as "TIFF file".
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
    except (UnusableImageError, FileNotFoundError, PermissionError):
        raise
    except MemoryError:
        raise MemoryError(
            f"{path}: takes more memory to decode than there is; give the job more (mem_mb), or"
            " save it again uncompressed."
        ) from None
    except NoRoomError as error:
        raise NoRoomError(f"{path}: {error}") from None
    except Exception as error:
        if getattr(error, "errno", None) in NOT_THE_FILES_FAULT:
            raise
        raise UnusableImageError(
            f"{path}: not a readable {kind} ({reason(error)}); {remedy}."
        ) from None


def reason(error: Exception) -> str:
    """An error's message as a clause: printable, not too long, without Python's words."""
    text = " ".join(str(error).split()) or type(error).__name__
    for pattern, plain in PLAIN.items():
        text = re.sub(pattern, plain, text)
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."
