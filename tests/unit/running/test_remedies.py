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
        (OSError(errno.EMFILE, "Too many open files"), "raise the limit by `ulimit -n"),
        (MemoryError(), "start fewer jobs at a time by --cores"),
        (FileNotFoundError(2, "No such file", "made/a.tif"), "job made it: delete made and"),
        (
            UnusableImageError("made/a.tif: is cut short; copy it again."),
            "made it: delete made and",
        ),
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
        (UnusableImageError("made-by-us/a.tif: is cut short; copy it again."), ["made"]),
        (MemoryError("raw/a.tif: takes more memory than there is; give the job more."), ["made"]),
    ],
)
def test_other_errors_are_left_as_they_are(error, made):
    assert with_remedy(error, str(error), made) == str(error)


def test_the_longest_of_two_names_is_the_one_that_is_meant():
    error = FileNotFoundError(2, "No such file", "made/2/a.tif")
    assert with_remedy(error, str(error), ["made", "made/2"]).endswith(
        " An earlier job made it: delete made/2 and run the same command, which makes it again."
    )


def test_the_disk_that_is_full_is_named_where_the_error_tells_it(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "new" / "a.tif"))
    assert f"the disk of {tmp_path} has" in with_remedy(error, str(error), [])


class InternalError(Exception):
    """As that of TensorFlow."""


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("CUDA_ERROR_OUT_OF_MEMORY: out of memory", "the memory is used up"),
        ("/device:GPU:0: Dst tensor is not initialized.", "the memory is used up"),
        ("CUDA_ERROR_DEVICE_UNAVAILABLE: busy", "the GPU fails or is gone"),
    ],
)
def test_a_gpu_without_memory_is_not_one_that_fails(message, remedy):
    assert remedy in with_remedy(InternalError(message), message, [])
