"""Checksums of files."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_image(path: Path) -> str:
    """SHA-256 of a file; of a folder, such as an OME-Zarr group, that of the list of its files.

    The list has a line `checksum  name` per file, sorted by name, as `sha256sum` writes it.
    """
    if path.is_file():
        return sha256_of(path)
    files = sorted(
        (str(file.relative_to(path)), file) for file in path.rglob("*") if file.is_file()
    )
    listed = "".join(f"{sha256_of(file)}  {name}\n" for name, file in files)
    return hashlib.sha256(listed.encode()).hexdigest()
