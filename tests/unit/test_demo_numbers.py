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
# Sections whose numbers are versions, definitions or published records
STATED = {
    "README.md": ["Two commands", "Licence and citation"],  # docs/performance.md has the date
    "docs/cluster.md": ["conda"],
    "docs/limits.md": ["Never run", "Limits of the cluster tests"],
    "docs/own-images.md": ["Restored images"],
    "docs/published.md": [
        "Which of the 2019 study's conclusions survive?",
        "What did an epoch cost?",
    ],
    "docs/scores.md": ["Intervals", "Predicted errors, and what is guaranteed"],
}


@pytest.mark.parametrize(("page", "words", "values"), SENTENCES)
def test_a_sentence_has_the_numbers_of_the_run(page, words, values):
    text = (ROOT / page).read_text()
    assert DEMO["with_numbers"](text, words, values) == text, "run `make docs`"


def sections(page):
    """Heading and text of each section, without the numbers of the run and the blocks of code."""
    text = (ROOT / page).read_text()
    for words in (words for of_page, words, _ in SENTENCES if of_page == page):
        text = re.sub(DEMO["pattern"](words), "", text)
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    for section in re.split(r"^(?=#+ )", text, flags=re.M):
        yield section.split("\n")[0].lstrip("# "), section


@pytest.mark.parametrize("page", PAGES)
def test_other_measurements_have_a_date(page):
    undated = [
        f"{heading}: {', '.join(MEASURED.findall(section)[:5])}"
        for heading, section in sections(page)
        if MEASURED.search(section) and not DATE.search(section)
    ]
    stated = tuple(f"{heading}:" for heading in STATED.get(page, []))
    assert not [line for line in undated if not line.startswith(stated or ("\n",))]


def test_a_sentence_that_is_not_there_is_said():
    with pytest.raises(ValueError, match="found 0 times"):
        DEMO["with_numbers"]("The lead is 3.", "The gain is {}.", [4])
    assert DEMO["with_numbers"]("The lead\nis 3.", "lead is {:.1f}.", [4]) == "The lead\nis 4.0."
