"""Remedies for errors whose own words name none: a full disk, too little memory, a GPU that fails,
a path that cannot be used, a damaged file of an earlier job.
"""

import errno
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from denoising.running.names import first_of, remedy_of_damage
from denoising.running.reasons import EXHAUSTED, FORBIDDEN, FULL

# By name, because this module imports neither TensorFlow nor the folders above its own
OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
OF_TENSORFLOW = (
    "InternalError", "UnavailableError", "AbortedError", "UnknownError", "FailedPreconditionError",
)  # fmt: skip
# Errors that this workflow raises itself, in sentences for its user; others keep their names
IN_SENTENCES = (ValueError, RuntimeError, OSError, EOFError, FloatingPointError, MemoryError)
MOST = 8  # paths in a sentence
DAMAGED = ("FileNotFoundError", "UnusableImageError")


def with_remedy(error: Exception, sentence: str, made_before: Sequence[str]) -> str:
    """The sentence on an error, and what to do, where the sentence does not say it.

    Parameters
    ----------
    error : Exception
    sentence : str
    made_before : sequence of str
        Files and folders that earlier jobs made.
    """
    kind = type(error).__name__
    number = getattr(error, "errno", None)
    if number in FULL:
        return f"{sentence}: {_full_disk(error)}"
    if number in FORBIDDEN:
        return (
            f"{sentence}: this user may not read or write there; change the permissions, or run in"
            " a folder of your own by --directory."
        )
    if type(error) is MemoryError and error.args:  # this workflow's own sentence
        return sentence
    if number == errno.EMFILE:
        return f"{sentence}: raise the limit by `ulimit -n 4096`, and run the same command."
    if kind in OUT_OF_MEMORY or (kind in OF_TENSORFLOW and EXHAUSTED.search(sentence)):
        return (
            f"{sentence.rstrip()}: the memory is used up; start fewer jobs at a time by --cores, or"
            " set a smaller training.batch_size or restoration.max_tile_voxels."
        )
    if kind in OF_TENSORFLOW and re.search("CUDA|cuDNN|GPU", sentence):
        return (
            f"{sentence.rstrip()}: the GPU fails or is gone; see nvidia-smi, and run the same"
            " command: a training goes on from its last checkpoint."
        )
    longest_first = sorted(made_before, key=len, reverse=True)
    damaged = next((path for path in longest_first if _names(sentence, path)), None)
    if damaged and kind in DAMAGED:
        return f"{sentence.rstrip()} An earlier job made it: {remedy_of_damage(damaged)}."
    if made_before and not isinstance(error, IN_SENTENCES):
        return (
            f"{sentence.rstrip()}. If a file that an earlier job made was edited or damaged,"
            f" {remedy_of_damage('it')}: {first_of(made_before, MOST)}."
        )
    return sentence


def _names(sentence: str, path: str) -> bool:
    """Whether a sentence names a path or a file in it, and not one whose name is only longer."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(path)}(?![\w-]|\.\w)", sentence))


def _full_disk(error: Exception) -> str:
    named = getattr(error, "filename", None)
    path = Path(named if isinstance(named, str) else ".").absolute()
    here = next(folder for folder in (path, *path.parents) if folder.is_dir())
    free = shutil.disk_usage(here).free / 1e6
    return (
        f"the disk of {here} has {free:.0f} MB free (or a quota is used up); free some, or run on a"
        " larger disk by --directory."
    )
