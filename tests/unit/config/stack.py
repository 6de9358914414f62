"""Stack configurations for tests, handed to the program as the Pulumi engine does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pulumi.runtime import set_all_config

from config import ConfigurationError, Secrets, Settings, load

NAMESPACE = "docker-registry"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBiOR8Ff/ydS5RfldBD5yM2kETCx4TJrTYwv8DQH0mR7"
PASSWORD = "hunter2-the-password"
APR1 = "$apr1$/e4lfekL$VmKqyJxKtij.KARJ9tl84/"

Stack = Mapping[str, Any]

GOOD: Stack = {
    "host": {"address": "dr.example.net", "hostKey": HOST_KEY},
    "site": {"fqdn": "dr.example.net"},
    "users": [{"name": "alice", "password": PASSWORD}],
}
"""The least a stack needs."""


def with_changes(changes: Stack, base: Stack = GOOD) -> dict[str, Any]:
    """A configuration with some settings changed; a setting of `...` is taken out."""
    stack = dict(base)
    for concern, settings in changes.items():
        if isinstance(settings, dict) and isinstance(stack.get(concern, {}), dict):
            merged = {**stack.get(concern, {}), **settings}
            stack[concern] = {name: value for name, value in merged.items() if value is not ...}
        else:
            stack[concern] = settings
    return {concern: settings for concern, settings in stack.items() if settings is not ...}


def _has_secret(settings: object) -> bool:
    if isinstance(settings, list):
        return any(_has_secret(entry) for entry in settings)
    if not isinstance(settings, dict):
        return False
    secret = {"password", "privateKey", "httpSecret", "eabHmacKey", "secret", "webhook", "accessKey", "secretKey"}
    return bool(secret & settings.keys()) or any(_has_secret(inner) for inner in settings.values())


def set_stack(stack: Stack, *, encrypted: Iterable[str] | None = None) -> None:
    """Make this the current configuration. Concerns with a secret are encrypted, unless told otherwise."""
    if encrypted is None:
        encrypted = [concern for concern, settings in stack.items() if _has_secret(settings)]
    values = {
        concern if ":" in concern else f"{NAMESPACE}:{concern}": value if isinstance(value, str) else json.dumps(value)
        for concern, value in stack.items()
    }
    set_all_config(values, [f"{NAMESPACE}:{concern}" for concern in encrypted])


def load_stack(stack: Stack, *, encrypted: Iterable[str] | None = None) -> tuple[Settings, Secrets]:
    """What the program makes of a configuration."""
    set_stack(stack, encrypted=encrypted)
    return load()


def faults_in(stack: Stack, *, encrypted: Iterable[str] | None = None) -> list[str]:
    """Each fault's line in the message with which a configuration is refused; none when it is accepted."""
    try:
        load_stack(stack, encrypted=encrypted)
    except ConfigurationError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []
