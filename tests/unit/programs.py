"""The whole program and single components, run under mocks with stacks of every kind."""

from __future__ import annotations

import json
import os
import runpy
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from config import Secrets, Settings
from tests.unit.config import pki
from tests.unit.config.stack import APR1, HOST_KEY, PASSWORD, Stack, load_stack, set_stack, with_changes
from tests.unit.recorder import Recording, record

MAIN = Path(__file__).parents[2] / "__main__.py"

HTTP_SECRET = "signs-the-uploads-0123456789"
SECOND_PASSWORD = "zweites Kennwort: äöü"
SSH_KEY = pki.ssh_key()
BACKUP_PASSWORD = 'opens the "backups"'
BACKUP_KEY = pki.key_pem(pki.new_key())
BACKUP_VARIABLE = "of-the-server-with-the-backups"
WEBHOOK = "https://hooks.example.net/services/T0/B0/secret-part"
NOTIFY_HEADER = "Bearer tells-who-tells"
ENDPOINT_HEADER = "Bearer tells-that-it-is-the-registry"
STORE_KEY = "opens-the-bucket/+0123"
MIRROR_PASSWORD = 'opens "another" registry'
LEAF = pki.issue("*.example.net")
AUTHORITY_PEM = pki.issue("ca.example.net", authority=True).pem
EAB_KEY = "c2VjcmV0LW9mLWFuLWV4dGVybmFsLWFjY291bnQ"
EXPIRY = "Mar 15 12:30:00 2031 GMT"
FINGERPRINT = "00112233AABBCCDD"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nauthority\n-----END CERTIFICATE-----\n"
VERSIONS = {"host": "debian 12", "docker": "20.10.24", "nginx": "1.28.0", "registry": "3.1.2", "ui": "2.6.0"}
WRITTEN = "written 2026-01-02 03:04:05.000000000 +0000"

_ADMIN = {"address": "203.0.113.7", "port": 2222, "user": "admin", "sudo": True, "hostKey": HOST_KEY}
_INLINE: Stack = {"mode": "files", "chain": LEAF.pem, "privateKey": LEAF.key_pem}

VARIANTS: dict[str, Stack] = {
    # The least: SSH as root with a key from the agent, a certificate of the host's own.
    "plain": {},
    # Everything that can be secret is; everything that can lie elsewhere does.
    "full": {
        "host": {**_ADMIN, "privateKey": SSH_KEY, "timeZone": "Europe/Vienna", "installPackages": False},
        "site": {
            "fqdn": "images.example.net",
            "httpPort": 8080,
            "httpsPort": 8443,
            "listenAddress": "203.0.113.7",
        },
        "storage": {"root": "/srv/registry"},
        "network": {"name": "images", "subnet": "100.127.200.0/24"},
        "images": {
            "nginx": "nginx:1.24.0",
            "registry": f"registry:2.8.3@sha256:{'ab' * 32}",
            "ui": "example.net/ui:2.5.7",
        },
        "users": [
            {"name": "alice", "password": PASSWORD},
            {"name": "bob", "hash": APR1},
            {"name": "carol", "password": SECOND_PASSWORD},
        ],
        "htpasswd": {"scheme": "sha512"},
        "certificate": _INLINE,
        "registry": {"httpSecret": HTTP_SECRET, "logLevel": "warn", "deleteEnabled": False},
        "ui": {
            "title": "Images",
            "deleteEnabled": False,
            "catalogLimit": 100,
            "showContentDigest": False,
        },
        "nginx": {"hsts": True, "tlsProfile": "modern"},
        "logs": {"maxSize": "512k", "keep": 40},
        "backup": {
            "repository": "sftp:backup@nas.example.net:/srv/registry",
            "password": BACKUP_PASSWORD,
            "hostKey": HOST_KEY,
            "privateKey": BACKUP_KEY,
            "environment": [{"name": "AWS_SECRET_ACCESS_KEY", "secret": BACKUP_VARIABLE}],
            "keep": {"daily": 7},
        },
        "notifications": {
            "endpoints": [
                {
                    "name": "ci",
                    "url": "https://ci.example.net/events",
                    "headers": [{"name": "Authorization", "secret": ENDPOINT_HEADER}],
                }
            ]
        },
        "status": {
            "notify": {
                "webhook": WEBHOOK,
                "headers": [{"name": "Authorization", "secret": NOTIFY_HEADER}],
                "command": ["/usr/local/bin/page-me", "registry"],
            }
        },
    },
    # A certificate that lies on the host already.
    "paths": {
        "certificate": {
            "mode": "files",
            "chainPath": "/etc/ssl/own/chain.pem",
            "privateKeyPath": "/etc/ssl/own/key.pem",
        }
    },
    # A certificate from an authority of one's own, which knows its customers.
    "acme": {
        "certificate": {
            "mode": "acme",
            "acme": {
                "email": "hostmaster@example.net",
                "server": "https://ca.example.net/directory",
                "serverCa": AUTHORITY_PEM,
                "eabKeyId": "customer-1",
                "eabHmacKey": EAB_KEY,
                "keyType": "rsa",
                "names": ["www.example.net"],
                "profile": "shortlived",
            },
            "renewal": {"schedule": "Tue *-*-* 00:00:00", "randomDelay": "30m"},
            "warnDays": 3,
        },
        "retention": {
            "mode": "on",
            "schedule": "Sun 03:00",
            "randomDelay": "10m",
            "policies": [{"repositories": ["**"], "keepLast": 5, "unpulledDays": 90}],
        },
        "metrics": {"enabled": True},
    },
    # Mirrors: one with an account of the other registry and a bound, one in the same network.
    "mirrors": {
        "mirrors": [
            {
                "prefix": "docker.io",
                "username": "acme",
                "password": MIRROR_PASSWORD,
                "repositories": ["library/*"],
                "maxSize": "50G",
            },
            {"prefix": "hub.lan", "upstream": "http://hub.lan:5000", "insecure": True},
        ]
    },
    # Images in an object store with a key and a CA of its own.
    "objects": {
        "storage": {
            "driver": "s3",
            "s3": {
                "bucket": "acme-images",
                "endpoint": "https://store.example.net:9000",
                "prefix": "registries/acme",
                "serverCa": AUTHORITY_PEM,
                "accessKey": f"name-of-{STORE_KEY}",
                "secretKey": STORE_KEY,
            },
        },
        "nginx": {"fastPath": False},
    },
    # Mirrors with all that is off at first, on a host that is taken over.
    "mirrors-adopted": {
        "host": {"adopt": True},
        "certificate": _INLINE,
        "nginx": {"mirrorFastPath": True},
        "metrics": {"enabled": True},
        "mirrors": [
            {
                "prefix": "docker.io",
                "username": "acme",
                "password": MIRROR_PASSWORD,
                "tagSeconds": 60,
                "transparent": {"name": "hub.example.net", "addresses": ["198.51.100.0/24"]},
            },
        ],
    },
    # The machine itself.
    "local": {"host": {"address": "local", "hostKey": ...}},
    "local-sudo": {"host": {"address": "local", "hostKey": ..., "sudo": True}, "storage": {"root": "/srv"}},
}
"""Stacks, by what is special about them; each changes the least a stack needs."""

