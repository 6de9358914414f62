"""What Docker on this machine knows of a registry: the account of `docker login`, and whom it trusts."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.endings import EndError

CERTIFICATES = Path("/etc/docker/certs.d")
"""Where Docker looks for a registry's authority and for the certificates that it wants from its clients."""

_HELPER = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HELPER_SECONDS = 60
_TOKEN_USER = "<token>"  # noqa: S105 - the name by which a helper says that it is no password


@dataclass(frozen=True)
class Account:
    """A name with a password, or else a token that is exchanged for others. Neither is ever shown."""

    name: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The header for it."""
        return "Basic " + base64.b64encode(f"{self.name}:{self.password}".encode()).decode("ascii")


def account_of(host: str) -> Account | None:
    """The account that `docker login` has for a registry; None when it has none. Raises `EndError`."""
    config = _config()
    helpers = config.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, Mapping) else None
    helper = helper or config.get("credsStore")
    if helper:
        return _from_helper(str(helper), host)
    accounts = config.get("auths")
    for name, entry in accounts.items() if isinstance(accounts, Mapping) else ():
        if _hostname(str(name)) == host and isinstance(entry, Mapping):
            return _from_entry(entry)
    return None


def trust_of(host: str) -> ssl.SSLContext:
    """Whom to trust when talking to a registry, and as whom to come. Raises `EndError`."""
    context = ssl.create_default_context()
    folder = CERTIFICATES / host
    path = folder
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix == ".crt":
                context.load_verify_locations(cafile=str(path))
            elif path.suffix == ".cert":
                context.load_cert_chain(str(path), str(path.with_suffix(".key")))
    except OSError as error:
        raise EndError("FAILED", f"{path} can't be used: {error.strerror or error}") from None
    return context


def _config() -> Mapping[str, object]:
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise EndError("FAILED", f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        # The text of the error would show what stands there.
        raise EndError("FAILED", f"{path} is no JSON") from None
    if not isinstance(found, Mapping):
        raise EndError("FAILED", f"{path} is no object")
    return found


def _hostname(name: str) -> str:
    """Accounts may be filed under a whole address."""
    return re.sub(r"^https?://", "", name).partition("/")[0]


def _from_entry(entry: Mapping[str, object]) -> Account | None:
    token = str(entry.get("identitytoken") or "")
    name, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        both = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise EndError("FAILED", "what docker login has kept for the account can't be read; log in again") from None
    if both:
        name, _, password = both.rstrip("\0").partition(":")
    return Account(name, password, token) if name or token else None


def _from_helper(helper: str, host: str) -> Account | None:
    if not _HELPER.fullmatch(helper):
        raise EndError("FAILED", "Docker's configuration names a credential helper that no program is called")
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=host, capture_output=True, text=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        raise EndError("FAILED", f"docker login keeps its accounts with {program}, which is not here") from None
    except (OSError, subprocess.TimeoutExpired):
        raise EndError("FAILED", f"{program}, which keeps the accounts of docker login, does not answer") from None
    if done.returncode:
        # It says so where there is none; what else it says is not for a log.
        if "not found" in done.stdout.lower():
            return None
        raise EndError("FAILED", f"{program}, which keeps the accounts of docker login, failed")
    try:
        found = json.loads(done.stdout)
        name, secret = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError, TypeError):
        raise EndError("FAILED", f"{program}, which keeps the accounts of docker login, gave none") from None
    return Account(token=secret) if name == _TOKEN_USER else Account(name, secret)
