"""Checks of a config against the schema; each message is one sentence that names the key."""

import copy
import difflib
import math
from pathlib import Path

import jsonschema
import yaml

from denoising.study.errors import StudyError


def refuse_repeated_keys(path: Path) -> None:
    """Refuse a YAML file in which a mapping holds a key twice; YAML readers silently take the last.

    Snakemake itself refuses JSON files and files that are not YAML.

    Raises
    ------
    StudyError
        Naming the file, the key, and the lines in which it stands.
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
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node, path)
            waiting += [inner for _, inner in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


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


def fill_in(config: dict, schema: dict) -> dict:
    """A copy of the config with all defaults of the schema filled in.

    Raises
    ------
    StudyError
        If the config does not follow the schema.
    """
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


def _validate(config: dict, schema: dict) -> None:
    validator = _filling_defaults(jsonschema.Draft202012Validator)(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise StudyError(_sentence(error))
    _check_finite("", config)


def _check_finite(where: str, value) -> None:
    """JSON schema lets .nan and .inf pass as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{where} is {value}, expected a finite number.")
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            _check_finite(f"{where}.{key}" if where else str(key), inner)


def _filling_defaults(validator):
    """A validator that fills in defaults, by the recipe in jsonschema's documentation."""
    check_properties = validator.VALIDATORS["properties"]

    def fill(instance_validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(instance_validator, properties, instance, schema)

    return jsonschema.validators.extend(validator, {"properties": fill})


def _sentence(error: jsonschema.ValidationError) -> str:
    """One sentence for the schema's error: the key, the value found, the value expected."""
    where = ".".join(map(str, error.absolute_path)) or "the config"
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
        return f"{where} is {error.instance!r}, expected {' or '.join(expected)}{remedy}."
    if error.validator == "enum":
        values = ", ".join(map(str, error.validator_value))
        return f"{where} is {error.instance!r}, expected one of {values}."
    if error.validator == "pattern":
        return f"{where}: found {error.instance!r}, expected {error.schema['expected']}."
    return f"{where}: {error.message}."


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
