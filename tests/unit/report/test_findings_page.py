"""The page of a study's findings, as Markdown for the results and as HTML for the report."""

import re

import pandas as pd
import pytest
from made_up import ROOT, study_of

from denoising.report.first_page import CITE, FILES, FIRST, Findings, as_html, as_markdown
from denoising.study.products import figures, tables

MODELS = {"main": {"models": {"care": {"trained_on": "planaria"}}}}
STUDY = study_of(MODELS, title="A study of <worms>")
RECORD = {
    "commit": "abc123",
    "uncommitted_changes": False,
    "python": "3.12.11",
    "platform": "Linux",
}
FINDINGS = Findings(
    headline=("Ahead.", "Of all < filters."),
    networks=("care on planaria: ahead", "other on planaria: behind"),
    verdicts=pd.DataFrame({"model": ["care"], "finding": ["ahead of <all>"]}),
    methods="Networks were trained.",
    record=RECORD,
)


def links(page):
    return re.findall(r"^- \[(.+)\]\((.+)\)$", page, re.M)


def test_the_page_goes_from_findings_to_files_to_origin():
    page = as_markdown(STUDY, FINDINGS)
    parts = ["# A study of <worms>\n\n", "> A note.\n\n", "Ahead.\n\nOf all < filters.\n\n"]
    parts += ["## Figures\n\n- [", "## Tables\n\n- [", "## Other files\n\n- `findings.html`: "]
    parts += ["## Every network\n\n- care on planaria: ahead\n- other on planaria: behind\n\n"]
    parts += ["## Methods, to be pasted\n\nNetworks were trained.\n\n"]
    parts += ["## Where this comes from\n\nCommit abc123; Python 3.12.11, Linux. Cite this"]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert page.endswith(f"{CITE}\n") and "\n\n\n" not in page


@pytest.mark.parametrize("note", ["", "A note."])
def test_a_study_without_a_note_has_none_on_its_page(note):
    study = study_of(MODELS, note=note)
    assert ("\n> " in as_markdown(study, FINDINGS)) is bool(note)
    assert ("A note." in "".join(as_html(study, FINDINGS))) is bool(note)


def test_every_figure_and_table_is_linked_once_those_to_look_at_first_at_the_head():
    found = links(as_markdown(STUDY, FINDINGS))
    expected = {(one.title, f"figures/{one.name}.png") for one in figures(STUDY)}
    expected |= {(one.title, f"tables/{one.name}.md") for one in tables(STUDY)}
    assert len(found) == len(expected) and set(found) == expected
    paths = [path for _, path in found]
    assert paths[0] == "figures/fig2_restoration.png"
    assert next(path for path in paths if path.startswith("tables/")) == "tables/verdicts.md"
    assert len(FIRST) == 2


def test_the_other_files_are_those_of_the_results():
    page = as_markdown(STUDY, FINDINGS)
    assert [f"- `{name}`: {text}" in page for name, text in FILES.items()] == [True] * len(FILES)


def test_changes_that_are_in_no_commit_are_said():
    changed = Findings(**vars(FINDINGS) | {"record": RECORD | {"uncommitted_changes": True}})
    assert changed.origin == (
        f"Commit abc123, with uncommitted changes; Python 3.12.11, Linux. {CITE}"
    )


def test_a_browser_shows_the_figure_of_restorations_and_links_all_pages():
    page = "\n".join(as_html(STUDY, FINDINGS))
    order = ["A note.", "Ahead.", "Of all &lt; filters.", "figures/fig2_restoration.png", "<nav>"]
    order += ["Every network", "ahead of &lt;all&gt;", "Methods", "Where this comes from"]
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    hrefs = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page)
    expected = [("viewers/planaria.html", "Every test volume of planaria")]
    expected += [(f"figures/{one.name}.png", one.title) for one in figures(STUDY)]
    expected += [(f"tables/{one.name}.html", f"{one.title} (table)") for one in tables(STUDY)]
    found = [(href, text.replace("&#x27;", "'")) for href, text in hrefs]
    assert [pair for pair in found if pair in expected] == expected


def test_the_citation_is_that_of_the_repository():
    assert "CITATION.cff" in CITE and (ROOT / "CITATION.cff").is_file()
