"""Tables as files: sound Markdown whatever the cells hold, and numbers that suit a reader."""

import numpy as np
import pandas as pd
import pytest

from denoising.report.markdown import (
    Page,
    Section,
    both_values,
    duration,
    estimate,
    in_brackets,
    write_csv,
    write_markdown,
)


def test_markdown_is_a_sound_table_whatever_the_cells_hold(tmp_path):
    table = pd.DataFrame(
        {"a": ["x|y", None], "b": [1.0, np.nan], "c": [1e-5, 12345.6], "d": [None, None]}
    )
    write_markdown(Page("T", "", [Section(table)]), tmp_path / "t.md")
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# T"
    cells = [
        [cell.strip() for cell in line.replace(r"\|", "/").strip("|").split("|")]
        for line in lines[2:]
    ]
    assert cells[0] == ["a", "b", "c"]
    assert cells[2:] == [["x/y", "1", "1e-05"], ["", "", "12346"]]


def test_a_page_has_title_note_legend_and_sections_in_order(tmp_path):
    table = pd.DataFrame({"samples": [1]})
    sections = [Section(table, "First", "About it."), Section(table, "Second")]
    write_markdown(Page("T", "Note.", sections, ["One.", "Two."]), tmp_path / "new" / "t.md")
    text = (tmp_path / "new" / "t.md").read_text(encoding="utf-8")
    assert text.startswith("# T\n\n> Note.\n\nOne. Two.\n\n## First\n\nAbout it.\n\n| patches seen")
    assert text.index("## First") < text.index("## Second")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.md"]


def test_remarks_are_a_list_at_the_head(tmp_path):
    page = Page("T", "", [Section(pd.DataFrame({"a": [1]}))], ["Legend."], ["First.", "Second."])
    write_markdown(page, tmp_path / "t.md")
    assert "- First.\n- Second.\n\nLegend.\n\n| a" in (tmp_path / "t.md").read_text()


def test_a_mean_of_two_values_shows_both():
    assert both_values(0.039, 0.005 * 2**0.5, ".3f") == "0.039 (0.034, 0.044)"
    assert both_values(np.inf, np.nan, ".1f") == "inf"
    assert both_values(np.nan, np.nan, ".1f") == ""


def test_a_table_without_rows_can_be_written(tmp_path):
    empty = pd.DataFrame({"a": [], "b": []})
    write_csv(empty, tmp_path / "t.csv", "T")
    write_markdown(Page("T", "Note.", [Section(empty)]), tmp_path / "t.md")
    assert "> Note." in (tmp_path / "t.md").read_text()
    assert (tmp_path / "t.csv").read_text() == "a,b,study\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.3, "0.30 s"), (22, "22 s"), (320, "5.3 min"), (14400, "4.0 h"), (np.nan, "")],
)
def test_times_are_in_the_unit_that_suits_them(seconds, text):
    assert duration(seconds) == text


def test_values_with_their_intervals():
    assert estimate(0.0391, 0.0342, 0.0436, ".3f") == "0.039 (0.034 to 0.044)"
    assert estimate(-0.0391, -0.0001, 0.0436, "+.3f") == "-0.039 (0.000 to +0.044)"
    assert estimate(0.0391, np.nan, np.nan, ".3f") == "0.039"
    assert estimate(np.nan, np.nan, np.nan, ".3f") == ""


def test_published_values_stand_in_brackets_where_they_differ():
    assert in_brackets(pd.Series([4, 5, 6]), pd.Series([16, 5, None])) == ["4 (16)", "5", "6"]
