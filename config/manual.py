"""The settings as a page for people, made from the same source as the schema: `python -m config.manual` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.schema import build

PATH = Path(__file__).parents[1] / "docs" / "settings.md"

_HEAD = """# Settings

Every setting of a stack file, with its default, as `make schema` writes it from the program. An annotated example to
start from is [Pulumi.example.yaml](../Pulumi.example.yaml). A secret is set with `pulumi config set --secret --path`.
"""


def render() -> str:
    """The page as Markdown."""
    schema = build()
    definitions = schema["$defs"]
    sections = [
        line
        for key, concern in schema["properties"]["config"]["properties"].items()
        for line in _section(key, _target(concern), definitions)
    ]
    return _HEAD + "\n".join(sections) + "\n"


def _section(title: str, name: str, definitions: dict[str, Any]) -> Iterator[str]:
    """A concern: what it is, a line for each setting, and its parts that have settings of their own."""
    definition = definitions[name]
    yield f"\n## `{title}`\n\n{_text(definition.get('description', ''))}\n"
    yield "| Setting | Default | Meaning |\n|---|---|---|"
    parts: list[tuple[str, str]] = []
    required = set(definition.get("required", ()))
    for setting, schema in definition["properties"].items():
        part = _target(schema)
        if part and part != "Encrypted":
            parts.append((f"{title}.{setting}", part))
        yield f"| `{setting}` | {_default(schema, setting in required, bool(part))} | {_meaning(schema)} |"
    for inner, part in parts:
        yield from _section(inner, part, definitions)


def _target(schema: dict[str, Any]) -> str:
    """The name of the definition that a schema leads to, in a list or a choice too, or nothing."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "items" in schema:
        return _target(schema["items"])
    found = (_target(choice) for choice in schema.get("anyOf", ()))
    return next((name for name in found if name), "")


def _default(schema: dict[str, Any], required: bool, has_parts: bool) -> str:
    if required:
        return "**needed**"
    if schema.get("default") is None:
        return "its parts'" if has_parts and _target(schema) != "Encrypted" else "none"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`"


def _meaning(schema: dict[str, Any]) -> str:
    """What the setting means, and the bounds of a number."""
    bounded = next((one for one in (schema, *schema.get("anyOf", ())) if "minimum" in one), None)
    bounds = f" From {bounded['minimum']} to {bounded['maximum']}." if bounded else ""
    return _text(schema["description"]) + bounds


def _text(description: str) -> str:
    """As one line of a table."""
    return " ".join(description.split()).replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
