"""Checks of a config against the schema; each message is one sentence that names the key."""

import copy
import difflib
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from denoising.running.names import shortened
from denoising.study.errors import StudyError

PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge", "timestamp", "value")
}
# Of a config, aliases written out: a few lines of YAML can stand for billions of values
MOST_VALUES = 100_000
MOST_LEVELS = 30
CONTROL = re.compile(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]")  # all but tabs and line ends
DIRECTIVE = re.compile(r"^\s*\.\.\s.*::", re.MULTILINE)
LONGEST_VALUE = 80  # characters, in a message


def check_yaml(path: Path) -> None:
    """Refuse a YAML file that is more than plain values, or in which a mapping holds a key twice.

    YAML readers silently take the last of two values. Tags such as !!python/name stand for objects
    of Python. By __use_yte__ Snakemake runs Python that stands in the file, before anything here
    can refuse it: see docs/security.md. Snakemake itself refuses JSON files and files that are not
    YAML.

    Raises
    ------
    StudyError
        Naming the file, the key or tag, and the lines in which it stands.
    """
    if path.suffix == ".json":
        return
    try:
        waiting = [yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)]
    except (OSError, ValueError, yaml.YAMLError):
        return
    seen = set()  # an alias is the node that it stands for, which may hold the alias
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        _refuse_tag(node, path)
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node, path)
            waiting += [inner for pair in node.value for inner in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_tag(node: yaml.Node, path: Path) -> None:
    line = node.start_mark.line + 1
    if node.tag not in PLAIN_TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise StudyError(
            f"{path}, line {line}: the tag {tag} stands for an object, expected plain texts,"
            " numbers, lists and mappings; delete the tag."
        )
    if isinstance(node, yaml.ScalarNode) and node.value == "__use_yte__":
        raise StudyError(
            f"{path}, line {line}: by __use_yte__ Snakemake runs Python that stands in the config;"
            " it has just done so. Write plain values instead."
        )


def _refuse_repeated(mapping: yaml.MappingNode, path: Path) -> None:
    first: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        line = key.start_mark.line + 1
        if (key.tag, key.value) in first:
            raise StudyError(
                f"{path}, line {line}: the key {key.value} stands in line "
                f"{first[key.tag, key.value]} already, and only one of the two would count; "
                "rename or delete one."
            )
        first[key.tag, key.value] = line


def _plain(value):
    """Copy a config: YAML anchors share nothing any more, and 8.0 is an integer."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_size(config: dict) -> None:
    """Refuse a config that is too large once its aliases are written out, or holds itself."""
    waiting: list[tuple[object, int]] = [(config, 1)]
    count = 0
    while waiting:
        value, level = waiting.pop()
        count += 1
        if isinstance(value, dict | list):
            inner = list(value.values()) if isinstance(value, dict) else value
            waiting += [(one, level + 1) for one in inner]
        if count + len(waiting) > MOST_VALUES or level > MOST_LEVELS:
            raise StudyError(
                f"the config holds more than {MOST_VALUES} values, or nests deeper than"
                f" {MOST_LEVELS} levels, once its aliases (*) are written out: write it plainly."
            )


def fill_in(config: dict, schema: dict) -> dict:
    """A copy of the config with all defaults of the schema filled in.

    Raises
    ------
    StudyError
        If the config does not follow the schema.
    """
    _check_size(config)
    filled = _plain(config)
    _validate(filled, schema)
    return filled


def checked_settings(key: str, settings: dict, schema: dict) -> dict:
    """Check a model's own settings against the schema of `training`; no default is filled in."""
    training = schema["properties"]["training"]
    validator = jsonschema.Draft202012Validator(training)
    error = jsonschema.exceptions.best_match(validator.iter_errors(settings))
    if error is not None:
        error.absolute_path.extendleft(reversed(key.split(".")))
        raise StudyError(_sentence(error))
    return settings


def first_fault(values: Any, schema: dict) -> str | None:
    """A sentence on values that do not follow a schema; None if they do."""
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(values)
    )
    return None if error is None else _sentence(error)


def _validate(config: dict, schema: dict) -> None:
    validator = _filling_defaults(jsonschema.Draft202012Validator)(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise StudyError(_sentence(error))
    _check_values("", config)


def _check_values(where: str, value) -> None:
    """Refuse .nan and .inf, which JSON schema takes for numbers, and what steers a terminal."""
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{where} is {value}, expected a finite number.")
    if isinstance(value, str) and CONTROL.search(value):
        raise StudyError(
            f"{where} is {_shown(value)}, which holds a control character, expected plain text;"
            " type it anew."
        )
    if isinstance(value, str) and DIRECTIVE.search(value):
        raise StudyError(
            f"{where} is {_shown(value)}, which reports would take for a command of"
            " reStructuredText; begin the line with another letter than a point."
        )
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            _check_values(f"{where}.{key}" if where else str(key), inner)


def _filling_defaults(validator):
    """A validator that fills in defaults, by the recipe in jsonschema's documentation.

    A pattern's $ is the end of the text: Python's is the place before a last line feed, too.
    """
    check_properties = validator.VALIDATORS["properties"]
    check_pattern = validator.VALIDATORS["pattern"]

    def fill(instance_validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(instance_validator, properties, instance, schema)

    def match(instance_validator, pattern, instance, schema):
        if isinstance(instance, str) and instance.endswith("\n"):
            yield jsonschema.ValidationError(f"{instance!r} ends with a line feed")
        yield from check_pattern(instance_validator, pattern, instance, schema)

    return jsonschema.validators.extend(validator, {"properties": fill, "pattern": match})


def _sentence(error: jsonschema.ValidationError) -> str:
    """One sentence for the schema's error: the key, the value found, the value expected."""
    where = shortened(".".join(map(str, error.absolute_path)), LONGEST_VALUE) or "the config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return unknown_key(where, unknown[0], known)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: the key {missing[0]} is missing."
    if error.validator == "type":
        expected = error.validator_value
        expected = [expected] if isinstance(expected, str) else expected
        remedy = _number_meant(error.instance, expected)
        return f"{where} is {_shown(error.instance)}, expected {' or '.join(expected)}{remedy}."
    if error.validator == "enum":
        values = ", ".join(map(str, error.validator_value))
        return f"{where} is {_shown(error.instance)}, expected one of {values}."
    if error.validator == "pattern":
        return f"{where}: found {_shown(error.instance)}, expected {error.schema['expected']}."
    return f"{where}: {error.message.replace(repr(error.instance), _shown(error.instance))}."


def _shown(value) -> str:
    return shortened(repr(value), LONGEST_VALUE)


def _number_meant(value, expected: list[str]) -> str:
    """How to write a number that was read as text.

    YAML 1.1 takes 4e-4 for text; Snakemake takes nested values of --config for text.
    """
    try:
        number = _plain(float(value)) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    fits = "number" in expected or ("integer" in expected and isinstance(number, int))
    if not fits or not math.isfinite(number):
        return ""
    as_yaml = yaml.safe_dump(number).split()[0]
    remedy = "without quotes, in a config file (--config sets top-level values only)"
    return f": write {as_yaml} {remedy}"


def unknown_key(where: str, key: str, known: list[str]) -> str:
    """Say that a key is unknown, and which known key may be meant."""
    close = difflib.get_close_matches(str(key), known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}."
    return f"{where} has no key {key}: {hint}"
