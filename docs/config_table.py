"""Write the table of keys in config/README.md from the schema: `make config-table`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from denoising.study.config import with_names  # noqa: E402

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
PAGE = ROOT / "config/README.md"
START = "<!-- Generated from the schema: edit that, then run `make config-table` -->\n"
HEAD = "| key | value | default | runs again from | meaning |\n| --- | --- | --- | --- | --- |\n"
NAMES = {"boolean": "true, false", "string": "text", "array": "list", "object": ""}

Schema = dict[str, Any]


def rows(schema: Schema, definitions: Schema, path: str = "") -> Iterator[str]:
    """A line of the table per key, each followed by those of the keys below it."""
    for key, value in schema.get("properties", {}).items():
        default = default_of(value, key in schema.get("required", []))
        description = value.get("description", "")
        again = value.get("reruns", "")
        yield f"| `{path}{key}` | {values_of(value)} | {default} | {again} | {description} |\n"
        inside = value.get("additionalProperties")
        if isinstance(inside, dict) and "$ref" in inside:
            definition = definitions[inside["$ref"].split("/")[-1]]
            yield from rows(definition, definitions, f"{path}{key}.NAME.")
        elif value.get("type") == "array":
            yield from rows(value["items"], definitions, f"{path}{key}[].")
        else:
            yield from rows(value, definitions, f"{path}{key}.")


def values_of(value: Schema) -> str:
    """The values that a key takes: their list, or their type and limits."""
    if "enum" in value:
        return ", ".join(f"`{as_yaml(choice)}`" for choice in value["enum"])
    types = value["type"] if isinstance(value["type"], list) else [value["type"]]
    names = [NAMES.get(name, name) for name in types if name != "null"]
    limits = {"minimum": "at least", "exclusiveMinimum": "above"}
    limits |= {"maximum": "at most", "exclusiveMaximum": "below"}
    names[-1] += "".join(f", {word} {value[key]}" for key, word in limits.items() if key in value)
    items = value.get("items", {})
    if items.get("type") != "object" and items:
        names[-1] += f" of {values_of(items)}"
    return " or ".join(names)


def default_of(value: Schema, is_required: bool) -> str:
    """The default of a key; nothing for a key that only holds others."""
    if is_required:
        return "required"
    default = value.get("default", {})
    if default == {}:
        return ""
    return f"`{as_yaml(default)}`" if default != "" else "empty"


def as_yaml(value: Any) -> str:
    """A value as YAML writes it, on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def page(text: str) -> str:
    """The page with its table, which is its last part, made anew."""
    schema = with_names(yaml.safe_load(SCHEMA.read_text()))
    kept = text[: text.index(START) + len(START)]
    return kept + "\n" + HEAD + "".join(rows(schema, schema["$defs"]))


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
