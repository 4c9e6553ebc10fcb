"""Names, in regular expressions and in sentences."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def any_of(names: Iterable[str]) -> str:
    """A regular expression that matches each of `names` and, between separators, nothing else.

    It matches nothing where there are no names.
    """
    longest_first = sorted(set(names), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})" if longest_first else "(?!)"


def first_of(names: Sequence[str], most: int) -> str:
    """The names, or the first of them and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def remedy_of_damage(path: str | Path) -> str:
    """What to do about a file or folder of an earlier job that cannot be used."""
    return f"delete {path} and run the same command, which makes it again"


def shortened(text: str, most: int) -> str:
    """The text on one line, with a ? for each character that cannot be printed."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text[: most + 1])
    return line if len(text) <= most else f"{line[:most]} ..."
