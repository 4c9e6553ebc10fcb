"""The table of keys in config/README.md is that of the schema."""

import runpy

import pytest
from made_up import ROOT

TABLE = runpy.run_path(str(ROOT / "docs/config_table.py"))


def test_the_table_is_that_of_the_schema():
    text = TABLE["PAGE"].read_text()
    assert TABLE["page"](text) == text, "run `make config-table`"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"type": ["string", "integer"]}, "text or integer"),
        ({"enum": ["auto", True]}, "`auto`, `true`"),
        ({"type": ["array", "null"], "items": {"type": "string"}}, "list of text"),
    ],
)
def test_values_of_a_key(value, expected):
    assert TABLE["values_of"](value) == expected


@pytest.mark.parametrize(
    ("value", "is_required", "expected"),
    [
        ({"default": None}, False, "`null`"),
        ({"default": ""}, False, "empty"),
        ({"default": [1, 2]}, False, "`[1, 2]`"),
        ({"type": "object", "default": {}}, False, ""),
        ({}, True, "required"),
    ],
)
def test_default_of_a_key(value, is_required, expected):
    assert TABLE["default_of"](value, is_required) == expected
