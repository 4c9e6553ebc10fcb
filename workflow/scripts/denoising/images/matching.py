"""Which low-SNR file belongs to which high-SNR file.

Snakemake itself matches them, to know the inputs of `import_pairs`: nothing here needs a package
that Snakemake lacks.
"""

import glob
import os
import re
from pathlib import Path


def match_pairs(low: str, high: str) -> list[tuple[str, Path, Path]]:
    """Pair the files of two glob patterns by what their wildcards match.

    `low` "raw/*_noisy.tif" and `high` "clean/*_gt.tif" pair raw/fish_noisy.tif with
    clean/fish_gt.tif under the name "fish".

    Returns
    -------
    list of (name, low file, high file), sorted by name

    Raises
    ------
    ValueError
        If a pattern matches nothing, or a file has no partner: all of them are named.
    """
    lows = _by_wildcards(low)
    highs = _by_wildcards(high)
    for key, pattern, files in (("low", low, lows), ("high", high, highs)):
        if not files:
            raise ValueError(
                f"pairs.{key}: {pattern} matches no file; correct the pattern (paths start at the"
                " working directory)."
            )
    if set(lows.values()) & set(highs.values()):
        raise ValueError(
            f"pairs: {low} and {high} match the same files, expected low-SNR and high-SNR images"
            " apart."
        )
    alone = sorted(set(lows) ^ set(highs))
    if alone:
        listed = ", ".join(
            f"{_name(key)} (only in {'low' if key in lows else 'high'})" for key in alone
        )
        raise ValueError(
            f"pairs: {low} and {high} do not pair up: {listed}; what * matches must be the same in"
            " both names."
        )
    names = [_name(key) for key in sorted(lows)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"pairs: several files of {low} would be called {', '.join(sorted(twice))}; rename"
            " them."
        )
    return [(_name(key), lows[key], highs[key]) for key in sorted(lows)]


def _name(key: tuple[str, ...]) -> str:
    """A volume's name: what the wildcards matched, joined."""
    return "-".join(key).replace("/", "-") or "image"


def _by_wildcards(pattern: str) -> dict[tuple[str, ...], Path]:
    pattern = os.path.normpath(pattern)
    parts = ("(.*)" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern))
    regex = re.compile("".join(parts))
    names = sorted(glob.glob(pattern.replace("[", "[[]").replace("?", "[?]")))
    matches = ((regex.fullmatch(name), name) for name in names)
    return {match.groups(): Path(name) for match, name in matches if match}
