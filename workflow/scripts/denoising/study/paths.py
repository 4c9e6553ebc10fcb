"""Paths that a config holds."""

import os
import re

from denoising.study.errors import StudyError


def expanded(path: str) -> str:
    """The path with the home folder for `~`, and with environment variables for `$NAME`.

    A variable that is not set stays as it is: a file's name may have a $.
    """
    return os.path.expandvars(os.path.expanduser(path))


def wildcard(path: str) -> str | None:
    """The first part of the path that Snakemake takes for a wildcard, such as {x}, or for a name
    that stands for a path, such as <x>; None if there is none.

    Snakemake knows no way to write such a path.
    """
    found = re.search(r"\{\s*[.\w]+\s*(,[^{}]*)?\}|<[a-z][a-z0-9_]*>", path)
    return found.group() if found else None


def check_no_wildcard(key: str, path: str) -> None:
    """Refuse a path, which the key of the config holds, if Snakemake would take it for another."""
    if part := wildcard(path):
        raise StudyError(
            f"{key} has {part}, which Snakemake takes for a wildcard; rename it without braces or"
            " <>."
        )
