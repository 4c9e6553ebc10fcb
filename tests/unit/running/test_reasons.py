"""What a library says of an error becomes a clause of a sentence."""

import pytest

from denoising.running.reasons import reason


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("two\n  lines", "two lines"),
        ("Got <class 'list'> instead", "Got list instead"),
        ("Zstd error: b'Data corruption'", "Zstd error: 'Data corruption'"),
        ("float: 'b'", "float: 'b'"),
        ("a\x00b\x1b", "ab"),
        ("", "KeyError"),
    ],
)
def test_a_reason_is_plain(said, told):
    assert reason(KeyError() if not said else ValueError(said)) == told


def test_a_reason_is_short():
    assert len(reason(ValueError("a" * 10**6))) < 300
