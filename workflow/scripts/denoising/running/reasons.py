"""Errors of libraries: as clauses of a sentence, and which are not the fault of a file."""

import errno
import re

LONGEST_REASON = 200  # characters
# Python's words in messages, and what stands for them
PLAIN = {
    r"<class '([\w.]+)'>": r"\1",
    r"(?<!['\"\w])b(['\"])": r"\1",  # bytes
    r"\\x[0-9a-f]{2}": "",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a quota, or a file
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# Messages of a GPU's libraries that its memory is used up, not those about missing or wrong
# libraries. `Dst tensor is not initialized`: a copy to the GPU for which there was no room
EXHAUSTED = re.compile(
    "out[ _]of[ _]memory|failed to allocate|_ALLOC_FAILED|RESOURCE_EXHAUSTED"
    "|Dst tensor is not initialized",
    re.IGNORECASE,
)
NOT_THE_FILES_FAULT = (*FULL, *FORBIDDEN, errno.EIO, errno.EMFILE, errno.ENFILE)


def is_not_the_files_fault(error: Exception) -> bool:
    """Whether a file could not be read for want of memory, permission, room or a sound disk."""
    number = getattr(error, "errno", None)
    return isinstance(error, MemoryError) or number in NOT_THE_FILES_FAULT


def reason(error: Exception) -> str:
    """An error's message as a clause: printable, not too long, without Python's words."""
    text = " ".join(str(error).split()) or type(error).__name__
    for pattern, plain in PLAIN.items():
        text = re.sub(pattern, plain, text)
    text = "".join(letter for letter in text if letter.isprintable())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."
