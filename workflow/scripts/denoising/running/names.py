"""Sets of names as regular expressions."""

import re
from collections.abc import Iterable


def any_of(names: Iterable[str]) -> str:
    """A regular expression that matches each of `names` and, between separators, nothing else.

    It matches nothing where there are no names.
    """
    longest_first = sorted(set(names), key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})" if longest_first else "(?!)"
