"""Files that are written whole or not at all.

A file is written under the name of a neighbour, NAME.partial, and gets its own name when it is
whole. However a job ends, no later job reads half a file.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A name to write a file under, which becomes `path` if the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | Path, record: Any) -> None:
    """Write a record as JSON, with a line per entry."""
    write_whole(path, json.dumps(record, indent=2) + "\n")
