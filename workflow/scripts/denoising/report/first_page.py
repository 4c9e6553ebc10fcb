"""The first page of the results, as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from denoising.study.products import Product, figures, tables
from denoising.study.study import Study

FILES = {
    "scores.csv": "every score, one per row",
    "models/NAME/": "csbdeep's model folders, with their histories and settings",
    "restored/": "restored test volumes, if the config keeps them",
    "provenance.json": "commit, versions of packages, checksums of inputs, seeds",
    "config.yaml": "the config with every default: a config again",
    "ro-crate-metadata.json": "every job, its files and their checksums, as an RO-Crate",
    "code/": "the workflow's code, as it was when these results were recorded",
}
CITE = (
    "Cite this workflow by its CITATION.cff; CARE: Weigert et al., Nature Methods 15, 1090 (2018),"
    " doi 10.1038/s41592-018-0216-7."
)


def first_page(
    study: Study, findings: Sequence[str], methods: str, record: Mapping[str, Any]
) -> str:
    """What stands where, what it says, and how it came about.

    Parameters
    ----------
    study : Study
    findings : sequence of str
        Lines of a list.
    methods : str
        A paragraph.
    record : mapping
        Of provenance.json.
    """
    changes = record["uncommitted_changes"]
    commit = f"Commit {record['commit']}" + (", with uncommitted changes" if changes else "")
    parts = [
        f"# {study.title}",
        f"> {study.note}" if study.note else "",
        "\n".join(findings),
        "## Figures",
        _listed(figures(study), "figures", "png"),
        "## Tables",
        _listed(tables(study), "tables", "md"),
        "## Other files",
        "\n".join(f"- `{name}`: {text}" for name, text in FILES.items()),
        "## Methods, to be pasted",
        methods,
        "## Where this comes from",
        f"{commit}; Python {record['python']}, {record['platform']}. {CITE}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(products: Sequence[Product], folder: str, kind: str) -> str:
    """Figure 2 and the verdicts come first, as in all that is said of where to look."""
    first = ("fig2_restoration", "verdicts")
    ordered = sorted(products, key=lambda product: product.name not in first)
    lines = (f"- [{one.title}]({folder}/{one.name}.{kind})" for one in ordered)
    return "\n".join(lines)
