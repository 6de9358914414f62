"""What the resources of the Docker provider have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tests.lab.standins.checking import DEFAULTS
from tests.lab.standins.diffing import compare_value, is_zero
from tests.lab.standins.engine_api import EngineApi
from tests.lab.standins.schema import Fields, Prop
from tests.lab.standins.values import UNKNOWN, Json, Props


class RefusedError(Exception):
    """An operation failed before the resource existed."""

    def __init__(self, text: str) -> None:
        super().__init__(one_error(text))


class IncompleteError(Exception):
    """The resource exists but isn't as it should be; `identity` is its ID."""

    def __init__(self, identity: str, text: str) -> None:
        super().__init__(one_error(text))
        self.identity = identity


def one_error(text: str) -> str:
    """A failure in the words of the provider."""
    return f"1 error occurred:\n\t* {text}\n\n"


class Daemon:
    """The daemon a provider works on, and the logins for registries (by address)."""

    def __init__(self, api: EngineApi, logins: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.api = api
        self.logins = logins or {}


class Resource(Protocol):
    """One resource type. States have all properties of `fields`, null where there is nothing."""

    fields: Fields
    named: bool  # gets a generated name when none is given

    def create(self, daemon: Daemon, inputs: Props) -> tuple[str, Props]:
        """Make it and return its ID and state; raises RefusedError or IncompleteError."""
        ...

    def read(self, daemon: Daemon, identity: str, state: Props) -> tuple[str, Props] | None:
        """Its ID and its state now, or None when it is gone; raises RefusedError."""
        ...

    def update(self, daemon: Daemon, identity: str, state: Props, planned: Props) -> Props:
        """Bring it from `state` to `planned` and return the new state; raises RefusedError."""
        ...

    def delete(self, daemon: Daemon, identity: str, state: Props) -> None:
        """Remove it; raises RefusedError."""
        ...


def blank(prop: Prop, filler: Json) -> Json:
    """What a state has for a property without an input."""
    return filler if prop.computed or prop.output else prop.missing


def planned_state(fields: Fields, inputs: Mapping[str, Any], *, filler: Json = None) -> Props:
    """The state that the inputs lead to. `filler` stands where the provider chooses the value."""
    state: Props = {}
    for name, prop in fields.items():
        value = inputs.get(name)
        if value is None:
            state[name] = blank(prop, filler) if filler is not None else prop.missing
        else:
            state[name] = full_value(prop, value)
    return state


def full_value(prop: Prop, value: Json, *, zero: bool = False) -> Json:
    """An input as a state has it: nested objects with all their properties, null (or zero) where there is none."""
    if value == UNKNOWN or value is None:
        return _zero(prop) if value is None and zero else value
    if prop.fields is not None:
        return {name: _full_field(sub, value.get(name), zero) for name, sub in prop.fields.items()}
    if prop.item is not None and prop.kind != "map":
        return [full_value(prop.item, item, zero=zero) for item in value]
    return value


def _full_field(prop: Prop, value: Json, zero: bool) -> Json:
    if value is None and prop.kind == "set":
        return []
    return full_value(prop, value, zero=zero or (prop.kind == "str" and value is None))


def _zero(prop: Prop) -> Json:
    return {"str": "", "int": 0, "bool": False, "list": [], "set": [], "map": {}}.get(prop.kind)


def updated_state(fields: Fields, state: Props, inputs: Mapping[str, Any], *, preview: bool) -> Props:
    """The state after an update that the provider doesn't read back."""
    result: Props = {}
    for name, prop in fields.items():
        old, new = state.get(name), inputs.get(name)
        if new is None:
            keeps = prop.computed or prop.output or is_zero(old)
            result[name] = _zeroed(prop, old, preview) if keeps else (None if preview else _zero(prop))
        elif compare_value(prop, old, new, name):
            result[name] = full_value(prop, new, zero=not preview)
        else:
            result[name] = _zeroed(prop, old, preview)
    return result


def _zeroed(prop: Prop, value: Json, preview: bool) -> Json:
    nested = prop.item is not None and prop.item.fields is not None
    return full_value(prop, value, zero=True) if nested and value and not preview else value


def merged_inputs(fields: Fields, inputs: Mapping[str, Any], state: Mapping[str, Any]) -> Props:
    """The inputs after a refresh: each one that differs from the state has the state's value."""
    result: Props = {}
    for name, value in inputs.items():
        prop = fields.get(name)
        if name == DEFAULTS:
            if value:
                result[name] = value
        elif prop is None or not compare_value(prop, state.get(name), value, name):
            result[name] = without_empty_defaults(value)
        elif prop.fields is not None and isinstance(state.get(name), dict):
            result[name] = {key: item for key, item in state[name].items() if item is not None}
        else:
            result[name] = state.get(name)
    return {name: value for name, value in result.items() if value is not None}


def without_empty_defaults(value: Json) -> Json:
    """The value without empty lists of defaulted properties."""
    if isinstance(value, dict):
        return {k: without_empty_defaults(v) for k, v in value.items() if not (k == DEFAULTS and not v)}
    if isinstance(value, list):
        return [without_empty_defaults(item) for item in value]
    return value


def label_map(labels: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """A list of label objects as a map."""
    return {label["label"]: label["value"] for label in labels or []}


def label_list(labels: Mapping[str, str] | None) -> list[Props]:
    """A map as a list of label objects."""
    return [{"label": name, "value": value} for name, value in sorted((labels or {}).items())]


def keep_null(planned: Json, found: Json) -> Json:
    """After a creation, what was never asked for and is empty stays null."""
    return None if planned is None and found in ([], {}, None) else found
