"""Secrets reach the program only as secret outputs, and the settings hold none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pulumi

from config import Account
from config.secrets import NotifySecrets
from tests.unit.config import pki
from tests.unit.config.stack import APR1, GOOD, PASSWORD, load_stack, with_changes

T = TypeVar("T")


def revealed(loop: asyncio.AbstractEventLoop, output: pulumi.Output[T] | None) -> T:
    """The value of an output that has to be a secret."""

    async def both() -> tuple[bool, Any]:
        assert output is not None
        return await output.is_secret(), await output.future()

    coroutine: Coroutine[Any, Any, tuple[bool, Any]] = both()
    secret, value = loop.run_until_complete(coroutine)
    assert secret
    return value  # type: ignore[no-any-return]


def test_users(loop: asyncio.AbstractEventLoop) -> None:
    users = [{"name": "alice", "password": PASSWORD}, {"name": "bob", "hash": APR1}]
    users.append({"name": "ci", "password": PASSWORD, "scheme": "bcrypt", "role": "push"})
    _, secrets = load_stack(with_changes({"users": users}))
    assert revealed(loop, secrets.accounts) == [
        Account("alice", password=PASSWORD),
        Account("bob", hash=APR1),
        Account("ci", password=PASSWORD, scheme="bcrypt"),
    ]


def test_users_with_hashes_in_plain_text_are_secret_all_the_same(loop: asyncio.AbstractEventLoop) -> None:
    _, secrets = load_stack(with_changes({"users": [{"name": "bob", "hash": APR1}]}), encrypted=[])
    assert revealed(loop, secrets.accounts) == [Account("bob", hash=APR1)]


def test_keys_end_in_a_line_end(loop: asyncio.AbstractEventLoop) -> None:
    # `pulumi config set` strips it, and OpenSSH refuses a key without it.
    key, leaf = pki.ssh_key(), pki.issue("dr.example.net")
    certificate = {"mode": "files", "chain": leaf.pem, "privateKey": leaf.key_pem.strip()}
    _, secrets = load_stack(with_changes({"host": {"privateKey": key.strip()}, "certificate": certificate}))
    assert revealed(loop, secrets.ssh_private_key) == key
    assert revealed(loop, secrets.certificate_private_key) == leaf.key_pem


def test_signing_secret(loop: asyncio.AbstractEventLoop) -> None:
    _, secrets = load_stack(with_changes({"registry": {"httpSecret": "0123456789abcdef"}}))
    assert revealed(loop, secrets.registry_http_secret) == "0123456789abcdef"


def test_key_of_an_account(loop: asyncio.AbstractEventLoop) -> None:
    acme = {"eabKeyId": "kid-1", "eabHmacKey": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"}
    settings, secrets = load_stack(with_changes({"certificate": {"mode": "acme", "acme": acme}}))
    assert revealed(loop, secrets.acme_eab_hmac_key) == acme["eabHmacKey"]
    assert acme["eabHmacKey"] not in f"{settings!r} {settings.model_dump()} {secrets!r}"


def test_webhooks(loop: asyncio.AbstractEventLoop) -> None:
    header = {"name": "X-Key", "secret": "0123"}
    endpoint = {"name": "ci", "url": "https://ci.example.net"}
    changes = {
        "notifications": {"endpoints": [endpoint, {**endpoint, "name": "b", "headers": [header]}]},
        "registry": {"logLevel": "warn"},
        "status": {"notify": {"webhook": "https://hooks.example.net/a?b=c", "headers": [header]}},
    }
    settings, secrets = load_stack(with_changes(changes))
    assert revealed(loop, secrets.endpoint_headers) == [{}, {"X-Key": "0123"}]
    assert revealed(loop, secrets.notify) == NotifySecrets("https://hooks.example.net/a?b=c", {"X-Key": "0123"})
    shown = f"{settings!r} {settings.model_dump()} {secrets!r} {NotifySecrets('hooks', {'a': '0123'})!r}"
    assert not [secret for secret in ("0123", "hooks") if secret in shown]


def test_absent_secrets() -> None:
    _, secrets = load_stack(GOOD)
    assert secrets.ssh_private_key is None
    assert secrets.certificate_private_key is None
    assert secrets.acme_eab_hmac_key is None
    assert secrets.registry_http_secret is None
    assert secrets.endpoint_headers is None
    assert secrets.notify is None


def test_nothing_printed_shows_a_secret() -> None:
    key = pki.ssh_key()
    settings, secrets = load_stack(with_changes({"host": {"privateKey": key}, "registry": {"httpSecret": PASSWORD}}))
    printed = f"{settings!r} {settings.model_dump()} {secrets!r} {Account('alice', PASSWORD, APR1)!r}"
    assert PASSWORD not in printed
    assert APR1 not in printed
    assert "PRIVATE KEY" not in printed
