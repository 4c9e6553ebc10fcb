"""Tables as files: plain numbers in CSV, and the same for a reader in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from denoising.running.outputs import write_whole

HEADINGS = {
    "steps_per_epoch": "steps per epoch",
    "seconds": "time",
    "hours": "time",
    "seconds_per_epoch": "time per epoch",
    "seconds_per_step": "time per step",
    "overhead_seconds": "overhead per epoch",
    "paper_hours": "paper's time",
    "seconds_per_million_voxels": "time per million voxels",
    "strength": "tuned strength",
    "unit": "unit of strength",
    "samples": "patches seen",
    "samples_per_second": "patches per second",
    "teraflop": "arithmetic (TFLOP)",
    "teraflop_per_second": "TFLOP per second",
    "recorded": "epochs recorded",
    "best_val_loss": "best validation loss",
    "final_val_loss": "final validation loss",
    "loss_fall": "fall of training loss",
    "equal_sd": "sd between equal trainings",
    "equal_trainings": "number of equal trainings",
    "reach": "reach of chance",
    "matmul_share": "share of matmul rate",
    "host_memory_mb": "host memory (MB)",
    "device_memory_mb": "device memory (MB)",
    "gpu_energy_kj": "GPU energy (kJ)",
}


@dataclass(frozen=True)
class Section:
    """One table of a page under a heading, which may be empty; `text` stands between the two."""

    table: pd.DataFrame
    heading: str = ""
    text: str = ""


@dataclass(frozen=True)
class Page:
    """A page of tables: title, the study's note, remarks, how to read the tables, the tables."""

    title: str
    note: str
    sections: Sequence[Section]
    legend: Sequence[str] = ()
    remarks: Sequence[str] = ()


def write_csv(table: pd.DataFrame, path: str | Path, title: str) -> None:
    """Write a table whole or not at all; its last column, `study`, is `title` in every row."""
    table = table.assign(study=title)
    write_whole(path, table.to_csv(index=False, lineterminator="\n", float_format="%.8g"))


def write_markdown(page: Page, path: str | Path) -> None:
    """Write a page whole or not at all."""
    parts = [
        f"# {page.title}",
        f"> {page.note}" if page.note else "",
        "\n".join(f"- {remark}" for remark in page.remarks),
        " ".join(line for line in page.legend if line),
    ]
    for section in page.sections:
        heading = f"## {section.heading}" if section.heading else ""
        parts += [heading, section.text, pipe_table(section.table)]
    write_whole(path, "\n\n".join(part for part in parts if part) + "\n")


def pipe_table(table: pd.DataFrame) -> str:
    """A Markdown pipe table of plain values, without the columns that are empty."""
    text = readable(table).map(lambda cell: cell.replace("|", r"\|"))
    return text.to_markdown(index=False, disable_numparse=True)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Plain values under names for a reader, without the columns that are empty."""
    text = table.map(plain).rename(columns=heading)
    return text.loc[:, (text != "").any(axis=0) | ~text.any(axis=None)]


def heading(column: str) -> str:
    """A column's name for a reader."""
    return HEADINGS.get(column, column.replace("_", " "))


def plain(value: Any) -> str:
    """One value as text: four digits at most, yes or no, nothing for nothing."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.integer | np.floating):
        number = float(value)
        if number.is_integer():
            return f"{int(number)}"
        return f"{number:.4g}" if abs(number) < 1e4 else f"{number:.0f}"
    return str(value)


def duration(seconds: float) -> str:
    """A time in the unit that suits it: "0.30 s", "22 s", "5.3 min", "4.0 h"; nothing for nan."""
    if pd.isna(seconds):
        return ""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def estimate(value: float, low: float, high: float, form: str) -> str:
    """A value with its interval, "0.039 (0.034 to 0.043)"; without it, where the ends are nan."""
    if pd.isna(value):
        return ""
    text = _number(value, form)
    if pd.isna(low):
        return text
    return f"{text} ({_number(low, form)} to {_number(high, form)})"


def both_values(mean: float, sd: float, form: str) -> str:
    """A mean of two values with these, "0.039 (0.034, 0.044)"; `sd` is their sample deviation.

    The mean alone where that is nan, as for the PSNR of equal images.
    """
    if pd.isna(mean) or pd.isna(sd):
        return estimate(mean, np.nan, np.nan, form)
    reach = sd / 2**0.5
    return f"{mean:{form}} ({mean - reach:{form}}, {mean + reach:{form}})"


def _number(value: float, form: str) -> str:
    """A number in this form; a signed one that is rounded to 0 has no sign."""
    text = format(value, form)
    return text.lstrip("+-") if float(text) == 0 else text


def in_brackets(ours: pd.Series, published: pd.Series) -> list[str]:
    """Our values, each with the published one in brackets where it differs."""
    cells = []
    for value, other in zip(ours, published, strict=True):
        is_same = pd.isna(other) or value == other
        cells.append(plain(value) if is_same else f"{plain(value)} ({plain(other)})")
    return cells