SUDO = frozenset({"full", "local-sudo"})
SECRETS = (
    PASSWORD,
    SECOND_PASSWORD,
    APR1,
    HTTP_SECRET,
    SSH_KEY.splitlines()[1],
    LEAF.key_pem.splitlines()[1],
    BACKUP_PASSWORD,
    BACKUP_KEY.splitlines()[1],
    BACKUP_VARIABLE,
    WEBHOOK,
    NOTIFY_HEADER,
    ENDPOINT_HEADER,
)
"""What no one may see, of the variant "full"."""


def stack_of(variant: str) -> dict[str, Any]:
    """The configuration of a variant."""
    return with_changes(VARIANTS[variant])


def answer(command: str) -> str:
    """What the host's tools print."""
    if "/self-signed-certificate " in command:
        return f"{EXPIRY}\n{FINGERPRINT}\n{AUTHORITY}"
    if any(f"/{tool}-certificate " in command for tool in ("copy", "install", "issue")):
        return f"{EXPIRY}\n{FINGERPRINT}"
    if "/running-versions " in command:
        return json.dumps(VERSIONS)
    if "/keep-secret " in command:
        return WRITTEN
    return ""


async def _no_host(command: str) -> str:
    """In place of what would run on a host at once: the host is well."""
    return json.dumps({"problems": []})


@contextmanager
def machine(*, agent: bool = True) -> Iterator[Path]:
    """The machine that runs the program: root, an SSH agent that answers or none. Yields `~/.ssh`, not there yet."""
    # A directory of our own, because the path of a socket must be short.
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        home = Path(directory) / "home" / ".ssh"
        patch.setattr("components.host.Host.run", lambda _, command: _no_host(command))
        patch.setattr("components.connection._home_of_ssh", lambda: home)
        patch.setattr("config.settings.attached_networks", list)
        patch.setattr(os, "geteuid", lambda: 0)
        patch.delenv("DOCKER_CONTEXT", raising=False)
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        if agent:
            path = Path(directory) / "agent"
            listener.bind(str(path))
            listener.listen()
            patch.setenv("SSH_AUTH_SOCK", str(path))
        yield home


@cache
def whole(variant: str, preview: bool) -> Recording:
    """The whole program, run with a variant's stack."""

    return run_stack(json.dumps(stack_of(variant)), preview)


def run_stack(stack: str, preview: bool) -> Recording:
    """The whole program, run with a stack's configuration, given as JSON."""

    def program() -> None:
        set_stack(json.loads(stack))
        runpy.run_path(str(MAIN), run_name="__main__")

    with machine():
        return record(program, preview=preview, answer=answer)


def part(build: Callable[[Settings, Secrets], object], *, preview: bool, changes: Stack | None = None) -> Recording:
    """Part of the program, built from the least that a stack needs and some changes."""

    def program() -> None:
        build(*load_stack(with_changes(changes or {})))

    with machine():
        return record(program, preview=preview, answer=answer)
