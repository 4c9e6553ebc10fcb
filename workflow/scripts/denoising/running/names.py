"""Sets of names as regular expressions."""

import re
from collections.abc import Iterable


def one_of(names: Iterable[str]) -> str:
    """Regular expression that matches each of `names` whole and nothing else.

    Common beginnings and equal endings of names stand in it once: a thousand names of a few
    patterns take a few hundred characters. This saves time, as Snakemake reads the expression again
    for every file.

    Parameters
    ----------
    names : iterable of str
        In any order; a name may be the beginning of another.

    Returns
    -------
    str
        Other expressions may stand before and after it. Without names it matches nothing.
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
