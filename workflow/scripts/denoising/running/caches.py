"""A folder of this user that outlives a study, for what is found out once for each machine or card.

It is $DENOISING_CACHE, or else `denoising` in $XDG_CACHE_HOME (~/.cache).
"""

import os
from pathlib import Path

# CUDA's own default was 256 MB for long: less than TensorFlow's kernels take
CUDA_CACHE_BYTES = 4 * 2**30


def cache_folder() -> Path:
    """The folder, which may not be there yet."""
    if own := os.environ.get("DENOISING_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "denoising"


def keep_compiled_kernels() -> Path:
    """Have CUDA keep what it compiles in a folder that lasts, unless the user has named another.

    Call it before CUDA is started.
    """
    os.environ.setdefault("CUDA_CACHE_PATH", str(cache_folder() / "cuda"))
    os.environ.setdefault("CUDA_CACHE_MAXSIZE", str(CUDA_CACHE_BYTES))
    return Path(os.environ["CUDA_CACHE_PATH"])
