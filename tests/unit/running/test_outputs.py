"""A file has its name only when it is whole."""

import json

import pytest

from denoising.running.outputs import whole, write_json, write_whole


def test_a_file_is_there_when_it_is_whole_and_its_neighbour_is_gone(tmp_path):
    path = tmp_path / "a/table.csv"
    with whole(path) as partial:
        partial.write_text("a\n")
        assert not path.exists()
    assert path.read_text() == "a\n"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_file_that_was_there_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before\n")
    with pytest.raises(OSError, match="full"), whole(path) as partial:
        partial.write_text("half")
        raise OSError("full")
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_in_utf_8_and_records_are_json(tmp_path):
    write_whole(tmp_path / "page.md", "é\n")
    write_json(tmp_path / "record.json", {"a": 1})
    assert (tmp_path / "page.md").read_bytes() == "é\n".encode()
    assert json.loads((tmp_path / "record.json").read_text()) == {"a": 1}
