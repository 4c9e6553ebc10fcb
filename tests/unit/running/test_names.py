"""Sets of names as regular expressions."""

import re
from itertools import product

import pytest

from denoising.running.names import any_of


def matched(names):
    """Which of all words of up to four of the letters below the expression of `names` matches."""
    expression = re.compile(any_of(names))
    words = ["".join(letters) for length in range(5) for letters in product("ab-.", repeat=length)]
    return {word for word in words if expression.fullmatch(word)}


@pytest.mark.parametrize(
    "names",
    [
        ["a"], ["a", "b"], ["a", "ab", "abb"], ["ab", "b"], ["aab", "bab"], ["a-", "b-", "b.",
        "-a-"], ["aa", "ab", "ba", "bb"], ["a.b", "a-b", "a"], ["ab-a", "ab-b", "bb-a", "bb-b",
        "bb-", "ab-"],
    ],
)  # fmt: skip
def test_it_matches_the_names_and_nothing_else(names):
    assert matched(names) == matched(reversed(names)) == set(names)


def test_where_there_is_no_name_nothing_matches():
    assert matched([]) == set()


def test_it_stands_between_other_expressions():
    pattern = re.compile(f"models/(?P<run>{any_of(['a', 'ab', 'b'])})/{any_of(['a', 'ba'])}$")
    assert pattern.match("models/ab/ba")["run"] == "ab"
    assert not pattern.match("models/ba/ba")
