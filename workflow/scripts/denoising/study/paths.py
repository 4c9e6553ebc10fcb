"""Paths that a config holds."""

import os
import re


def expanded(path: str) -> str:
    """The path with the home folder for `~`, and with environment variables for `$NAME`.

    A variable that is not set stays as it is: a file's name may have a $.
    """
    return os.path.expandvars(os.path.expanduser(path))


def wildcard(path: str) -> str | None:
    """The first part of the path that Snakemake takes for a wildcard, such as {x}; None if none.

    Snakemake knows no way to write such a path.
    """
    found = re.search(r"\{\s*[.\w]+\s*(,[^{}]*)?\}", path)
    return found.group() if found else None
