"""JSON Schema of a stack file, for editors. `python -m config.schema` writes it beside this module."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from config.base import CONTAIN_SECRETS, MUST_BE_SECRET, NAMESPACE, NEVER_SHOWN, Concern
from config.settings import Settings

PATH = Path(__file__).with_name("schema.json")
"""Where the schema lies in the repository."""

REQUIRED = ("host", "site", "users")
"""Concerns without which no stack is complete."""

_ENCRYPTED = {"$ref": "#/$defs/Encrypted"}
_ENCRYPTED_DEFINITION = {
    "title": "Encrypted",
    "description": "A value that `pulumi config set --secret` encrypted.",
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}


def build() -> dict[str, Any]:
    """The schema of a `Pulumi.<stack>.yaml` of this program."""
    concerns = Settings.model_json_schema(by_alias=True, mode="validation")
    models = {model.__name__: _descriptions(model) for model in _models(Concern)}
    definitions = {name: _with_secrets(definition, models[name]) for name, definition in concerns["$defs"].items()}
    properties = {f"{NAMESPACE}:{name}": _concern(name, of) for name, of in concerns["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of docker-registry",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": properties,
                # Keys of other namespaces belong to others.
                "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
                "additionalProperties": False,
                "required": [f"{NAMESPACE}:{name}" for name in REQUIRED],
            }
        },
        "required": ["config"],
        "$defs": {**definitions, "Encrypted": _ENCRYPTED_DEFINITION},
    }


def _concern(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One concern: a structure or, where it has secrets, the whole of it encrypted."""
    plain = {key: value for key, value in schema.items() if key in ("$ref", "type", "items", "minItems")}
    return {"anyOf": [plain, _ENCRYPTED]} if name in CONTAIN_SECRETS else plain


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models of all concerns: those that share `Concern`."""
    for concern in model.__subclasses__():
        yield concern
        yield from _models(concern)


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the text below each field says, by the field's name in the stack file.

    Pydantic can read it too, but does so whenever a model is loaded: a tenth of a second of every run.
    """
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - the source of a class
    found = {}
    for field, text in itertools.pairwise(definition.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[to_camel(name)] = inspect.cleandoc(words)
    return found


def _with_secrets(definition: dict[str, Any], descriptions: dict[str, str]) -> dict[str, Any]:
    """A described definition whose secret settings take an encrypted value, and only one where they must."""
    properties = {
        name: {"description": descriptions[name], **{key: value for key, value in schema.items() if key != "title"}}
        for name, schema in definition.get("properties", {}).items()
    }
    for name in properties.keys() & NEVER_SHOWN:
        kinds = [_ENCRYPTED] if name in MUST_BE_SECRET else [{"type": "string"}, _ENCRYPTED]
        description = properties[name]["description"]
        properties[name] = {"description": description, "anyOf": [*kinds, {"type": "null"}]}
    return definition | {"properties": properties} if properties else definition


def render() -> str:
    """The schema as the text of its file."""
    return json.dumps(build(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
