"""What is wrong with the files of a dataset is said at once, each remedy once."""

from pathlib import Path

import pytest

from denoising.images.problems import Problems, grouped


def test_nothing_is_raised_where_nothing_is_wrong():
    Problems("mine").raise_all()


def test_one_problem_is_one_sentence():
    problems = Problems("mine")
    with problems.noted(Path("a.tif")):
        raise ValueError("a.tif: is empty; copy it again.")
    with pytest.raises(ValueError, match=r"^a\.tif: is empty; copy it again\.$"):
        problems.raise_all()


def test_files_with_one_problem_share_its_line_and_remedies_are_said_once():
    problems = Problems("mine")
    for name, what in {"a": "is empty", "b": "has 3 planes", "c": "is empty"}.items():
        with problems.noted(Path(name)):
            raise ValueError(f"{name}: {what}; copy it again.")
    problems.add("d and e", "differ; crop them.")
    with pytest.raises(ValueError) as refused:
        problems.raise_all()
    assert str(refused.value) == (
        "datasets.mine: 4 files or pairs cannot be used.\n"
        "  a, c: is empty\n"
        "  b: has 3 planes; copy it again.\n"
        "  d and e: differ; crop them."
    )


def test_notes_without_a_remedy_stand_as_they_are():
    notes = [("a", "is odd"), ("b", "is odd"), ("a", "is odd"), ("c", "is not")]
    assert grouped(notes) == ["a, b: is odd", "c: is not"]


def test_files_that_cannot_be_opened_are_named():
    problems = Problems("mine")
    with problems.noted(Path("gone.tif")):
        Path("gone.tif").read_bytes()
    with pytest.raises(ValueError, match=r"^gone\.tif: cannot be read \(No such file"):
        problems.raise_all()


def test_other_errors_are_no_problems_of_a_file():
    with pytest.raises(OSError, match="No space"), Problems("mine").noted(Path("a.tif")):
        raise OSError(28, "No space left on device")
