"""Which low-SNR file belongs to which high-SNR file.

Snakemake itself matches them, to know the inputs of `import_pairs`: nothing here needs a package
that Snakemake lacks.

An accented letter may be one character of Unicode or two. macOS, Windows and their programs differ
in that, so that names are compared, and given to volumes, in the composed form (NFC).
"""

import glob
import os
import re
import unicodedata
from pathlib import Path

from denoising.study.paths import wildcard

LONGEST_NAME = 200  # bytes of a volume's name; files get some more behind it, and may have 255


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
        If a pattern matches nothing; or naming all files that have no partner, or whose names
        cannot be those of volumes.
    """
    lows = _by_wildcards(low)
    highs = _by_wildcards(high)
    for key, pattern, files in (("low", low, lows), ("high", high, highs)):
        if not files:
            variables = ", ".join(re.findall(r"\$\w+|\$\{\w+\}", pattern))
            unset = f", and the variable {variables} is not set" if variables else ""
            raise ValueError(
                f"pairs.{key}: {pattern} matches no file{unset}; correct the pattern (paths start"
                " at the working directory)."
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
    _check_braces([*lows.values(), *highs.values()])
    _check_names(low, [_name(key) for key in sorted(lows)])
    return [(_name(key), lows[key], highs[key]) for key in sorted(lows)]


def _check_braces(paths: list[Path]) -> None:
    taken = [path for path in paths if wildcard(str(path))]
    if taken:
        raise ValueError(
            f"pairs: Snakemake takes {wildcard(str(taken[0]))} in a path for a wildcard; rename"
            f" without braces or <>: {', '.join(map(str, taken))}."
        )


def _check_names(pattern: str, names: list[str]) -> None:
    """Refuse names of volumes that stand for several files, or cannot be those of files."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"pairs: several files of {pattern} would be called {', '.join(twice)}; rename them."
        )
    # Control characters, and bytes that are no UTF-8
    odd = [name for name in names if {"Cc", "Cs"} & set(map(unicodedata.category, name))]
    if odd:
        raise ValueError(
            f"pairs: what * matches in {pattern} has control characters or is no UTF-8:"
            f" {', '.join(map(ascii, odd))}; rename the files."
        )
    long = [name for name in names if len(name.encode()) > LONGEST_NAME]
    if long:
        raise ValueError(
            f"pairs: what * matches in {pattern} is too long for the name of a volume, expected at"
            f" most {LONGEST_NAME} bytes: {', '.join(long)}; rename the files."
        )


def _name(key: tuple[str, ...]) -> str:
    """A volume's name: what the wildcards matched, joined."""
    return "-".join(key).replace("/", "-") or "image"


def _by_wildcards(pattern: str) -> dict[tuple[str, ...], Path]:
    pattern = _composed(os.path.normpath(pattern))
    parts = ("(.*)" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern))
    regex = re.compile("".join(parts), re.DOTALL)
    files: dict[tuple[str, ...], list[str]] = {}
    for name in _glob(pattern):
        match = regex.fullmatch(_composed(name))
        if match:
            files.setdefault(match.groups(), []).append(name)
    alike = [name for names in files.values() if len(names) > 1 for name in names]
    if alike:
        raise ValueError(
            f"pairs: {', '.join(map(ascii, alike))} have the same name, but for how Unicode writes"
            " its letters; rename or delete one."
        )
    return {key: Path(name) for key, (name,) in files.items()}


def _glob(pattern: str) -> list[str]:
    """The names that a pattern matches, however Unicode writes their letters."""
    names: set[str] = set()
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, pattern)
        names.update(glob.glob(written.replace("[", "[[]").replace("?", "[?]")))
    return sorted(names)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
