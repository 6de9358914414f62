"""Who may use the registry, and how passwords are stored."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from passlib.hash import apr_md5_crypt, bcrypt, sha512_crypt
from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from config.access import Pattern, each_once
from config.base import HIDDEN, Concern, Whole, as_text, is_printable, refused
from config.moment import End

Scheme = Literal["apr1", "sha512", "bcrypt"]
_HANDLERS = (
    ("$apr1$", "apr1", apr_md5_crypt),
    ("$6$", "sha512", sha512_crypt),
    ("$2a$", "bcrypt", bcrypt),
    ("$2b$", "bcrypt", bcrypt),
    ("$2y$", "bcrypt", bcrypt),
)
_LONGEST_NAME = 255
_LONGEST_PASSWORD = 240
SHA512_ROUNDS = 5000
"""crypt()'s own default, the cost of each login that isn't remembered."""

BCRYPT_LONGEST = 72
"""The number of bytes of a password that bcrypt looks at."""


@dataclass(frozen=True)
class Password:
    """That a password was given; the password itself is not kept here."""

    fits_bcrypt: bool
    """Whether bcrypt would look at all of it."""


@dataclass(frozen=True)
class PasswordHash:
    """That a ready-made hash was given; the hash itself is not kept here."""

    scheme: Scheme
    cost: int = 0
    """The rounds of SHA-512 crypt, or the base-2 logarithm of those of bcrypt; 0 where there is no choice."""

    @property
    def kind(self) -> str:
        """What decides how long it takes to compare a password with it."""
        return f"{self.scheme}-{self.cost}"


def _name(value: str) -> str:
    if not value:
        raise refused("a name that is not empty, for example alice")
    if ":" in value:
        raise refused("a name without a colon, for example alice")
    if any(character.isspace() for character in value) or not is_printable(value):
        raise refused("a name without spaces and control characters, for example alice")
    if value.startswith("#"):
        raise refused("a name that does not begin with #, which would make it a comment, for example alice")
    if len(value.encode()) > _LONGEST_NAME:
        raise refused(f"a name of at most {_LONGEST_NAME} bytes in UTF-8, for example alice")
    return value


def _password(value: object) -> Password:
    if isinstance(value, Password):
        return value
    text = as_text(value)
    if not text:
        raise refused("a password that is not empty")
    if not all(is_printable(character) for character in text):
        raise refused("a password without line breaks and control characters")
    if len(text.encode()) > _LONGEST_PASSWORD:
        raise refused(f"a password of at most {_LONGEST_PASSWORD} bytes in UTF-8")
    return Password(fits_bcrypt=len(text.encode()) <= BCRYPT_LONGEST)


def _hash(value: object) -> PasswordHash:
    if isinstance(value, PasswordHash):
        return value
    return password_hash(as_text(value))


def password_hash(text: str) -> PasswordHash:
    """What is to be known of a hash."""
    for prefix, scheme, handler in _HANDLERS:
        if text.startswith(prefix):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    cost = getattr(handler.from_string(text), "rounds", 0)
            except (ValueError, TypeError, Warning):
                raise refused(f"a complete {scheme} hash, as htpasswd prints it after the colon") from None
            return PasswordHash(scheme=scheme, cost=cost)  # type: ignore[arg-type]
    raise refused("a hash made with apr1 ($apr1$…), SHA-512 crypt ($6$…) or bcrypt ($2y$…)")


class User(Concern):
    """A user of the registry. A change rewrites the password file; nginx serves on without a pause."""

    name: Annotated[str, AfterValidator(_name)] = Field(examples=["alice"])
    """Name for `docker login`, at most 255 bytes, without colon or space."""

    password: Annotated[Password, PlainValidator(_password, json_schema_input_type=str), HIDDEN] | None = None
    """Secret. The password, at most 240 bytes, hashed with `htpasswd.scheme`."""

    hash: Annotated[PasswordHash, PlainValidator(_hash, json_schema_input_type=str), HIDDEN] | None = Field(
        default=None, examples=["$2y$05$…"]
    )
    """A ready-made hash instead of a password: apr1, SHA-512 crypt or bcrypt. It may be in plain text."""

    scheme: Scheme | None = Field(default=None, validate_default=True, examples=["bcrypt"])
    """Hash of this user's password, if another than `htpasswd.scheme`: `apr1`, `sha512` or `bcrypt`."""

    role: Literal["pull", "push", "admin", "metrics"] = "admin"
    """What the user may do in `repositories`: `pull`; `push`, which includes to pull; or `admin`, which includes both
    and to delete. `metrics` may read the metrics, and nothing of any repository. Everything else is refused with
    `DENIED`."""

    repositories: tuple[Pattern, ...] | None = Field(
        default=None, strict=False, json_schema_extra={"uniqueItems": True}
    )
    """Patterns of the repositories that the role is for, for example `["team-a/*", "tools"]`; `*` stands for any
    characters, slashes too. Absent: all. The catalogue, which the page lists, shows those that the user may pull."""

    pull_only: tuple[Pattern, ...] = Field(
        default=(), validate_default=True, strict=False, json_schema_extra={"uniqueItems": True}
    )
    """Patterns of further repositories that the user may pull and no more, whatever the role.
    Only with `repositories`."""

    expires: End | None = Field(default=None, examples=['"2026-12-31"'])
    """When the account ends, in quotes: a date, to the end of that day in UTC, or an instant with its zone such as
    `"2026-12-31T18:00:00+01:00"`. From then on it gets 401, without an `up`; nothing is deleted. Absent: never."""

    @property
    def end(self) -> int | None:
        """The second since 1970 from which on the account is refused."""
        return None if self.expires is None else int(self.expires.timestamp())

    @property
    def kind(self) -> Literal["password", "hash"]:
        """Which of the two was given."""
        return "password" if self.password is not None else "hash"

    @field_validator("hash")
    @classmethod
    def _not_both(cls, value: PasswordHash | None, info: ValidationInfo) -> PasswordHash | None:
        if value is not None and info.data.get("password") is not None:
            raise refused("no hash, because this user has a password")
        return value

    @field_validator("scheme")
    @classmethod
    def _not_for_a_hash(cls, value: Scheme | None, info: ValidationInfo) -> Scheme | None:
        if value is not None and info.data.get("hash") is not None:
            raise refused("no value, because this user's hash is ready-made")
        return value

    @field_validator("repositories")
    @classmethod
    def _some_each_once(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if value is not None and info.data.get("role") == "metrics":
            raise refused("no value, because role metrics is for no repository")
        if value == ():
            raise refused("at least one pattern, for example team-a/*; or no value, for all repositories")
        return each_once(value) if value else value

    @field_validator("pull_only")
    @classmethod
    def _besides_repositories(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("repositories", value) is None:
            raise refused("no value, because without repositories this user may pull all")
        return each_once(value)

    @model_validator(mode="after")
    def _not_neither(self) -> User:
        if self.password is None and self.hash is None:
            raise refused(
                "a password or a hash; set one with "
                "pulumi config set --secret --path 'docker-registry:users[N].password'",
                found="neither of the two",
            )
        return self


def repeated_names(names: Sequence[object]) -> Iterator[tuple[int, int]]:
    """The index of each name that was there before, with the index of the first."""
    first: dict[object, int] = {}
    for index, name in enumerate(names):
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield index, first[name]


class Htpasswd(Concern):
    """How passwords are stored. A change rewrites the password file; nginx serves on without a pause."""

    scheme: Scheme = "apr1"
    """Hash of the passwords: `apr1` (Apache's MD5, the default of htpasswd, quick to verify),
    `sha512` (SHA-512 crypt) or `bcrypt`. A password that was right is known while it is used, so that a slow hash
    slows only the first request."""

    bcrypt_cost: Annotated[int, Whole(5, 12)] | None = Field(default=None, examples=[5])
    """Base-2 logarithm of bcrypt's rounds: one more doubles the time of each request. 5, the
    default of htpasswd, when absent. Only where a password's scheme is bcrypt."""

    @property
    def cost(self) -> int:
        """The bcrypt cost in force."""
        return self.bcrypt_cost if self.bcrypt_cost is not None else 5

    def kind_of(self, user: User) -> str:
        """The kind of the user's hash, as `PasswordHash` tells it."""
        if user.hash is not None:
            return user.hash.kind
        scheme = user.scheme or self.scheme
        costs = {"apr1": 0, "sha512": SHA512_ROUNDS, "bcrypt": self.cost}
        return PasswordHash(scheme, costs[scheme]).kind
