"""config/README.md describes every key of the schema, with its default."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def described(schema, definitions, path=""):
    """A line a key: its path, default and description."""
    for key, value in schema.get("properties", {}).items():
        yield f"| `{path}{key}` | {_default(value, schema, key)} | {value.get('description', '')} |"
        inside = value.get("additionalProperties")
        if isinstance(inside, dict) and "$ref" in inside:
            yield from described(
                definitions[inside["$ref"].split("/")[-1]], definitions, f"{path}{key}.NAME."
            )
        elif value.get("type") == "array" and value["items"].get("type") == "object":
            yield from described(value["items"], definitions, f"{path}{key}[].")
        elif value.get("type") == "object" and key != "models":
            yield from described(value, definitions, f"{path}{key}.")


def _default(value, schema, key):
    if key in schema.get("required", []):
        return "required"
    if value.get("default", {}) == {}:
        return ""
    default = value["default"]
    return (
        f"`{yaml.safe_dump(default, default_flow_style=True).splitlines()[0]}`"
        if default != ""
        else "empty"
    )


def test_every_key_is_described():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    readme = (ROOT / "config/README.md").read_text()
    missing = [line for line in described(schema, schema["$defs"]) if line not in readme]
    assert not missing, "add to config/README.md:\n" + "\n".join(missing)
