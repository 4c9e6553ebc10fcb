"""The report's first page holds the findings, and leads to every figure and table."""

from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment
from made_up import ROOT

from denoising.report.pages import write_page


def first_page(config, categories):
    """The page as Snakemake renders it."""
    text = (ROOT / "workflow/report/workflow.rst").read_text()
    study = SimpleNamespace(config=config)
    environment = Environment(trim_blocks=True, lstrip_blocks=True)  # as Snakemake's
    page = environment.from_string(text).render(snakemake=study, categories=categories)
    settings = {"halt_level": 2, "report_level": 5}
    return publish_parts(page, writer_name="html", settings_overrides=settings)["html_body"]


def record(path, place, **shown):
    """A result as Snakemake's report knows it."""
    shown = {"organism": "mine", "condition": "C1", "model": "m", "place": place} | shown
    return SimpleNamespace(
        path=path,
        labels={"what": f"About {path.stem}"},
        category=SimpleNamespace(name=f"Category {place}"),
        job=SimpleNamespace(params=SimpleNamespace(shown=shown)),
    )


@pytest.mark.parametrize("note", [{}, {"note": "A note: with a colon."}])
def test_a_study_without_results_has_a_page(note):
    assert "<h1>A &lt;study&gt;</h1>" in first_page({"title": "A <study>", **note}, {})


def test_it_holds_the_findings_and_every_figure_and_table_in_the_order_of_categories(tmp_path):
    tables = tmp_path / "tables"
    image = '<img src="figures/fig2_restoration.png">'
    parts = ["<p>Ahead.\n\nOf all.</p>", image, "<h2>Methods</h2>", "<p>Networks.</p>"]
    write_page("A study", parts, tmp_path / "findings.html")
    models = ", ".join(f"network-{i}" for i in range(20))
    records = [record(tables / "other.html", 2), record(tables / "verdicts.html", 1, model=models)]
    html = first_page({"title": "A study"}, {"any": {"": records}})
    assert html.index("Ahead.") < html.index("About verdicts") < html.index("About other")
    assert html.index("About other") < html.index("<h2>Methods</h2>")
    assert "20 models<span hidden>network-0, " in html  # a filter finds them
    assert 'src="figures/' not in html  # the report holds the figure once, elsewhere
    assert "results['results/figures/fig2_restoration.png'].data_uri" in html
