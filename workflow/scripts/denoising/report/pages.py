"""Results as pages for a browser: self-contained, with tables that a click on a heading sorts."""

import base64
import html
import re
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from denoising.report.markdown import Page, readable, write_csv, write_markdown
from denoising.running.outputs import write_whole

INTERVALS = ("In brackets: 95 % interval", "Below a value: its 95 % interval")
LONG = 24  # characters of a cell that needs more than one line
TEMPLATE = Path(__file__).parents[3] / "report" / "page.html"


def write_page(title: str, parts: Iterable[str], path: str | Path) -> None:
    """Write a page with these parts of HTML below its title, whole or not at all."""
    body = "\n".join(part for part in parts if part)
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    write_whole(path, template.substitute(title=html.escape(title), body=body))


def write_table(values: pd.DataFrame, page: Page, output: Any) -> None:
    """Write a table as plain numbers, and its page as Markdown and for a browser.

    `output` is that of Snakemake: csv, markdown and html.
    """
    write_csv(values, output.csv, page.title)
    write_markdown(page, output.markdown)
    write_page(page.title, _parts(page, Path(output.csv)), output.html)


def _parts(page: Page, csv: Path) -> list[str]:
    """The parts of a page of tables; the numbers of `csv` can be saved from it."""
    parts = [
        paragraph(page.note, "note"),
        paragraph(" ".join(line for line in page.legend if line).replace(*INTERVALS)),
        f"<p>A click on a heading sorts. {_download(csv)}</p>",
    ]
    for section in page.sections:
        parts += [heading(section.heading), paragraph(section.text), table(section.table)]
    return [*parts, heading("In words" if page.remarks else ""), bullets(page.remarks)]


def heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>" if text else ""


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of a class, empty if it has no text."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if text else ""


def bullets(lines: Iterable[str]) -> str:
    """A list, empty if it has no lines."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def table(values: pd.DataFrame) -> str:
    """A table of plain values, without its empty columns."""
    text = readable(values)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in text)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in text.to_numpy())
    whole = f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"
    return f'<div class="wide">{whole}</div>'


def _cell(text: str) -> str:
    """A cell: bold if it is so in Markdown, an interval below its value, long text in a column."""
    is_long = len(text) > LONG and not re.match(r"[-+*\d]", text)
    inner = re.sub(
        r"\(([-+.\d]+ to [-+.\d]+)\)", r'<span class="interval">\1</span>', html.escape(text)
    )
    inner = re.sub(r"[*]{2}(.+?)( <span.*</span>)?[*]{2}", r"<strong>\1</strong>\2", inner)
    return f'<td class="text">{inner}</td>' if is_long else f"<td>{inner}</td>"


def _download(csv: Path) -> str:
    data = base64.b64encode(csv.read_bytes()).decode()
    link = f'href="data:text/csv;base64,{data}" download="{html.escape(csv.name)}"'
    return f"<a {link}>Save the numbers as CSV.</a>"
