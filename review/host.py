"""Asks a host for facts, over the way that the stack itself uses."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.connection import key_path, write_key
from review.state import Resource

SCRIPT = Path(__file__).with_name("inspect-host.sh")
SECONDS = 300

Question = tuple[str, ...]
"""A function of the script and its words, without the number."""


@dataclass(frozen=True)
class Way:
    """The way to a host: a command line that runs a shell there as root, which reads its script from standard input."""

    argv: tuple[str, ...]

    def run(self, script: str, seconds: float = SECONDS) -> str:
        """What the script prints. Raises `RuntimeError` when the host can't be reached, or the script fails."""
        done = subprocess.run(
            self.argv, input=script, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
        )
        if done.returncode != 0:
            raise RuntimeError(f"the host did not answer: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return done.stdout

    def ask(self, questions: Sequence[Question]) -> list[list[str]]:
        """The fields of each answer."""
        calls = (shlex.join([name, str(number), *words]) for number, (name, *words) in enumerate(questions))
        answers: dict[int, list[str]] = {}
        for line in self.run(SCRIPT.read_text(encoding="utf-8") + "\n".join(calls) + "\n").splitlines():
            number, *fields = line.split("\t")
            answers[int(number)] = fields
        if len(answers) != len(questions):
            raise RuntimeError(f"the host answered {len(answers)} of {len(questions)} questions")
        return [answers[number] for number in range(len(questions))]


def way_to(resources: Sequence[Resource]) -> Way:
    """The way that a stack's own resources use: the host of its Docker provider, with that one's options for `ssh`.

    A key that is a setting is put where `ssh` finds it: on this machine the program may never have run.
    Raises `RuntimeError` where the stack has no host yet.
    """
    provider = next((one for one in resources if one.type == "pulumi:providers:docker"), None)
    if provider is None:
        raise RuntimeError("the stack has no host yet: it was never brought up")
    commands = [one for one in resources if one.is_command]
    root = ["sudo", "-n"] if any(str(one.inputs.get("create")).startswith("sudo -n ") for one in commands) else []
    address = urlsplit(str(provider.inputs["host"]))
    if address.scheme != "ssh":
        return Way((*root, "sh", "-s"))
    login = f"{address.username}@{address.hostname}"
    connection: dict[str, Any] = next((one.inputs["connection"] for one in commands if "connection" in one.inputs), {})
    if connection.get("privateKey"):
        # Take the connection's own words: in a URL an IPv6 address has brackets.
        write_key(
            key_path(f"{connection['user']}@{connection['host']}:{connection['port']:.0f}"), connection["privateKey"]
        )
    options = provider.inputs.get("sshOpts") or []
    words = json.loads(options) if isinstance(options, str) else options
    return Way(("ssh", *words, "-p", str(address.port or 22), "--", login, shlex.join([*root, "sh", "-s"])))
