"""Checksums of files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_list(checksums: Mapping[str, str]) -> str:
    """SHA-256 of a list of files: a line `checksum  name` per file, sorted by name, as `sha256sum`
    writes it.
    """
    lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256_of_image(path: Path) -> str:
    """SHA-256 of a file; of a folder, such as an OME-Zarr group, that of the list of its files."""
    if path.is_file():
        return sha256_of(path)
    return sha256_of_list({str(f.relative_to(path)): sha256_of(f) for f in files_of_image(path)})


def files_of_network(folder: Path) -> list[Path]:
    """The files of a csbdeep model folder that define the network: config.json and the weights."""
    return [folder / "config.json", *sorted(folder.glob("*.h5"))]


def files_of_image(path: Path) -> list[Path]:
    """The file itself, or all files in the folder."""
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
