"""The report's first page is valid reStructuredText, whether or not the study has a note."""

from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment
from made_up import ROOT


@pytest.mark.parametrize("note", [{}, {"note": "A note: with a colon."}])
def test_the_first_page_is_valid(note):
    text = (ROOT / "workflow/report/workflow.rst").read_text()
    study = SimpleNamespace(config={"title": "A study", **note})
    page = Environment(trim_blocks=True).from_string(text).render(snakemake=study)
    settings = {"halt_level": 2, "report_level": 5}
    html = publish_parts(page, writer_name="html", settings_overrides=settings)["html_body"]
    assert "<h1" in html
    assert note.get("note", "") in html
