"""The page of settings is that of the program, and leaves out none."""

from __future__ import annotations

import json
import re
from collections import Counter

from config.manual import PATH, render
from config.schema import build


def test_the_page_is_up_to_date() -> None:
    """`make schema` writes it."""
    assert PATH.read_text(encoding="utf-8") == render(), "make schema"


def test_every_setting_is_there() -> None:
    """Once for each place where it can be set, with words that say what it is."""
    rows = re.findall(r"^\| `(\w+)` \| .+ \| .{10,} \|$", render(), re.MULTILINE)
    schema = build()
    definitions = {name: of for name, of in schema["$defs"].items() if name != "Encrypted"}
    places = Counter(re.findall(r"#/\$defs/(\w+)", json.dumps(schema)))
    assert len(rows) == sum(len(of["properties"]) * places[name] for name, of in definitions.items())
    assert set(rows) == {setting for of in definitions.values() for setting in of["properties"]}


def test_what_must_be_set_is_marked() -> None:
    needed = set(re.findall(r"^\| `(\w+)` \| \*\*needed\*\* ", render(), re.MULTILINE))
    assert {"address", "fqdn", "name"} <= needed
    assert "port" not in needed


def test_defaults_are_shown() -> None:
    assert "| `httpsPort` | `443` |" in render()
