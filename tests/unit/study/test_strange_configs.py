"""Configs from strangers: plain values alone, of bounded size, in messages of one line."""

import pytest
import yaml
from made_up import CONFIG, SCHEMA

from denoising.running.names import shortened
from denoising.study.config import resolve
from denoising.study.errors import StudyError
from denoising.study.validation import MOST_LEVELS, check_yaml


def study(**changes):
    studies = {"s": {"models": {"m": {"trained_on": "planaria"}}}}
    return resolve(yaml.safe_load(CONFIG) | {"studies": studies} | changes, SCHEMA)


def refused(**changes):
    with pytest.raises(StudyError) as error:
        study(**changes)
    assert str(error.value).isprintable()
    return str(error.value)


# Files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("note: !!python/name:os.system", "line 2: the tag !!python/name:os.system stands for an"),
        ("note: !!python/tuple [1]", "line 2: the tag !!python/tuple stands for an object"),
        ("a:\n  - b: !mine {}", "line 3: the tag !mine stands for an object"),
        ("? !!set {a}\n: 1", "line 2: the tag !!set stands for an object"),
        ("note: !!binary aGVsbG8=", "line 2: the tag !!binary stands for an object"),
        ("__use_yte__: true", "line 2: by __use_yte__ Snakemake runs Python"),
        ("'__use_yte__': false", "line 2: by __use_yte__ Snakemake runs Python"),
    ],
)
def test_more_than_plain_values_is_refused_with_its_line(text, said, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(f"title: A study\n{text}\n")
    with pytest.raises(StudyError, match=rf"study\.yaml, {said}"):
        check_yaml(path)


@pytest.mark.parametrize(
    "text", ["note: 2020-01-01", "a: &a {b: 1}\nc: {<<: *a}", "note: !!str 5", "a: &a [*a]", ""]
)
def test_plain_values_pass(text, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(f"title: A study\n{text}\n")
    check_yaml(path)


# Size


def test_aliases_that_stand_for_billions_of_values_are_refused():
    laughs = ["ha"]
    for _ in range(10):
        laughs = [laughs] * 10
    assert "more than 100000 values" in refused(baselines=laughs)


def test_a_config_that_holds_itself_is_refused():
    loop = {}
    loop["studies"] = loop
    assert f"nests deeper than {MOST_LEVELS} levels" in refused(studies=loop)


# Texts


def test_a_name_does_not_end_with_a_line_feed():
    """As $ in Python's patterns has it."""
    said = refused(studies={"s\n": {"models": {"m": {"trained_on": "planaria"}}}})
    assert said.startswith("studies: found 's\\n', expected a name that begins with a letter")


@pytest.mark.parametrize(("length", "is_one"), [(100, True), (101, False)])
def test_a_name_has_at_most_100_characters(length, is_one):
    studies = {"a" * length: {"models": {"m": {"trained_on": "planaria"}}}}
    if is_one:
        assert study(studies=studies)
    else:
        assert "at most 100" in refused(studies=studies)


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "\x9b1m", "\x7f"])
def test_text_that_steers_a_terminal_is_refused(text):
    assert refused(title=text).startswith("title is '")
    assert "holds a control character" in refused(title=text)


@pytest.mark.parametrize("text", ["Ein Würmchen 🪱", "two\nlines\n", "a\ttab"])
def test_other_text_is_text(text):
    assert study(title=text).title == text


@pytest.mark.parametrize("text", [".. include:: /etc/hostname", "a\n\n  .. raw:: html\n\n   <b>"])
def test_a_note_is_no_command_to_the_report(text):
    assert "would take for a command" in refused(note=text)


def test_a_value_is_shown_in_part():
    assert len(refused(seed="a" * 10**6)) < 200


def test_a_message_is_one_line_whatever_its_parts():
    assert str(StudyError("a\nb\x1bc")) == "a?b?c"
    assert len(str(StudyError("a" * 10**6))) < 700


@pytest.mark.parametrize(("text", "short"), [("abc", "abc"), ("abcd", "abc ..."), ("a\tb", "a?b")])
def test_a_long_text_is_cut(text, short):
    assert shortened(text, 3) == short
