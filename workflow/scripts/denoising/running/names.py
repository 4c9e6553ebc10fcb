"""Sets of names as regular expressions."""

import re
from collections.abc import Iterable


def one_of(names: Iterable[str]) -> str:
    """A regular expression that matches each of `names` whole and nothing else; none at all where
    there are none.

    What names begin with in common stands there once, and so do equal endings of what may follow: a
    thousand names of a few patterns take a few hundred characters, which is time where an
    expression is read again for every file.

    Parameters
    ----------
    names : iterable of str
        In any order; a name may be the beginning of another.

    Returns
    -------
    str
        Complete in itself: other expressions may stand before and after it.
    """
    endings: dict[str, set[str]] = {}
    for name in names:
        endings.setdefault(name[:1], set()).add(name[1:])
    beginnings: dict[str, list[str]] = {}
    for first, rest in sorted(endings.items()):
        beginnings.setdefault(one_of(rest) if first else "", []).append(re.escape(first))
    return _either([_either(firsts) + rest for rest, firsts in beginnings.items()])


def _either(expressions: list[str]) -> str:
    if not expressions:
        return "(?!)"
    return expressions[0] if len(expressions) == 1 else f"(?:{'|'.join(expressions)})"
