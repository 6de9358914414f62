"""Turns what pydantic found into faults with the keys, values and words of the stack file."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.base import CONTAIN_SECRETS, MUST_BE_SECRET, NAMESPACE, NEVER_SHOWN, Concern
from config.errors import SECRET, Fault, shown

Location = tuple[int | str, ...]

_TYPES = {
    "string_type": "text, in quotes where YAML would take it for something else",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
}
_KINDS = {"model_type": "a mapping of settings", "tuple_type": "a list"}

RETIRED = {"images.regbot": "nothing needs this image any more"}
"""Settings of earlier versions → why there are none of that name now."""


def key_of(concern: str, location: Location = ()) -> str:
    """The full key of a setting: `docker-registry:users[1].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{NAMESPACE}:{concern}" + "".join(parts)


def command_for(key: str, field: FieldInfo | None = None) -> str:
    """The command that sets a setting, with an example of a value.

    Without a value it asks for it, which keeps a secret out of the shell's history.
    """
    name = key.rpartition(".")[2]
    secret = "--secret " if name in MUST_BE_SECRET else ""
    example = f" {field.examples[0]}" if field and field.examples else ""
    return f"pulumi config set {secret}--path '{key}'{example}"


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the known name that is most like the given one, or nothing."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower().replace("_", ""), list(lowered), n=1)
    return f" (did you mean {lowered[close[0]]}?)" if close else ""


def fields_of(model: type[Concern]) -> dict[str, FieldInfo]:
    """The settings of a concern by their names in the stack file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def inner_model(annotation: object) -> type[Concern] | None:
    """The model in an annotation such as `tuple[User, ...]` or `UploadPurging`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Concern) else None
    inner = (inner_model(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model), None)


def _walk(annotation: object, location: Location) -> tuple[type[Concern] | None, FieldInfo | None]:
    """The model that a location lies in, and the field it names, where there is one."""
    model, field = inner_model(annotation), None
    for part in location:
        if isinstance(part, int):
            continue
        if field is not None:
            model = inner_model(field.annotation)
        field = fields_of(model).get(part) if model else None
    return model, field


def faults_of(
    error: ValidationError, concern: str, annotation: object, *, hidden: Callable[[Location], bool]
) -> Iterator[Fault]:
    """The faults of one concern. A value in a place that is `hidden` is not shown, because it is secret."""
    for detail in error.errors(include_url=False):
        yield _fault(detail, concern, annotation, hidden=hidden)


def _fault(detail: ErrorDetails, concern: str, annotation: object, *, hidden: Callable[[Location], bool]) -> Fault:
    location, value = detail["loc"], detail["input"]
    if detail["type"] != "extra_forbidden":
        location = _in_stack_file(location)
    context: Mapping[str, Any] = detail.get("ctx", {})
    key = key_of(concern, location)
    model, field = _walk(annotation, location)
    if detail["type"] == "extra_forbidden":
        retired = RETIRED.get(key.partition(":")[2])
        if retired:
            expected = f"no such setting, because {retired}; pulumi config rm --path '{key}' removes it"
            return Fault(key, "a setting of an earlier version", expected)
        known = list(fields_of(model)) if model else []
        hint = nearest(str(location[-1]), known)
        return Fault(key, "an unknown setting", f"only {', '.join(known)}{hint}")
    if detail["type"] == "missing" or (field and field.is_required() and value in (None, "")):
        expected = f"a value; set it with {command_for(key, field)}"
        return Fault(key, shown(None if detail["type"] == "missing" else value), expected)
    # Text where a structure belongs can be a secret in the wrong place.
    secret = hidden(location) or _may_hold_secrets(concern, field)
    return Fault(key, _found(location, value, context, hidden=secret), _expected(detail, field, context))


def _may_hold_secrets(concern: str, field: FieldInfo | None) -> bool:
    """Whether a structure with secrets belongs in this place: a concern, an entry of a list or a setting."""
    if field is None:
        return concern in CONTAIN_SECRETS
    model = inner_model(field.annotation)
    return model is not None and bool(MUST_BE_SECRET & fields_of(model).keys())


def _in_stack_file(location: Location) -> Location:
    """The location by names of the stack file: pydantic gives the Python name where a default is at fault."""
    return tuple(to_camel(part) if isinstance(part, str) and "_" in part else part for part in location)


def _found(location: Location, value: object, context: Mapping[str, Any], *, hidden: bool) -> str:
    if context.get("found"):
        return str(context["found"])
    if value is None or isinstance(value, dict | list):
        return shown(value)
    if hidden or NEVER_SHOWN & {str(part) for part in location}:
        return SECRET
    return shown(value)


def _with_index(expected: str, location: Location) -> str:
    """The text with the entry's number: a validator of one entry does not know it."""
    numbers = [part for part in location if isinstance(part, int)]
    return expected.replace("[N]", f"[{numbers[0]}]") if numbers else expected


def _expected(detail: ErrorDetails, field: FieldInfo | None, context: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind == "refused":
        return _with_index(str(context["expected"]), detail["loc"])
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind in _KINDS:
        return _KINDS[kind]
    example = field.examples[0] if field and field.examples else None
    suffix = f", for example {example}" if example is not None else ""
    return _TYPES.get(kind, detail["msg"].lower()) + suffix
