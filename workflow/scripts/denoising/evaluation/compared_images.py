"""The images that a measure compares, opened from their files, which its errors name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from denoising.images.volumes import Pair, open_volume


@contextmanager
def compared_images(
    pair: Pair, restored: Path | None, scratch: Path | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The ground truth of a pair, and the image that is compared with it.

    Parameters
    ----------
    pair : Pair
        A low-SNR volume and its ground truth.
    restored : Path or None
        Folder of restorations, {condition}/{volume}.tif; None takes the input.
    scratch : Path, optional
        Folder for files that must be decoded, see `open_volume`.
    """
    path = pair.image if restored is None else restored / pair.restored_name
    truth, image = (open_volume(file, pair.axes, scratch) for file in (pair.truth, path))
    with errors_naming(pair, path):
        yield truth, image


@contextmanager
def errors_naming(pair: Pair, *paths: Path) -> Iterator[None]:
    """Let a ValueError name the compared files: these, and the ground truth of the pair."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{', '.join(map(str, paths))} against {pair.truth}: {error}") from None
