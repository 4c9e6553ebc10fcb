"""The findings of a study on one page: what it says, where what stands, how it came about.

The page is written as Markdown for the folder of results and as HTML, which opens the report.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from denoising.report import pages
from denoising.study.products import Product, figures, tables
from denoising.study.study import Study

FILES = {
    "findings.html": "this page for a browser",
    "report.html": "all figures and tables in one file, if `make report` was run",
    "viewers/DATASET.html": "every test volume in a browser, where it is worst first",
    "scores.csv": "every score, one per row",
    "models/NAME/": "csbdeep's model folders, with their histories and settings",
    "restored/": "restored test volumes, if the config keeps them",
    "exports/": "networks for other programs, if `exported` was asked for",
    "volumes/, patches/, splits/, archives/, checks/": "the images, and what was found in them",
    "scores/, nuclei/, resolution/, calibration/, runtimes/": "what the tables are made from",
    "provenance.json": "commit, versions of packages, checksums of inputs, seeds",
    "config.yaml": "the config with every default: a config again",
    "ro-crate-metadata.json": "every job, its files and their checksums, as an RO-Crate",
    "code/": "the workflow's code, as it was when these results were recorded",
}
CITE = (
    "Cite this workflow by its CITATION.cff; CARE: Weigert et al., Nature Methods 15, 1090 (2018),"
    " doi 10.1038/s41592-018-0216-7."
)
FIRST = ("fig2_restoration", "verdicts")  # where to look first


@dataclass(frozen=True)
class Findings:
    """What the page says.

    `headline` and `networks` are sentences, the latter one per network and test set; `verdicts` is
    the table for a reader that holds the same; `methods` is a paragraph for a paper; `record` is
    that of provenance.json.
    """

    headline: Sequence[str]
    networks: Sequence[str]
    verdicts: pd.DataFrame
    methods: str
    record: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Commit, versions, and what to cite."""
        record = self.record
        changes = ", with uncommitted changes" if record["uncommitted_changes"] else ""
        return (
            f"Commit {record['commit']}{changes}; Python {record['python']}, {record['platform']}."
            f" {CITE}"
        )


def as_markdown(study: Study, findings: Findings) -> str:
    """The page for the folder of results."""
    parts = [
        f"# {study.title}",
        f"> {study.note}" if study.note else "",
        *findings.headline,
        "## Figures",
        _links(figures(study), "figures", "png"),
        "## Tables",
        _links(tables(study), "tables", "md"),
        "## Other files",
        "\n".join(f"- `{name}`: {text}" for name, text in FILES.items()),
        "## Every network",
        "\n".join(f"- {line}" for line in findings.networks),
        "## Methods, to be pasted",
        findings.methods,
        "## Where this comes from",
        findings.origin,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_html(study: Study, findings: Findings) -> list[str]:
    """The parts of the page for a browser; the report shows the same below its title."""
    return [
        pages.paragraph(study.note, "note"),
        *(pages.paragraph(sentence) for sentence in findings.headline),
        '<p><img src="figures/fig2_restoration.png" alt="Restorations"></p>',
        _contents(study),
        pages.heading("Every network"),
        pages.table(findings.verdicts),
        pages.heading("Methods, to be pasted"),
        pages.paragraph(findings.methods),
        pages.heading("Where this comes from"),
        pages.paragraph(findings.origin),
    ]


def _contents(study: Study) -> str:
    """Links to all pages beside this one; the report leaves them out, because it has its own."""
    viewers = [
        (f"Every test volume of {study.datasets[name].label}", f"viewers/{name}.html")
        for name in study.tested_datasets
    ]
    products = [(one.title, f"figures/{one.name}.png") for one in figures(study)]
    products += [(f"{one.title} (table)", f"tables/{one.name}.html") for one in tables(study)]
    items = [f'<a href="{path}">{html.escape(title)}</a>' for title, path in viewers + products]
    return f"<nav><p>{' · '.join(items)}</p></nav>"


def _links(products: Sequence[Product], folder: str, kind: str) -> str:
    """The products by their titles, those to look at first at the head."""
    ordered = sorted(products, key=lambda product: product.name not in FIRST)
    return "\n".join(f"- [{one.title}]({folder}/{one.name}.{kind})" for one in ordered)
