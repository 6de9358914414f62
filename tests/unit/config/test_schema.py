"""Editors check a stack file as the program does, as far as a JSON Schema can."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from config import schema
from tests.unit.config.stack import HOST_KEY
from tests.unit.config.test_example import EXAMPLE

SCHEMA = schema.build()
SECURE = {"secure": "AAABAExample"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def _matches(value: Any, rule: dict[str, Any]) -> bool:  # noqa: ANN401 - any YAML value
    """Whether a value fits a schema made of the few keywords that ours has."""
    if "$ref" in rule:
        return _matches(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    if "anyOf" in rule:
        return any(_matches(value, choice) for choice in rule["anyOf"])
    if type(value) is not TYPES[rule["type"]]:
        return False
    match value:
        case dict():
            fits = _fits_object(value, rule)
        case list():
            fits = len(value) >= rule.get("minItems", 0) and all(_matches(each, rule["items"]) for each in value)
        case bool() | None:
            fits = True
        case int():
            fits = rule.get("minimum", value) <= value <= rule.get("maximum", value)
        case _:
            fits = value in rule.get("enum", [value]) and value == rule.get("const", value)
    return fits


def _fits_object(value: dict[str, Any], rule: dict[str, Any]) -> bool:
    if not set(rule.get("required", [])) <= value.keys():
        return False
    properties = rule.get("properties", {})
    unknown = [key for key in value if key not in properties]
    if rule.get("patternProperties"):
        unknown = [key for key in unknown if key.startswith("docker-registry:")]
    if unknown and rule.get("additionalProperties", True) is False:
        return False
    return all(_matches(value[key], properties[key]) for key in value if key in properties)


def accepts(**concerns: object) -> bool:
    stack: dict[str, object] = {
        "docker-registry:host": {"address": "dr.example.net", "hostKey": HOST_KEY},
        "docker-registry:site": {"fqdn": "dr.example.net"},
        "docker-registry:users": [{"name": "alice", "password": SECURE}],
    }
    stack |= {f"docker-registry:{name}": value for name, value in concerns.items()}
    return _matches({"config": stack}, SCHEMA)


def test_the_file_is_current() -> None:
    current = schema.PATH.read_text(encoding="utf-8") == schema.render()
    assert current, "config/schema.json is stale: run python -m config.schema"


def test_the_example_is_accepted() -> None:
    assert _matches(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    "concerns",
    [
        {},
        {"users": SECURE},
        {"users": [{"name": "alice", "hash": "$apr1$x"}, {"name": "bob", "hash": SECURE}]},
        {"host": {"address": "h", "privateKey": SECURE, "port": 2222}},
        {"registry": {"httpSecret": SECURE, "uploadPurging": {"age": "1h"}}},
        {"nginx": {"tlsProfile": "modern"}},
        {
            "certificate": {
                "mode": "acme",
                "acme": {"eabKeyId": "kid", "eabHmacKey": SECURE, "names": ["a.example.net"]},
            }
        },
        {"certificate": {"mode": "acme", "renewal": {"schedule": "daily"}, "warnDays": 3}},
    ],
    ids=str,
)
def test_good_stack_files(concerns: dict[str, object]) -> None:
    assert accepts(**concerns)


@pytest.mark.parametrize(
    "concerns",
    [
        {"sites": {}},
        {"site": {"fqdn": "dr.example.net", "port": 1}},
        {"site": {}},
        {"users": []},
        {"users": [{"name": "alice", "password": "in plain text"}]},
        {"host": {"address": "h", "privateKey": "in plain text"}},
        {"host": {"address": "h", "port": "22"}},
        {"host": {"address": "h", "port": 65536}},
        {"host": {"address": "h", "sudo": "yes"}},
        {"nginx": {"tlsProfile": "old"}},
        {"certificate": {"mode": "acme", "acme": {"eabHmacKey": "in plain text"}}},
        {"certificate": {"mode": "acme", "acme": {"keyType": "dsa"}}},
        {"certificate": {"mode": "acme", "acme": {"names": "a.example.net"}}},
        {"certificate": {"mode": "acme", "renewal": {"shedule": "daily"}}},
        {"certificate": {"warnDays": 0}},
        {"registry": {"uploadPurging": {"ages": "1h"}}},
    ],
    ids=str,
)
def test_bad_stack_files(concerns: dict[str, object]) -> None:
    assert not accepts(**concerns)


def test_every_setting_is_explained() -> None:
    silent = [
        f"{name}.{setting}"
        for name, definition in SCHEMA["$defs"].items()
        if name != "Encrypted"
        for setting, rule in definition["properties"].items()
        if not rule.get("description")
    ]
    assert silent == []
