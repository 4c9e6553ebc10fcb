"""Configs from strangers: each describes a study, or is refused in one sentence, in bounded time
and memory, without running anything that stands in it.
"""

import copy
import json
from functools import partial
from pathlib import Path

import pytest
import yaml
from bounded import faults, faults_of_each, outcome
from mutations import mutations
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from denoising.study.config import resolve
from denoising.study.errors import StudyError
from denoising.study.validation import check_yaml

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
MINIATURE = ROOT / "tests/workflow/miniature.yaml"
COUNT = 100  # damaged copies of each config


def study_of(path):
    """What Snakemake and the workflow do with a config before any job."""

    def read(_):
        try:
            config = load_configfile(path)
        except WorkflowError as error:  # Snakemake prints it as a sentence
            raise ValueError(str(error)) from None
        check_yaml(path)
        resolve(config, SCHEMA)

    return read


def faults_of(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return faults(outcome(study_of(path), path.parent), "")


@pytest.mark.parametrize("config", [*CONFIGS, MINIATURE], ids=lambda path: path.stem)
def test_a_damaged_config_is_a_study_or_refused(config, tmp_path):
    whole = config.read_bytes()
    wrong = []
    for name, damaged in mutations(whole, COUNT, seed=1):
        wrong += [f"{name}: {fault}" for fault in faults_of(tmp_path / "study.yaml", damaged)]
    assert not wrong, "\n".join(wrong)


# Values of other types, at every key

ODD = {
    "null": None, "true": True, "minus": -1, "huge": 10**40, "fraction": 0.5, "nan": float("nan"),
    "infinity": float("inf"), "empty_text": "", "text": "text", "long_text": "a" * 10**5,
    "lines": "a\nFAILED: c", "line_end": "low\n", "control": "a\x1b[31m\x00b", "braces": "{x}",
    "above": "../..", "shell": "$(touch pwned); touch pwned `touch pwned` | & > pwned",
    "quotes": "'\"", "option": "--snakefile", "markup": "<script>alert(1)</script>",
    "list": [], "list_of_nulls": [None], "list_of_lists": [[1], {"a": 2}], "mapping": {},
    "mapping_of_odd_keys": {2: 2, None: 3, True: 4}, "deep": {"a": {"b": {"c": [{"d": 1}]}}},
}  # fmt: skip


def places(values, above=()):
    """Every place in a config, as the keys that lead there."""
    entries = values.items() if isinstance(values, dict) else enumerate(values)
    for key, inner in entries:
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*above, key))


def changed(config, place, value):
    config = copy.deepcopy(config)
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return config


def renamed(config, place, name):
    config = copy.deepcopy(config)
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[name] = inner.pop(place[-1])
    return config


SMALL = yaml.safe_load("""
title: A study
seed: 1
datasets:
  worms:
    simulate: {species: planaria, shape: [16, 64, 64]}
    layout: folders
    truth: GT
    conditions: [{name: "1", source: low, exposure: 0.1}]
    stratum: "(a|b)"
    voxel_size: [2, 1, 1]
    nuclei: {diameter: 9}
    patches: {shape: [8, 16, 16], percentiles: [3, 99]}
  fetched:
    archive: {url: "https://example.org/a.tar.gz", sha256: null}
    conditions: [{name: "1", source: low}]
    patches: {source: npz, shape: [8, 16, 16], axes: SCZYX}
  mine:
    pairs: {low: "a/*.tif", high: "b/*.tif", frames: [0], channel: 1}
    patches: {shape: [8, 16, 16]}
  theirs:
    npz: {path: a.npz, channel: 0}
    patches: {source: npz, shape: [16, 16]}
training: {trained_on: worms, epochs: 2, seeds: [1, 2]}
studies:
  one:
    tested_on: [worms]
    models: {first: {width: 4}, second: null}
  two:
    base: first
    varies: epochs
    figure: fig_two
    models: {third: {epochs: 3}, fourth: {epochs: 4}}
baselines: [gaussian]
evaluation: {protocols: [paper]}
restoration: {format: tiff}
restore: {images: [new], model: first, percentiles: [1, 99], axes: ZYX, channels: [0]}
""")


def all_refused_or_taken(cases, tmp_path):
    """Whether each config is a study, or refused in a sentence; together in bounded time."""

    def read(_):
        wrong = faults_of_each(cases(), "")
        assert not wrong, "; ".join(wrong)

    found = outcome(read, tmp_path)
    assert (found.kind, found.message) == ("", "")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_at_any_key_is_refused_or_taken(name, tmp_path):
    def cases():
        for place in places(SMALL):
            config = changed(SMALL, place, ODD[name])
            yield str(place), partial(resolve, config, SCHEMA)

    all_refused_or_taken(cases, tmp_path)


@pytest.mark.parametrize("name", [key for key, value in ODD.items() if isinstance(value, str)])
def test_an_odd_name_of_anything_is_refused(name, tmp_path):
    def refused(config, place):
        with pytest.raises(StudyError) as error:
            resolve(config, SCHEMA)
            raise AssertionError(f"{place} may be called {ODD[name]!r}")
        raise error.value

    def cases():
        for place in places(SMALL):
            if isinstance(place[-1], str) and ODD[name] != "text":
                yield str(place), partial(refused, renamed(SMALL, place, ODD[name]), place)

    all_refused_or_taken(cases, tmp_path)


def test_the_small_study_of_these_tests_is_one():
    assert len(resolve(SMALL, SCHEMA).models) == 4


# Files that do harm

HEAD = "title: a\ndatasets: {}\n"
BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
HARM = {
    "an_object": HEAD + "note: !!python/object/apply:os.system ['touch pwned']\n",
    "a_function": HEAD + "note: !!python/name:os.system\n",
    "a_module": HEAD + "note: !!python/module:os\n",
    "a_tuple": HEAD + "seed: !!python/tuple [1, 2]\n",
    "a_tag_of_its_own": HEAD + "note: !evil x\n",
    "binary": HEAD + "note: !!binary aGVsbG8=\n",
    "a_set": HEAD + "note: !!set {a, b}\n",
    "a_date": HEAD + "note: 2020-01-01\n",
    "laughs": HEAD + BOMB,
    "a_list_in_itself": HEAD + "studies: &a [*a]\n",
    "merged_keys": HEAD + "base: &b {seed: 1}\ntraining:\n  <<: *b\n",
    "a_key_of_a_list": HEAD + "? [a, b]\n: 1\n",
    "a_key_twice": HEAD + "title: b\n",
    "a_number_of_many_digits": HEAD + f"seed: {'9' * 5000}\n",
    "a_number_of_base_60": HEAD + "seed: 1:30:00\n",
    "two_documents": HEAD + "---\n" + HEAD,
    "a_list": "- a\n- b\n",
    "a_text": "title",
    "nothing": "",
    "null": "null\n",
    "no_text": b"\xff\xfe\x00title",
    "zeros": bytes(100),
    "tabs": "title: a\n\tseed: 1\n",
    "json": json.dumps({"title": "a", "seed": [[[[]]]]}),
}


@pytest.mark.parametrize("name", HARM)
def test_a_config_that_does_harm_is_refused_or_harmless(name, tmp_path):
    assert not faults_of(tmp_path / "study.yaml", HARM[name])
    assert not list(tmp_path.rglob("pwned"))
