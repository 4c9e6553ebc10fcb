"""What a file is by its first bytes, for files that are neither TIFF nor OME-Zarr."""

from pathlib import Path

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
OTHERS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"ZISRAWFILE": "Zeiss CZI",
    b"\xda\xce\xbe\x0a": "Nikon ND2",
    b"\x70\0\0\0": "Leica LIF",
    b"\xd0\xcf\x11\xe0": "Olympus OIB or Zeiss ZVI",
    b"\x89HDF": "HDF5",
    b"\x93NUMPY": "numpy",
    b"PK\x03\x04": "zip or npz",
    b"\x1f\x8b": "gzip",
    b"RIFF": "AVI",
    b"SIMPLE  =": "FITS",
    b"NRRD": "NRRD",
    b"%PDF": "PDF",
}


def other_format(path: Path) -> str | None:
    """The format of a file by its first bytes, if it is known here and cannot be read."""
    with path.open("rb") as file:
        start = file.read(16)
    return next((name for magic, name in OTHERS.items() if start.startswith(magic)), None)


class UnusableImageError(ValueError):
    """An image that cannot be used. The message has the file, what is wrong, and what to do."""


def check_is_tiff(path: Path) -> None:
    """Refuse an empty file and a file of another format, by its name.

    Raises
    ------
    UnusableImageError
    """
    with path.open("rb") as file:
        start = file.read(16)
    if not start.strip(b"\0"):
        what = "begins with zeros" if start else "is empty (0 bytes)"
        raise UnusableImageError(f"{path}: {what}; copy or export it again.")
    if start.startswith(TIFF):
        return
    if name := other_format(path):
        raise UnusableImageError(
            f"{path}: is a {name} file, expected TIFF or OME-Zarr; open it in Fiji, and save it"
            " with File > Save As > Tiff."
        )
