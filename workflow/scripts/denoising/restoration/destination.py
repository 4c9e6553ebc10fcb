"""Where restored volumes are written, and how their files are stored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoising.images.files import Storage, write
from denoising.images.headers import Header, Normalisation


@dataclass(frozen=True)
class Destination:
    """A folder of restored volumes.

    `settings` are format, dtype and compression, as the config's `restoration` has them. `threads`
    is the number of threads that compress.
    """

    folder: Path
    settings: dict
    threads: int = 1

    def write(
        self,
        name: Path,
        volume: np.ndarray,
        axes: str,
        source: Header,
        normalisation: Normalisation | None = None,
    ) -> None:
        """Write a volume under its TIFF name within the folder, in the units of its input.

        `source` is the header of the image that was restored: it gives the size of a voxel, the
        dtype that `input` in the settings stands for, and the normalisation if that is not given.
        """
        storage = Storage.of(self.settings, source.dtype, self.threads)
        normalisation = normalisation or source.normalisation
        write(self.folder / name, volume, axes, source.voxel_size, storage, normalisation)
