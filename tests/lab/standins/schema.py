"""What a property is: enough of a provider's schema to check inputs and to compare them with a state."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

Kind = Literal["str", "int", "bool", "list", "set", "map", "object", "any"]


class Prop(NamedTuple):
    """One property of a resource or of a nested object.

    `kind`: "set" is a list whose order means nothing,
    "any" has no type. `item`: what a list, set or map holds. `fields`: of an object.
    `replace`: a change makes a new resource. `computed`: without an input, the provider chooses the value.
    `output`: never an input. `default`: filled in by Check. `missing`: in a state, when neither input nor known.
    `blank_keeps`: an empty input is no change, whatever the state has.
    """

    kind: Kind
    item: "Prop | None" = None
    fields: "Mapping[str, Prop] | None" = None
    replace: bool = False
    computed: bool = False
    output: bool = False
    required: bool = False
    default: Any = None
    missing: Any = None
    blank_keeps: bool = False
    pattern: str | None = None


class Options(TypedDict, total=False):
    """What can be said about a property of any kind."""

    replace: bool
    computed: bool
    output: bool
    required: bool
    default: Any
    missing: Any
    blank_keeps: bool
    pattern: str


Fields = Mapping[str, Prop]


def text(**options: Unpack[Options]) -> Prop:
    """A string property."""
    return Prop("str", **options)


def number(**options: Unpack[Options]) -> Prop:
    """A whole number property."""
    return Prop("int", **options)


def flag(**options: Unpack[Options]) -> Prop:
    """A boolean property."""
    return Prop("bool", **options)


def texts(kind: Literal["list", "set"] = "set", **options: Unpack[Options]) -> Prop:
    """A collection of strings."""
    return Prop(kind, item=Prop("str"), **options)


def mapping(**options: Unpack[Options]) -> Prop:
    """A map of strings."""
    return Prop("map", item=Prop("str"), **options)


def block(fields: Fields, **options: Unpack[Options]) -> Prop:
    """A nested object."""
    return Prop("object", fields=fields, **options)


def blocks(
    fields: Fields, kind: Literal["list", "set"] = "set", *, replace: bool = False, computed: bool = False
) -> Prop:
    """A collection of nested objects; empty where a state has none."""
    return Prop(kind, item=Prop("object", fields=fields), missing=[], replace=replace, computed=computed)
