"""What a file of images holds, byte for byte: its size and checksum.

The checksum of an OME-Zarr group is that of the list of its files, one line `checksum  name` per
file, sorted by name, as `sha256sum` writes it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from denoising.running.checksums import sha256_of


@dataclass(frozen=True)
class Content:
    """Bytes and SHA-256 of a file, or of all files of a group."""

    bytes: int
    sha256: str


def content_of(path: Path) -> Content:
    """The content of a file or an OME-Zarr group."""
    if path.is_file():
        return Content(path.stat().st_size, sha256_of(path))
    files = {
        str(file.relative_to(path)): file for file in sorted(path.rglob("*")) if file.is_file()
    }
    size = sum(file.stat().st_size for file in files.values())
    return Content(size, together({name: sha256_of(file) for name, file in files.items()}))


def together(checksums: Mapping[str, str]) -> str:
    """One checksum of many files, by name."""
    lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
    return hashlib.sha256(lines.encode()).hexdigest()
