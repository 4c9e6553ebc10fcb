"""Files that earlier jobs made, held against what is recorded of them before a job uses them.

Tables must be whole, JSON and arrays readable. Where a JSON file beside a file has its SHA-256, the
two must agree: patches.json has those of the patches, training.json those of a model's files, and
the record of an archive that of the archive. Nothing here needs a package that Snakemake lacks.
"""

import ast
import csv
import io
import json
import math
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from denoising.running.checksums import sha256_of
from denoising.running.names import remedy_of_damage

# The name of a file, the file beside it with its checksum, and the name of the checksum there
RECORDED = {
    "X.npy": ("patches.json", "X"),
    "Y.npy": ("patches.json", "Y"),
    "config.json": ("training.json", "config.json"),
    "weights_best.h5": ("training.json", "weights_best.h5"),
    "history.csv": ("training.json", "history.csv"),
}
ARCHIVE = ".tar.gz"
TABLES = ("volumes.csv", "nuclei.csv")  # in a folder of volumes


def refuse_damaged(paths: Iterable[str | Path]) -> None:
    """Refuse files and folders of volumes that are not as the job that made them left them.

    Raises
    ------
    ValueError
        With a line for each, which says what is wrong and what to do.
    """
    lines = []
    for path in dict.fromkeys(map(Path, paths)):
        files = [path / name for name in TABLES] if path.is_dir() else [path]
        for file in files:
            damage = damage_of(file) if file.is_file() else ""
            if damage:
                lines.append(f"{file}: {damage}; {remedy_of_damage(path)}.")
    if lines:
        raise ValueError("\n".join(lines))


def damage_of(path: Path) -> str:
    """What is wrong with a file, in words; empty if nothing is seen to be wrong."""
    if path.stat().st_size == 0 and path.suffix != ".txt":
        return "is empty (0 bytes)"
    looks = {".csv": _in_table, ".json": _in_json, ".npy": _in_array}
    damage = looks[path.suffix](path) if path.suffix in looks else ""
    return damage or _in_checksum(path)


def _in_table(path: Path) -> str:
    """A table whose last line has no end, or whose lines differ in their number of fields."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        return f"is damaged at byte {error.start}, which is no text"
    if not text.endswith("\n"):
        return f"is cut short: its last line {text[text.rfind(chr(10)) + 1 :][:40]!r} has no end"
    rows = list(csv.reader(io.StringIO(text, newline="")))
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            return f"is damaged: line {number} has {len(row)} fields, expected {len(rows[0])}"
    return ""


def _in_json(path: Path) -> str:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no UTF-8, or no JSON
        return f"is damaged, no JSON ({error})"
    return ""


def _in_array(path: Path) -> str:
    """An array of numpy whose header or length is wrong."""
    with path.open("rb") as file:
        start = file.read(10)
        if not start.startswith(b"\x93NUMPY\x01") or len(start) < 10:
            return f"is damaged: it begins with {start[:6]!r}, expected a numpy array"
        (length,) = struct.unpack("<H", start[8:])
        text = file.read(length).decode("latin1")
    try:
        header = ast.literal_eval(text.strip())
        itemsize = int(re.sub(r"\D", "", header["descr"]))
        expected = 10 + length + itemsize * math.prod(header["shape"])
    except (SyntaxError, ValueError, KeyError, TypeError):
        return f"is damaged: its header is {text[:60]!r}"
    size = path.stat().st_size
    return "" if size == expected else f"is cut short, with {size} of {expected} bytes"


def _in_checksum(path: Path) -> str:
    """A file whose SHA-256 is not the one that is recorded beside it, if one is."""
    record, name = RECORDED.get(path.name, ("", ""))
    if path.name.endswith(ARCHIVE):
        record = path.name.removesuffix(ARCHIVE) + ".json"
    beside = path.parent / record
    if not record or not beside.is_file():
        return ""
    recorded = _record_in(beside).get("sha256")
    expected = recorded.get(name) if isinstance(recorded, dict) else recorded
    if not expected or sha256_of(path) == expected:
        return ""
    return f"is not the file that {beside} describes (its SHA-256 differs)"


def _record_in(path: Path) -> dict[str, Any]:
    """What a JSON file records; nothing if it is damaged, for which it is refused itself."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
