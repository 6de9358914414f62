"""Which repository the backups lie in, and what opens it: by the host's settings, or by restic's own variables."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from registryctl.facts import FactsError

HOME = Path("/etc/docker-registry")
CACHE = Path("/var/cache/docker-registry-backup")


@dataclass(frozen=True)
class Repository:
    """A repository of restic, and what the stack says of it."""

    environment: Mapping[str, str] = field(repr=False)
    """For restic, with its secrets: a command line is for everybody to see."""
    options: tuple[str, ...] = ()
    """Of restic. They hold no secret."""
    ssh: tuple[str, ...] = ()
    """The command that reaches an sftp server."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """What no message may show."""
    shown: str = ""
    """Where it lies, as people may see it."""
    stack: str = ""
    """Whose backups count. Several registries may share a repository. Empty: whoever is alone in it."""
    keep: tuple[str, ...] = ()
    """Which backups are kept, in restic's words; none: all."""
    check_parts: int = 1
    append_only: bool = False
    logs: bool = False

    def shares_disk(self, data: Path) -> bool:
        """Whether it lies on this host, on one file system with some data. No, where that can't be known."""
        try:
            return self.shown.startswith("/") and Path(self.shown).stat().st_dev == data.stat().st_dev
        except OSError:
            return False


def by_settings(home: Path | None = None) -> Repository:
    """As `pulumi up` says. Raises `FactsError`."""
    home = home or HOME
    try:
        found = json.loads((home / "backup.json").read_text(encoding="utf-8"))
        secrets = json.loads((home / "backup-secrets.json").read_text(encoding="utf-8"))
        return _repository(found, secrets, home)
    except FileNotFoundError:
        raise FactsError("no backup is set for this host: set docker-registry:backup, and pulumi up") from None
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # Not the error's own text: it may quote a secret.
        raise FactsError(f"{home}/backup*.json is not what pulumi up writes: {type(error).__name__}") from None


def by_environment(stack: str = "") -> Repository:
    """As restic itself is told, for a host that no `up` has seen yet. Raises `FactsError`."""
    found = dict(os.environ)
    if not found.get("RESTIC_REPOSITORY") and not found.get("RESTIC_REPOSITORY_FILE"):
        raise FactsError("set RESTIC_REPOSITORY and RESTIC_PASSWORD_FILE, as for restic itself")
    if not any(found.get(name) for name in ("RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND")):
        raise FactsError("set RESTIC_PASSWORD_FILE to a file with the repository's password")
    hidden = tuple(value for name, value in found.items() if value and ("PASSWORD" in name or "SECRET" in name))
    shown = found.get("RESTIC_REPOSITORY", "the repository")
    return Repository(found, hidden=hidden, shown=shown if "@" not in shown else "the repository", stack=stack)


def _repository(found: Mapping[str, Any], secrets: Mapping[str, Any], home: Path) -> Repository:
    where, rest_password = str(found["repository"]), secrets["restPassword"]
    location = where
    if rest_password is not None:
        scheme, _, rest = where.removeprefix("rest:").partition("://")
        location = f"rest:{scheme}://{quote(found['restUser'], safe='')}:{quote(rest_password, safe='')}@{rest}"
    variables = {str(name): str(value) for name, value in secrets["environment"].items()}
    environment = {
        **{name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ},
        **variables,
        "RESTIC_REPOSITORY": location,
        "RESTIC_PASSWORD": str(secrets["password"]),
        "RESTIC_CACHE_DIR": str(CACHE),
        "LC_ALL": "C.UTF-8",
        # The time that a snapshot is given is read as local.
        "TZ": "UTC",
    }
    passwords = [secrets["password"], *([rest_password, quote(rest_password, safe="")] if rest_password else ())]
    ssh = _ssh(found["sftp"], home) if found["sftp"] else ()
    return Repository(
        environment,
        options=("-o", f"sftp.command={shlex.join(ssh)}") if ssh else (),
        ssh=ssh,
        hidden=(*map(str, passwords), *variables.values()),
        shown=where,
        stack=str(found["stack"]),
        keep=tuple(word for name, value in found["keep"].items() for word in (f"--keep-{name}", str(value))),
        check_parts=int(found["checkParts"]),
        append_only=found["appendOnly"] is True,
        logs=found["logs"] is True,
    )


def _ssh(sftp: Mapping[str, Any], home: Path) -> tuple[str, ...]:
    """The command that reaches an sftp server: by the key of the settings, and no server but the one they know."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "KnownHostsCommand": f"/bin/echo %H {sftp['hostKey']}",
        "HostKeyAlgorithms": _algorithms(cast("str", sftp["hostKey"])),
        "IdentityFile": f"{home}/backup-key",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ConnectTimeout": "20",
        "ServerAliveInterval": "30",
        "ServerAliveCountMax": "4",
    }
    words = ["ssh", "-F", "/dev/null", "-p", str(sftp["port"])]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return (*words, f"{sftp['user']}@{sftp['host']}", "-s", "sftp")


def _algorithms(host_key: str) -> str:
    """A server has keys of several kinds, and shows the one that it is asked for."""
    kind = host_key.partition(" ")[0]
    return "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind
