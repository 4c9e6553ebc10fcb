"""Whether a study that was run again has the same tables, and what differs between the two runs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-5
# Their columns hold measured times, which no run repeats
TIMES = {"runtimes", "runtime_lines", "restoration_runtimes"}


@dataclass(frozen=True)
class Comparison:
    """A table of two runs: its name, a sentence, and whether its numbers are the same."""

    name: str
    sentence: str
    is_same: bool


def compare_tables(first: Path, second: Path) -> list[Comparison]:
    """Compare `scores.csv` and every table of two folders of results.

    Numbers are the same if they differ by at most 1e-5 times the larger of 1 and their size.
    Tables of measured times count as the same if they have the same rows and columns.
    """
    names = {
        str(path.relative_to(folder))
        for folder in (first, second)
        for path in [folder / "scores.csv", *folder.glob("tables/*.csv")]
    }
    return [_compare(name, first / name, second / name) for name in sorted(names)]


def _compare(name: str, first: Path, second: Path) -> Comparison:
    missing = [path for path in (first, second) if not path.is_file()]
    if missing:
        return Comparison(name, f"{missing[0]} is missing", False)
    if first.read_bytes() == second.read_bytes():
        return Comparison(name, "same to the bit", True)
    before, after = (
        pd.read_csv(path, dtype=str, keep_default_na=False) for path in (first, second)
    )
    if list(before) != list(after) or len(before) != len(after):
        shapes = [f"{len(table)} rows of {', '.join(table)}" for table in (before, after)]
        return Comparison(name, f"differs: {shapes[0]}; now {shapes[1]}", False)
    if Path(name).stem in TIMES:
        return Comparison(name, "holds measured times, which differ from run to run", True)
    differing = dict(_differences(before, after))
    if not differing:
        return Comparison(name, f"same within {TOLERANCE:g}", True)
    return Comparison(name, "differs: " + "; ".join(differing.values()), False)


def _differences(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Columns that differ by more than the tolerance, with a phrase on each."""
    for column in before:
        is_other = (before[column] != after[column]).to_numpy()
        pairs = before.loc[is_other, column], after.loc[is_other, column]
        numbers = [pd.to_numeric(texts, errors="coerce").to_numpy(float) for texts in pairs]
        if np.isnan(numbers).any():
            old, new = (texts.iloc[0] for texts in pairs)
            phrase = f"{is_other.sum()} of {len(before)} rows, first {old!r}, now {new!r}"
            yield column, f"{column} in {phrase}"
            continue
        distance = np.abs(numbers[0] - numbers[1])
        if (distance > TOLERANCE * np.maximum(1, np.abs(numbers[0]))).any():
            row = np.flatnonzero(is_other)[distance.argmax()] + 2
            yield column, f"{column} by up to {distance.max():.3g} (line {row})"


def compare_runs(first: Path, second: Path) -> list[str]:
    """What differs between the records of two runs and may be to blame, a phrase each: code,
    Python, platform, processor, packages, inputs, seeds and the devices of trainings.
    """
    before, after = (_record(folder) for folder in (first, second))
    return [
        f"{name}: {before.get(name, 'not recorded')}, now {after.get(name, 'not recorded')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _record(results: Path) -> Mapping[str, Any]:
    """What provenance.json and the models say of a run, flat."""
    record = json.loads((results / "provenance.json").read_text(encoding="utf-8"))
    names = ("commit", "uncommitted_changes", "python", "platform", "processor")
    flat = {name.replace("_", " "): record[name] for name in names if name in record}
    flat |= {name: one["installed_here"] for name, one in record["packages"].items()}
    for name, entry in record["inputs"].items():
        files = {file: one["sha256"] for file, one in entry.get("files", {}).items()}
        flat[f"input {name}"] = entry.get("sha256") or sorted(files.values())
    flat |= {f"seed of {name}": seed for name, seed in record["seeds"].items()}
    for path in sorted(results.glob("models/*/training.json")):
        training = json.loads(path.read_text(encoding="utf-8"))
        flat[f"device of {path.parent.name}"] = training.get("device")
    return flat
