"""What all setting models share: strictness, naming, and the way a validator states what it expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

NAMESPACE = "docker-registry"
"""The configuration namespace of the program: the part before the colon of each key."""

MUST_BE_SECRET = frozenset({"privateKey", "password", "httpSecret", "eabHmacKey"})
"""Settings whose value may only be stored encrypted in the stack file."""

CONTAIN_SECRETS = frozenset({"host", "users", "certificate", "registry"})
"""Concerns with such settings."""

NEVER_SHOWN = MUST_BE_SECRET | {"hash"}
"""Settings whose value never appears in a message. A hash may be stored in plain text all the same."""


HIDDEN = PlainSerializer(lambda _: "[secret]", return_type=str)
"""How a dump of the settings shows what is known of a secret."""


@dataclass(frozen=True)
class Supplied:
    """That a secret was given; the secret itself is not kept here."""


class Concern(BaseModel):
    """The settings of one concern, as one structured value of the stack configuration.

    Immutable; unknown keys are refused; a value of the wrong type is refused rather than converted.
    The stack file writes names in camelCase, Python code in snake_case.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def refused(expected: str, *, found: str | None = None) -> PydanticCustomError:
    """The error a validator raises.

    `expected` completes "expected …". `found` replaces the value in the message where the value itself
    says too little or must not be shown.
    """
    return PydanticCustomError("refused", "{expected}", {"expected": expected, "found": found})


def as_text(value: object) -> str:
    """The value, when it is text; the common first step of validators that turn text into something else."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text")
    return value


def within(low: int, high: int, unit: str) -> Callable[[int], int]:
    """A check that a whole number lies between two others; `unit` completes "a whole number"."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise refused(f"a whole number{unit} from {low} to {high}")
        return value

    return check


def is_printable(text: str) -> bool:
    """Whether the text has no control character, line break or unprintable code point."""
    return text.isprintable()


Port = Annotated[int, AfterValidator(within(1, 65535, "")), Field(json_schema_extra={"minimum": 1, "maximum": 65535})]
"""A TCP port."""

ConnectSeconds = Annotated[
    int, AfterValidator(within(1, 75, " of seconds")), Field(json_schema_extra={"minimum": 1, "maximum": 75})
]
"""A connection timeout in seconds; nginx documents that it cannot usually exceed 75."""

Seconds = Annotated[
    int,
    AfterValidator(within(1, 86400, " of seconds")),
    Field(json_schema_extra={"minimum": 1, "maximum": 86400}),
]
"""A duration of up to a day, in seconds."""

Days = Annotated[int, AfterValidator(within(1, 90, " of days")), Field(json_schema_extra={"minimum": 1, "maximum": 90})]
"""A duration of up to 90 days, which is as long as most certificates live."""

LongDays = Annotated[
    int, AfterValidator(within(1, 36500, " of days")), Field(json_schema_extra={"minimum": 1, "maximum": 36500})
]
"""A duration of up to a century, in days."""

HowMany = Annotated[
    int, AfterValidator(within(1, 100000, "")), Field(json_schema_extra={"minimum": 1, "maximum": 100000})
]
"""How many of something are kept."""

BcryptCost = Annotated[int, AfterValidator(within(5, 12, "")), Field(json_schema_extra={"minimum": 5, "maximum": 12})]
"""The base-2 logarithm of bcrypt's rounds."""

PerMinute = Annotated[
    int, AfterValidator(within(1, 6000, "")), Field(json_schema_extra={"minimum": 1, "maximum": 6000})
]
"""A rate: how often in a minute."""

Megabytes = Annotated[
    int, AfterValidator(within(128, 1048576, " of MiB")), Field(json_schema_extra={"minimum": 128, "maximum": 1048576})
]
"""An amount of memory in MiB."""

Processes = Annotated[
    int, AfterValidator(within(64, 32768, "")), Field(json_schema_extra={"minimum": 64, "maximum": 32768})
]
"""A number of processes and threads."""

CatalogLimit = Annotated[
    int, AfterValidator(within(1, 100000, "")), Field(json_schema_extra={"minimum": 1, "maximum": 100000})
]
"""How many repositories the user interface asks for."""

Copies = Annotated[int, AfterValidator(within(1, 1000, "")), Field(json_schema_extra={"minimum": 1, "maximum": 1000})]
"""How many old copies of something are kept."""

WarnPercent = Annotated[
    int, AfterValidator(within(50, 94, "")), Field(json_schema_extra={"minimum": 50, "maximum": 94})
]
"""How full a file system may be before somebody is warned; from 95 on it counts as broken."""
