"""What is said before a finished model is trained again.

Snakemake itself says it, before the first job: nothing here needs a package that Snakemake lacks.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from denoising.study.models import LENGTH

# Of a file that is missing or damaged: the jobs say so
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError)


def announcement(
    folder: Path, settings: Mapping[str, Any], reason: str, start: Sequence[str] = ()
) -> str:
    """One sentence: which model is trained again, for how long, if that is known, and why.

    Parameters
    ----------
    folder : Path
        The finished model's, with training.json and history.csv.
    settings : mapping
        Those of the training to come.
    reason : str
        Why, if it is not for the settings.
    start : sequence of str
        Checksums of the network made elsewhere that it starts from, if it does.
    """
    try:
        record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        trained = dict(record.get("settings", {}))
    except UNREADABLE:
        record, trained = {}, {}
    if start and list(start) != record.get("start_sha256"):
        reason = "the network that it starts from changed"
    changed = [
        f"{name} {trained.get(name)} -> {value}"
        for name, value in settings.items()
        if trained and trained.get(name) != value
    ]
    if changed:
        reason = f"settings changed: {', '.join(changed)}"
    return (
        f"{folder.name} will be trained again,{_duration(folder, trained, settings)} because "
        f"{reason}; the finished model stays in {folder} until then."
    )


def _duration(folder: Path, trained: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """For how long, if each patch takes as long as it did; nothing if that is not known, as of a
    network made elsewhere.
    """
    try:
        with (folder / "history.csv").open(newline="") as file:
            seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
        if trained:
            before, now = (math.prod(s[name] for name in LENGTH) for s in (trained, settings))
            seconds *= now / before
    except UNREADABLE:
        return ""
    return f" for about {timedelta(seconds=max(1, round(seconds)))} (h:mm:ss)," if seconds else ""


def cause(is_forced: bool, has_new_data: bool) -> str:
    """Why a model is trained again whose settings are the same."""
    if is_forced:
        return "it was asked for"
    new_data = "its patches, their split, or the model that it starts from changed"
    return new_data if has_new_data else "the code behind it changed"
