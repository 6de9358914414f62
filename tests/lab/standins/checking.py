"""Check: the inputs with defaults filled in, and what is wrong with them."""

import re
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.schema import Fields, Prop
from tests.lab.standins.values import UNKNOWN, Json, Props

DEFAULTS = "__defaults"
Problems = list[tuple[str, str]]

_TYPES: Mapping[str, type[Any]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "list": list,
    "set": list,
    "map": dict,
    "object": dict,
}


def check(fields: Fields, news: Mapping[str, Any], path: str = "") -> tuple[Props, Problems]:
    """The checked inputs of an object, and its problems as pairs of a property path and a reason."""
    checked: Props = {}
    problems: Problems = []
    for name, value in news.items():
        if name == DEFAULTS or value is None:
            continue
        where = f"{path}.{name}" if path else name
        prop = fields.get(name)
        if prop is None or prop.output:
            problems.append((where, f"unknown property {where!r}"))
            continue
        checked[name], found = _check_value(prop, value, where)
        problems += found
    defaults = [name for name, prop in fields.items() if prop.default is not None and name not in checked]
    checked.update({name: fields[name].default for name in defaults})
    checked[DEFAULTS] = sorted(defaults)
    for name, prop in fields.items():
        if prop.required and name not in checked:
            where = f"{path}.{name}" if path else name
            problems.append((where, f"Missing required argument: {where!r}"))
    return checked, problems


def _check_value(prop: Prop, value: Json, where: str) -> tuple[Json, Problems]:
    if value == UNKNOWN or prop.kind == "any":
        return value, []
    if not isinstance(value, _TYPES[prop.kind]) or (prop.kind == "int" and isinstance(value, bool)):
        return value, [(where, f"expected {prop.kind}, got {type(value).__name__}")]
    if prop.pattern is not None and not re.fullmatch(prop.pattern, str(value)):
        return value, [(where, f"{value!r} doesn't match {prop.pattern}")]
    if prop.fields is not None:
        return check(prop.fields, value, where)
    return (value, []) if prop.item is None else _check_items(prop.item, value, where)


def _check_items(item: Prop, values: Json, where: str) -> tuple[Json, Problems]:
    if isinstance(values, dict):
        pairs = {key: _check_value(item, value, f"{where}.{key}") for key, value in values.items()}
        return {key: value for key, (value, _) in pairs.items()}, [p for _, found in pairs.values() for p in found]
    results = [_check_value(item, value, f"{where}[{index}]") for index, value in enumerate(values)]
    return [value for value, _ in results], [problem for _, found in results for problem in found]
