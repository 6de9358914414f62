"""The secrets of a stack, which never leave their secret outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import pulumi

from config.pem import normal_pem
from config.settings import Settings
from config.users import Scheme

_T = TypeVar("_T")


@dataclass(frozen=True)
class Account:
    """A user's name with either a password, and the scheme for it unless it is the stack's, or a ready-made hash."""

    name: str
    password: str | None = field(default=None, repr=False)
    hash: str | None = field(default=None, repr=False)
    scheme: Scheme | None = None


@dataclass(frozen=True)
class BackupSecrets:
    """What opens the repository of the backups, and the server on which it lies."""

    password: str = field(repr=False)
    private_key: str | None = field(default=None, repr=False)
    """For SSH, ending in a line end."""
    rest_password: str | None = field(default=None, repr=False)
    environment: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class NotifySecrets:
    """Where somebody is told of the status, and what proves to him who tells."""

    webhook: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class StoreKey:
    """The key by which an object store lets the registry in."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Login:
    """An account of another registry."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Secrets:
    """The secrets of a stack, each a secret output; None where a setting is absent."""

    accounts: pulumi.Output[list[Account]]
    """Those of all users in their order."""

    account_marks: Mapping[str, str] = field(default_factory=dict)
    """What is no secret: by each user's name, what changes with the password; none where no stack file tells."""

    ssh_private_key: pulumi.Output[str] | None = None
    """Private key for SSH, ending in a line end; None means the SSH agent, or the local machine."""

    certificate_private_key: pulumi.Output[str] | None = None
    """PEM private key of the inline certificate chain, ending in a line end."""

    acme_eab_hmac_key: pulumi.Output[str] | None = None
    """Base64url key with which a certificate authority knows its customer; None where it needs none."""

    registry_http_secret: pulumi.Output[str] | None = None
    """The registry's http.secret; None means that the host makes one."""

    backup: pulumi.Output[BackupSecrets] | None = None
    """None where nothing is backed up."""

    endpoint_headers: pulumi.Output[list[dict[str, str]]] | None = None
    """Those of each endpoint of the registry's notifications; None where none has any."""

    notify: pulumi.Output[NotifySecrets] | None = None
    """None where no webhook is told of the status."""

    store_key: pulumi.Output[StoreKey] | None = None
    """None where there is no object store, or the host's own role opens it."""

    mirrors: Mapping[str, pulumi.Output[Login]] = field(default_factory=dict)
    """By the prefix of each mirror that logs in."""


def read_secrets(config: pulumi.Config, settings: Settings, marks: Mapping[str, str]) -> Secrets:
    """The secrets that belong to validated settings."""

    host, certificate, registry = settings.host, settings.certificate, settings.registry
    endpoints = settings.notifications.endpoints
    return Secrets(
        accounts=_pick(config, "users", _accounts),
        account_marks=marks,
        ssh_private_key=_pick(config, "host", lambda it: normal_pem(it["privateKey"])) if host.private_key else None,
        certificate_private_key=(
            _pick(config, "certificate", lambda it: normal_pem(it["privateKey"])) if certificate.private_key else None
        ),
        acme_eab_hmac_key=(
            _pick(config, "certificate", lambda it: str(it["acme"]["eabHmacKey"]))
            if certificate.acme and certificate.acme.eab_hmac_key
            else None
        ),
        registry_http_secret=_pick(config, "registry", lambda it: str(it["httpSecret"]))
        if registry.http_secret
        else None,
        backup=_pick(config, "backup", _backup) if settings.backup.repository else None,
        endpoint_headers=_pick(config, "notifications", lambda it: [_headers(one) for one in it["endpoints"]])
        if any(one.headers for one in endpoints)
        else None,
        notify=_pick(config, "status", _notify) if settings.status.notify.webhook else None,
        store_key=_pick(config, "storage", _store_key)
        if settings.storage.s3 and settings.storage.s3.secret_key
        else None,
        mirrors={
            mirror.prefix: _pick(config, "mirrors", partial(_login, index))
            for index, mirror in enumerate(settings.mirrors)
            if mirror.password
        },
    )


def _pick(config: pulumi.Config, concern: str, take: Callable[[Any], _T]) -> pulumi.Output[_T]:
    """A secret output of part of a concern."""
    return config.require_secret_object(concern).apply(take)


def _accounts(users: list[dict[str, Any]]) -> list[Account]:
    return [Account(user["name"], user.get("password"), user.get("hash"), user.get("scheme")) for user in users]


def _store_key(storage: dict[str, Any]) -> StoreKey:
    return StoreKey(storage["s3"]["accessKey"], storage["s3"]["secretKey"])


def _login(index: int, mirrors: list[dict[str, Any]]) -> Login:
    return Login(mirrors[index]["username"], mirrors[index]["password"])


def _backup(backup: dict[str, Any]) -> BackupSecrets:
    key = backup.get("privateKey")
    return BackupSecrets(
        password=backup["password"],
        private_key=normal_pem(key) if key else None,
        rest_password=backup.get("restPassword"),
        environment={one["name"]: one["secret"] for one in backup.get("environment") or ()},
    )


def _notify(status: dict[str, Any]) -> NotifySecrets:
    notify = status["notify"]
    return NotifySecrets(notify["webhook"], _headers(notify))


def _headers(of: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["secret"] for one in of.get("headers") or ()}
