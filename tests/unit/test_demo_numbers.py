"""The numbers of README and docs are those of the default study's last committed run, or the text
says when they were measured.
"""

import re
import runpy

import pytest
from made_up import ROOT

DEMO = runpy.run_path(str(ROOT / "docs/demo.py"))
SENTENCES = list(DEMO["sentences"]())
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
MEASURED = re.compile(r"\d+\.\d{2,}|\b\d[\d.,]* (?:s|min|minutes|h|MB|GB)\b")
DATE = re.compile(r"\b\d{1,2}\s+[A-Z][a-z]+\s+20\d\d\b")
# Versions, definitions, limits, published records; README's times are dated in docs/performance.md
STATED = {
    "README.md": "3.11, 3.12, 10.17617, 2.6 GB, 2 minutes, 12 minutes",
    "docs/cluster.md": "9.25, 2.19",
    "docs/gpu.md": "2.19",
    "docs/limits.md": "2.19, 3.11, 3.12, 22.05",
    "docs/own-images.md": "99.99, 0.0001, 15 MB",
    "docs/report.md": "15 MB, 34 MB, 47 MB",
    "docs/security.md": "1 MB, 1 GB, 200 GB",
    "docs/running.md": "0.17",
    "docs/published.md": "0.012, 0.0029, 0.0004, 0.0054, 0.0003, 0.305, 24 s, 23 s",
    "docs/scores.md": "15 MB, 0.05, 0.039, 0.034, 0.044",
}


@pytest.mark.parametrize(("page", "words", "values"), SENTENCES)
def test_a_sentence_has_the_numbers_of_the_run(page, words, values):
    text = (ROOT / page).read_text()
    assert DEMO["with_numbers"](text, words, values) == text, "run `make docs`"


def undated(page):
    """Measurements in sections without a date, but for numbers of the run and blocks of code."""
    text = (ROOT / page).read_text()
    for words in (words for of_page, words, _ in SENTENCES if of_page == page):
        text = re.sub(DEMO["pattern"](words), "", text)
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    sections = re.split(r"^(?=#+ )", text, flags=re.M)
    return [found for part in sections if not DATE.search(part) for found in MEASURED.findall(part)]


@pytest.mark.parametrize("page", PAGES)
def test_other_measurements_have_a_date(page):
    assert set(undated(page)) <= set(STATED.get(page, "").split(", "))


def test_a_sentence_that_is_not_there_is_said():
    with pytest.raises(ValueError, match="found 0 times"):
        DEMO["with_numbers"]("The lead is 3.", "The gain is {}.", [4])
    assert DEMO["with_numbers"]("The lead\nis 3.", "lead is {:.1f}.", [4]) == "The lead\nis 4.0."
