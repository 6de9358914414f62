"""Evaluates the `map` blocks of a configuration as nginx does, for the few forms of them that ours have."""

from __future__ import annotations

import re
from functools import cache

_MAP = re.compile(r'^map (?P<source>"[^"]*"|\S+) (?P<name>\$\w+) \{\n(?P<rows>.*?)^\}', re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"""\s+(?P<key>"(?:[^"\\]|\\.)*"|'[^']*'|\S+) (?P<value>'[^']*'|"[^"]*"|[^\s;]+);""")
_VARIABLE = re.compile(r"\$(\w+)")


class Maps:
    """The maps of some text; a variable that none of them makes is one of the request's."""

    def __init__(self, text: str) -> None:
        found = list(_MAP.finditer(text))
        self._maps = {entry["name"][1:]: (_bare(entry["source"]), _rows(entry["rows"])) for entry in found}

    def value(self, name: str, **request: str) -> str:
        """What the variable `name` is for a request, given by the variables that nginx has of it."""
        return self._value(name, dict(request))

    def _value(self, name: str, known: dict[str, str]) -> str:
        if name not in known:
            if name not in self._maps:
                return ""
            source, rows = self._maps[name]
            known[name] = self._fill(_matching(self._fill(source, known), rows, known), known)
        return known[name]

    def _fill(self, text: str, known: dict[str, str]) -> str:
        return _VARIABLE.sub(lambda found: self._value(found[1], known), text)


def _matching(source: str, rows: list[tuple[str, str]], known: dict[str, str]) -> str:
    plain = {
        key.removeprefix("\\").lower(): value for key, value in rows if not key.startswith("~") and key != "default"
    }
    if source.lower() in plain:
        return plain[source.lower()]
    # nginx compares no expression with nothing.
    for key, value in rows if source else ():
        if key.startswith("~") and (found := _expression(key[1:]).search(source)):
            known.update({name: group for name, group in found.groupdict().items() if group is not None})
            return value
    return dict(rows).get("default", "")


@cache
def _expression(text: str) -> re.Pattern[str]:
    flags = re.IGNORECASE if text.startswith("*") else 0
    text = text.removeprefix("*").replace("(?<", "(?P<").replace("(?P<!", "(?<!")
    return re.compile(text.replace("\\z", "\\Z"), flags)


def _rows(text: str) -> list[tuple[str, str]]:
    code = "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))
    return [(_bare(row["key"]), _bare(row["value"])) for row in _ROW.finditer(code)]


def _bare(word: str) -> str:
    """A word of the configuration without its quotes and what they escape."""
    if word[0] in "\"'":
        return re.sub(r"\\([\"'\\])", r"\1", word[1:-1])
    return word
