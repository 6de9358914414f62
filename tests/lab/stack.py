"""Stacks of this program against lab hosts, run by the real engine as a user runs them."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.connection import key_path
from tests.lab.encryption import encrypted
from tests.lab.engine import PASSPHRASE_FILE, engine
from tests.lab.host import LabHost
from tests.lab.paths import ROOT, log_file, run_dir, write_private
from tests.lab.run import LabError, run

NAMESPACE = "docker-registry"
QUIET = ("--non-interactive", "--color", "never")
Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Secret:
    """A configuration value that is stored encrypted."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"


def default_config(host: LabHost, fqdn: str, password: str | None = None) -> dict[str, Any]:
    """The least configuration that works: a self-signed certificate and one user, `alice`."""
    return {
        "host": {
            "address": host.address,
            "user": "root",
            "hostKey": host.host_key,
            "privateKey": Secret(host.private_key_path.read_text()),
        },
        "site": {"fqdn": fqdn},
        "certificate": {"mode": "self-signed"},
        "users": [{"name": "alice", "password": Secret(password or secrets.token_hex(16))}],
    }


class LabStack:
    """One stack. Its settings are in `.lab/stacks/`, its state in `.lab/state/`, its logs in `.lab/logs/`."""

    def __init__(self, name: str, host: LabHost | None = None, program: Path = ROOT) -> None:
        self.name = name
        self.host = host
        self.program = program
        self.config_file = run_dir("stacks") / f"{name}.yaml"
        self.log = f"stack-{name}"

    def init(self) -> None:
        """Create the stack if it doesn't exist. Nothing is written into the checkout outside `.lab/`."""
        with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as folder:
            # `stack init` writes the settings file next to Pulumi.yaml and can't be told another place.
            shutil.copy(self.program / "Pulumi.yaml", folder)
            done = self._run("stack", "init", self.name, "--non-interactive", cwd=Path(folder), check=False)
            created = Path(folder) / f"Pulumi.{self.name}.yaml"
            if done.returncode == 0:
                write_private(self.config_file, created.read_text())
            elif "already exists" not in done.stderr or not self.config_file.exists():
                raise LabError(f"pulumi stack init: {done.stderr.strip()}")

    def configure(self, values: Mapping[str, Any]) -> None:
        """Replace the whole configuration. `Secret` values, however deep, are encrypted, as the engine would do it."""
        kept = yaml.safe_load(self.config_file.read_text())
        config = {f"{NAMESPACE}:{key}": _written(value, kept["encryptionsalt"]) for key, value in values.items()}
        content = {key: value for key, value in kept.items() if key != "config"} | {"config": config}
        write_private(self.config_file, yaml.safe_dump(content, sort_keys=False))

    def up(self, *args: str, check: bool = True, timeout: float = 900) -> Result:
        """`pulumi up` without questions."""
        return self._act("up", "--yes", "--skip-preview", *args, check=check, timeout=timeout)

    def preview(self, *args: str, check: bool = True, timeout: float = 300) -> Result:
        """`pulumi preview`."""
        return self._act("preview", *args, check=check, timeout=timeout)

    def refresh(self, *args: str, check: bool = True, timeout: float = 300) -> Result:
        """`pulumi refresh` without questions."""
        return self._act("refresh", "--yes", "--skip-preview", *args, check=check, timeout=timeout)

    def destroy(self, *args: str, check: bool = True, timeout: float = 600) -> Result:
        """`pulumi destroy` without questions."""
        return self._act("destroy", "--yes", "--skip-preview", *args, check=check, timeout=timeout)

    def cancel(self) -> Result:
        """`pulumi cancel`: drop the lock that a killed engine left."""
        return self._run("cancel", "--yes", "--stack", self.name, "--non-interactive", check=False)

    def outputs(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs."""
        flags = ["--show-secrets"] if show_secrets else []
        done = self._run("stack", "output", "--json", *flags, "--stack", self.name, private=show_secrets)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def export(self) -> dict[str, Any]:
        """The stack's state, secrets encrypted."""
        found: dict[str, Any] = json.loads(self._run("stack", "export", "--stack", self.name).stdout)
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put a state that `export` gave in place of the stack's own."""
        self._run("stack", "import", "--stack", self.name, "--non-interactive", stdin=json.dumps(state))

    def remove(self) -> None:
        """Forget the stack, its settings and the copy of its SSH key, whatever it made."""
        if self._forget().returncode != 0:
            # An engine that was killed left its lock.
            self.cancel()
            self._forget()
        if self.config_file.exists():
            settings = (yaml.safe_load(self.config_file.read_text()) or {}).get("config") or {}
            host = settings.get(f"{NAMESPACE}:host") or {}
            login = f"{host.get('user', 'root')}@{host.get('address')}:{host.get('port', 22)}"
            key_path(login).unlink(missing_ok=True)
        self.config_file.unlink(missing_ok=True)

    def popen_up(self, *args: str) -> subprocess.Popen[bytes]:
        """Start `pulumi up` in a process group of its own, for tests that break it; its output goes to the log."""
        argv = [str(engine().pulumi), "up", "--yes", "--skip-preview", *args, *QUIET, *self._where()]
        with log_file(self.log).open("ab") as out:
            return subprocess.Popen(
                argv,
                cwd=self.program,
                env=engine().environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def command_script(self) -> str:
        """An sh script that runs `pulumi` with this stack selected, from any folder of the program."""
        lines = ["#!/bin/sh", "# Runs pulumi against the lab's stack.", "set -e"]
        inherited = os.environ
        for key, value in engine().environment.items():
            if inherited.get(key) != value:
                lines.append(f"export {key}={_quote(value)}")
        lines += [
            "unset SSH_AUTH_SOCK DOCKER_CONTEXT DOCKER_HOST PULUMI_CONFIG_PASSPHRASE",
            f"export PULUMI_STACK={_quote(self.name)}",
            f"cd {_quote(str(self.program))}",
            f"pulumi={_quote(str(engine().pulumi))}",
            f"config={_quote(str(self.config_file))}",
            'case "${1-}" in',
            "up|update|preview|refresh|destroy|watch|import|config)",
            '    command=$1; shift; exec "$pulumi" "$command" --config-file "$config" "$@" ;;',
            '*) exec "$pulumi" "$@" ;;',
            "esac",
        ]
        return "\n".join(lines) + "\n"

    def _forget(self) -> Result:
        return self._run("stack", "rm", "--force", "--yes", "--stack", self.name, "--non-interactive", check=False)

    def _where(self) -> list[str]:
        return ["--stack", self.name, "--config-file", str(self.config_file)]

    def _act(self, verb: str, *args: str, check: bool, timeout: float) -> Result:
        return self._run(verb, *args, *QUIET, *self._where(), check=check, timeout=timeout)

    def _run(
        self,
        *args: str,
        check: bool = True,
        stdin: str | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
        private: bool = False,
    ) -> Result:
        return run(
            [str(engine().pulumi), *args],
            log=self.log,
            check=check,
            stdin=stdin,
            env=engine().environment,
            cwd=cwd or self.program,
            timeout=timeout,
            private=private,
        )


def kill_group(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """SIGKILL a process of `popen_up` and all it started, and wait until it is gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait(seconds)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)


def _written(value: Any, salt: str) -> Any:  # noqa: ANN401
    if isinstance(value, Secret):
        # As from standard input, where a last line end is none of the value's.
        return encrypted(value.value.removesuffix("\n"), salt, Path(engine().environment[PASSPHRASE_FILE]))
    if isinstance(value, Mapping):
        return {key: _written(inner, salt) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_written(inner, salt) for inner in value]
    return value


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
