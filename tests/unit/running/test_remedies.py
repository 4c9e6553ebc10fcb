"""An error whose own words name no remedy gets one, and no other does."""

import errno
import re

import pytest

from denoising.running.remedies import with_remedy


class UnusableImageError(ValueError):
    """As that of `denoising.images.formats`."""


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"the disk of /.* has \d+ MB free"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "free some, or run on a larger disk by"),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "change the permissions"),
        (OSError(errno.EROFS, "Read-only file system", "a.csv"), "folder of your own by --dir"),
        (MemoryError(), "start fewer jobs at a time by --cores"),
        (FileNotFoundError(2, "No such file", "made/a.tif"), "job made made: delete it and"),
        (UnusableImageError("made/a.tif: is cut short; copy it again."), "made: delete it and"),
    ],
)
def test_what_to_do_is_said(error, remedy):
    sentence = with_remedy(error, str(error), ["made"])
    assert sentence.startswith(str(error))
    assert re.search(remedy, sentence)


@pytest.mark.parametrize(
    ("error", "made"),
    [
        (ValueError("made/a.tif: is constant; leave it out."), ["made"]),
        (FileNotFoundError(2, "No such file", "raw/a.tif"), ["made"]),
        (UnusableImageError("raw/a.tif: is cut short; copy it again."), []),
    ],
)
def test_other_errors_are_left_as_they_are(error, made):
    assert with_remedy(error, str(error), made) == str(error)
