"""Diff: which properties differ between a state and new inputs, and how."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.lab.standins.checking import DEFAULTS
from tests.lab.standins.schema import Fields, Prop
from tests.lab.standins.values import UNKNOWN, Json

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"


class Changes:
    """Paths of changed properties with their kind (ADD, DELETE, UPDATE), and those that need a replacement."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self.replacing: set[str] = set()

    def tops(self, *, replacing: bool = False) -> list[str]:
        """The changed top-level properties, or only those that need a replacement."""
        paths = self.replacing if replacing else self.kinds
        return sorted({top_of(path) for path in paths})


def top_of(path: str) -> str:
    """The top-level property of a path."""
    return path.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def compare(fields: Fields, state: Mapping[str, Any], news: Mapping[str, Any], ignored: Sequence[str] = ()) -> Changes:
    """The differences between a state and new inputs, without those below the `ignored` paths."""
    changes = Changes()
    for name, prop in fields.items():
        found = _compare_top(prop, state.get(name), news.get(name), name)
        found = {path: kind for path, kind in found.items() if not _is_ignored(path, ignored)}
        changes.kinds.update(found)
        if prop.replace:
            changes.replacing.update(found)
    return changes


def _is_ignored(path: str, ignored: Sequence[str]) -> bool:
    return any(path == rule or path.startswith((rule + ".", rule + "[")) for rule in ignored)


def _compare_top(prop: Prop, old: Json, new: Json, name: str) -> dict[str, str]:
    if new is None and (prop.output or prop.computed):
        # A list that the provider was to choose and never did: only a state of a failed creation has that.
        return {name: ADD} if prop.kind == "list" and prop.fields is None and old is None and prop.computed else {}
    if new == "" and prop.blank_keeps:
        return {}
    return compare_value(prop, old, new, name)


def compare_value(prop: Prop, old: Json, new: Json, path: str) -> dict[str, str]:
    """The differences of one property, by path. Nothing, null and zero mean the same."""
    if is_zero(new):
        given = new is not None and prop.kind in _SCALARS
        return {} if is_zero(old) else {path: UPDATE if given else DELETE}
    if old is None or (old in ([], {}) and prop.kind not in _SCALARS):
        return {path: ADD}
    if new == UNKNOWN:
        return {path: UPDATE}
    return _COMPARE[prop.kind](prop, old, new, path)


_SCALARS = ("str", "int", "bool", "any")


def _compare_scalar(prop: Prop, old: Json, new: Json, path: str) -> dict[str, str]:
    """Differences of a value without parts. An asset is the same when its hash is."""
    if isinstance(old, dict) and isinstance(new, dict) and "hash" in old and "hash" in new:
        old, new = old["hash"], new["hash"]
    return {} if old == new else {path: UPDATE}


def _compare_object(prop: Prop, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, str]:
    fields = prop.fields or {}
    return _merge(compare_value(sub, old.get(name), new.get(name), f"{path}.{name}") for name, sub in fields.items())


def is_zero(value: Json) -> bool:
    """Whether a value is null, zero or empty; an object is when all its properties are."""
    if isinstance(value, dict):
        return all(is_zero(item) for key, item in value.items() if key != DEFAULTS)
    return value is None or value in ("", 0, [])


def _compare_map(prop: Prop, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in sorted({*old, *new}):
        where = f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'
        if key not in new:
            found[where] = DELETE
        elif key not in old:
            found[where] = ADD
        elif old[key] != new[key]:
            found[where] = UPDATE
    return found


def _compare_list(prop: Prop, old: Sequence[Any], new: Sequence[Any], path: str) -> dict[str, str]:
    assert prop.item is not None
    found = _merge(
        compare_value(prop.item, before, after, f"{path}[{index}]")
        for index, (before, after) in enumerate(zip(old, new, strict=False))
    )
    found |= {f"{path}[{index}]": ADD for index in range(len(old), len(new))}
    found |= {f"{path}[{index}]": DELETE for index in range(len(new), len(old))}
    return found


def _compare_set(prop: Prop, old: Sequence[Any], new: Sequence[Any], path: str) -> dict[str, str]:
    assert prop.item is not None
    item = prop.item
    removed = dict(enumerate(old))
    added: dict[int, Any] = {}
    for index, value in enumerate(new):
        same = next((at for at, other in removed.items() if not compare_value(item, other, value, "")), None)
        if same is None:
            added[index] = value
        else:
            del removed[same]
    found: dict[str, str] = {}
    for index in sorted({*removed, *added}):
        where = f"{path}[{index}]"
        if index in removed and index in added:
            found |= compare_value(item, removed[index], added[index], where) or {where: UPDATE}
        else:
            found[where] = ADD if index in added else DELETE
    return found


def _merge(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return {path: kind for part in parts for path, kind in part.items()}


_COMPARE: Mapping[str, Callable[[Prop, Json, Json, str], dict[str, str]]] = {
    "str": _compare_scalar,
    "int": _compare_scalar,
    "bool": _compare_scalar,
    "any": _compare_scalar,
    "object": _compare_object,
    "map": _compare_map,
    "list": _compare_list,
    "set": _compare_set,
}
