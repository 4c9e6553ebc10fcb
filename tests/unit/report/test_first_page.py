"""The report's first page is valid reStructuredText, whether or not the study has a note, and says
how each network stands.
"""

from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment
from made_up import ROOT


def first_page(config, categories):
    """The page as Snakemake renders it."""
    text = (ROOT / "workflow/report/workflow.rst").read_text()
    study = SimpleNamespace(config=config)
    environment = Environment(trim_blocks=True, lstrip_blocks=True)  # as Snakemake's
    page = environment.from_string(text).render(snakemake=study, categories=categories)
    settings = {"halt_level": 2, "report_level": 5}
    return publish_parts(page, writer_name="html", settings_overrides=settings)["html_body"]


@pytest.mark.parametrize("note", [{}, {"note": "A note: with a colon."}])
def test_the_first_page_is_valid(note):
    html = first_page({"title": "A study", **note}, {})
    assert "<h1" in html
    assert note.get("note", "") in html


def test_it_repeats_the_sentences_on_each_network(tmp_path):
    sentences = ["mine_care_ on mine: NRMSE 0.1.", "other on mine: NRMSE 0.2."]
    page = "# Title\n\nWords.\n\n" + "".join(f"- {line}\n" for line in sentences) + "\n| a |\n"
    (tmp_path / "verdicts.md").write_text(page)
    names = ("scores.csv", "verdicts.csv", "strata.csv")
    records = [SimpleNamespace(path=tmp_path / name) for name in names]
    html = first_page({"title": "A study"}, {"Scores": {"": records}})
    assert [html.count(line) for line in sentences] == [1, 1]
    assert html.count("<li>") == 2
    assert "Words" not in html
