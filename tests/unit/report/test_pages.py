"""Pages of results for a browser: what they hold is in the file, and safe to show."""

import base64
import re
from types import SimpleNamespace

import pandas as pd

from denoising.report.markdown import Page, Section
from denoising.report.pages import table, write_table


def written(tmp_path, page, values):
    names = {"csv": "t.csv", "markdown": "t.md", "html": "t.html"}
    output = SimpleNamespace(**{kind: tmp_path / name for kind, name in names.items()})
    write_table(values, page, output)
    return (tmp_path / "t.html").read_text(encoding="utf-8")


def test_a_page_holds_tables_words_and_the_numbers_as_csv(tmp_path):
    values = pd.DataFrame({"steps_per_epoch": [400], "empty": [None]})
    page = Page("Title", "Note.", [Section(values, "Part")], ["Legend."], ["Remark."])
    text = written(tmp_path, page, values)
    assert "<th>steps per epoch</th></tr>" in text  # a reader's name; no empty column
    for part in ("<h1>Title</h1>", "Note.", "<h2>Part</h2>", "Legend.", "<li>Remark.</li>"):
        assert part in text
    data = re.search(r'href="data:text/csv;base64,([^"]+)" download="t.csv"', text).group(1)
    assert base64.b64decode(data) == (tmp_path / "t.csv").read_bytes()
    assert "http" not in text
    assert "# Title" in (tmp_path / "t.md").read_text(encoding="utf-8")


def test_markup_in_names_is_text(tmp_path):
    name = "<script>alert(1)</script> $title & co"
    text = written(tmp_path, Page(name, "", [Section(pd.DataFrame({"a": [name]}))]), pd.DataFrame())
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; $title &amp; co") == 3


def test_cells_show_what_markdown_shows():
    cells = {"a": ["**0.038 (0.034 to 0.043)**"], "b": ["0.5 (-0.1 to 0.9)"], "c": ["a" * 30]}
    text = table(pd.DataFrame(cells))
    interval = '<span class="interval">{}</span>'
    assert f"<td><strong>0.038</strong> {interval.format('0.034 to 0.043')}</td>" in text
    assert f"<td>0.5 {interval.format('-0.1 to 0.9')}</td>" in text
    assert '<td class="text">aaa' in text
