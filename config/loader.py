"""Reads the stack configuration, checks all of it in one pass, and tells every fault at once."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
from pulumi.runtime import config as runtime_config
from pulumi.runtime import get_config, get_config_env, get_config_secret_keys_env, is_config_secret
from pydantic import TypeAdapter, ValidationError

from config.base import CONTAIN_SECRETS, MUST_BE_SECRET, NAMESPACE
from config.environment import check_environment
from config.errors import NOTHING, SECRET, ConfigurationError, Fault, shown
from config.faults import Location, command_for, faults_of, key_of, nearest
from config.secrets import Secrets, read_secrets
from config.settings import Settings, contradictions
from config.stackfile import StackFile, read_stack_file
from config.users import repeated_names

CONCERNS: dict[str, Any] = {name: field.annotation for name, field in Settings.model_fields.items()}
"""Each concern's key, without the namespace, and its type."""

LISTS = ("users", "mirrors")
"""Those that are lists."""

_NO_USERS = (
    "at least one user; set one with "
    f"pulumi config set --path '{NAMESPACE}:users[0].name' alice and "
    f"pulumi config set --secret --path '{NAMESPACE}:users[0].password'"
)


def load(config: pulumi.Config | None = None) -> tuple[Settings, Secrets]:
    """The settings and the secrets of the current stack.

    Raises ConfigurationError with every fault, before any resource is touched.
    """
    config = config or pulumi.Config(NAMESPACE)
    file = read_stack_file()
    faults = [*_misplaced(file), *_unknown_keys()]
    found: dict[str, Any] = {name: _read(name, annotation, file, faults) for name, annotation in CONCERNS.items()}
    faults += contradictions(found)
    faults += check_environment(found["host"])
    if faults:
        raise ConfigurationError(faults)
    # What is loaded by now stays to the end. Python would look through it again and again, a tenth of the run.
    gc.freeze()
    settings = Settings(**found)
    return settings, read_secrets(config, settings, file.marks() if file else {})


def _misplaced(file: StackFile | None) -> Iterator[Fault]:
    """Sections that Pulumi does not hand over."""
    for key in file.misplaced if file else ():
        expected = "it below config:, indented as in Pulumi.example.yaml; elsewhere Pulumi ignores it"
        yield Fault(key, "a section beside config:", expected)


def _unknown_keys() -> Iterator[Fault]:
    """The keys of our namespace that no setting has. Other namespaces belong to others."""
    keys = {*runtime_config.CONFIG.get(), *get_config_env()}
    for key in sorted(keys):
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE and name not in CONCERNS:
            yield _without_path(key, name) or _unknown(key, name)


def _without_path(key: str, name: str) -> Fault | None:
    """The key `site.fqdn`, which `pulumi config set` makes where --path is forgotten."""
    if re.split(r"[.\[]", name)[0] not in CONCERNS:
        return None
    expected = f"no such key; pulumi config rm '{key}' removes it, and {command_for(key)} sets what is meant"
    return Fault(key, "a setting that was set without --path", expected)


def _unknown(key: str, name: str) -> Fault:
    return Fault(key, "an unknown setting", f"only {', '.join(CONCERNS)}{nearest(name, list(CONCERNS))}")


def _read(concern: str, annotation: Any, file: StackFile | None, faults: list[Fault]) -> object | None:  # noqa: ANN401
    """One concern, validated; None, and its faults, when it is wrong."""
    text = get_config(key_of(concern))
    encrypted = is_config_secret(key_of(concern)) or key_of(concern) in get_config_secret_keys_env()
    raw = _structure(text)
    if raw is None:
        raw = [] if concern in LISTS else {}
    if not isinstance(raw, dict | list):
        kind = "a list" if concern in LISTS else "a mapping of settings"
        hidden = encrypted or concern in CONTAIN_SECRETS
        faults.append(Fault(key_of(concern), SECRET if hidden else shown(raw), kind))
        return None

    def is_encrypted(location: Location, otherwise: bool = encrypted) -> bool:
        found = file.encrypted(concern, location) if file else None
        return otherwise if found is None else found

    faults += _plain_secrets(concern, raw, is_encrypted)
    if concern == "users":
        faults += _whole_list(raw)
    try:
        value: object = TypeAdapter(annotation).validate_python(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        unclear = encrypted and not _explained(concern, raw)
        faults += faults_of(error, concern, annotation, hidden=lambda location: is_encrypted(location, unclear))
        return None
    return value


def _structure(text: object) -> object:
    """The structured value of a key: Pulumi hands it over as JSON."""
    if not isinstance(text, str):
        return text
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explained(concern: str, raw: object) -> bool:
    """Whether a setting that has to be secret explains why this concern's key is encrypted, where no file tells.

    Then the other values of the concern are plain and may be shown. Otherwise somebody encrypted one of
    them, and none is shown. Users are not shown then: a password typed where the name belongs would be.
    """
    return concern != "users" and any(MUST_BE_SECRET & settings.keys() for _, settings in _mappings((), raw))


def _plain_secrets(concern: str, raw: object, is_encrypted: Callable[[Location], bool]) -> Iterator[Fault]:
    """The secrets that the stack file holds in plain text."""
    for location, settings in _mappings((), raw):
        for name in sorted(settings.keys() & MUST_BE_SECRET):
            if settings[name] and not is_encrypted((*location, name)):
                key = key_of(concern, (*location, name))
                expected = f"an encrypted value; set it anew with {command_for(key)}"
                yield Fault(key, f"{SECRET} in plain text", expected)


def _mappings(location: Location, raw: object) -> Iterator[tuple[Location, dict[str, object]]]:
    """Each mapping in a structured value, with its place."""
    if isinstance(raw, dict):
        yield location, raw
    entries = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
    for part, entry in entries:
        yield from _mappings((*location, part), entry)


def _whole_list(raw: object) -> Iterator[Fault]:
    """The faults of the list of users as a whole, which hold whatever else is wrong with its entries."""
    if raw == []:
        yield Fault(key_of("users"), NOTHING, _NO_USERS)
    if isinstance(raw, list):
        # The proxy looks for the rights of a name without regard to case.
        names = [str(entry.get("name", "")).lower() or None if isinstance(entry, dict) else None for entry in raw]
        for index, first in repeated_names(names):
            key = key_of("users", (index, "name"))
            yield Fault(key, f"the name of users[{first}] again", "each name once, in upper or lower case")
