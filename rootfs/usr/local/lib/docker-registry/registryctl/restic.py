"""restic, which keeps the backups: how it is run, and what it means when it fails. From 0.12 to 0.18."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from registryctl.repository import Repository

INCOMPLETE = 3
"""restic's exit code when a snapshot was written but something could not be read."""

_MEANINGS = (
    ("LOCKED", r"already locked", "another run of restic holds the repository"),
    ("PASSWORD", r"wrong password or no key found", "the password does not open the repository"),
    ("HOST_KEY", r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|No .* host key is known",
     "the server's key is not backup.hostKey"),
    ("LOGIN", r"Permission denied \(|Too many authentication failures|Load key .*: |401 Unauthorized|"
     r"InvalidAccessKeyId|SignatureDoesNotMatch", "the server does not let this host in"),
    ("FULL", r"[Nn]o space left|ENOSPC|EDQUOT|[Qq]uota exceeded|507 Insufficient|StorageFull|SSH_FX_FAILURE",
     "there is no room left"),
    ("DAMAGED", r"ciphertext verification failed|repository contains errors|pack .* (?:contains|does not match)|"
     r"invalid data returned|id mismatch|hash mismatch|unable to load index|wrong data returned|errors? were found|"
     r"Pack ID does not match|not found in (?:any )?(?:index|repository)|invalid mac|pack.*too short",
     "the repository is damaged"),
    ("UNREACHABLE", r"[Cc]onnection (?:refused|reset|closed|timed out)|i/o timeout|Could not resolve|no such host|"
     r"No route to host|start the sftp session|connection lost|broken pipe|ssh command exited|Network is unreachable|"
     r"client\.BucketExists", "the repository is not reached"),
    # Only what no network explains: damage is gone on without, and never tried again.
    ("DAMAGED", r"There were \d+ errors|/data/[0-9a-f]{2}/[0-9a-f]{64}: no such file", "the repository is damaged"),
    ("FORBIDDEN", r"403 Forbidden|[Pp]ermission denied|SSH_FX_PERMISSION_DENIED|Access ?Denied",
     "this host may not do that there"),
    # What a server in trouble says is not that there is no repository.
    ("UNREACHABLE", r"unexpected EOF|server response unexpected|unexpected HTTP response \((?!404)\d+\)",
     "the repository is not reached"),
    ("MISSING", r"Is there a repository at the following location|repository does not exist", "there is no repository"),
)  # fmt: skip


class ResticError(Exception):
    """restic failed: `kind` is a word for programs, the text one line for people."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Fault:
    """Something that restic could not read."""

    path: str
    why: str


@dataclass
class Answer:
    """How restic ended."""

    code: int
    out: str
    err: str = field(repr=False)


class Restic:
    """restic on one repository. Each call may raise `ResticError`."""

    def __init__(self, repository: Repository, program: str = "restic") -> None:
        self.repository = repository
        self._program = program

    def run(self, *words: str, ok: Sequence[int] = (0,), cwd: Path | None = None) -> Answer:
        """Runs it to its end. Locks of runs that died are removed once."""
        answer = self._run(words, cwd)
        if answer.code not in ok and self.meaning(answer).kind == "LOCKED":
            # Only those of processes that are gone, or older than half an hour without a sign of life.
            self._run(("unlock",), None)
            answer = self._run(words, cwd)
        if answer.code not in ok:
            raise self.meaning(answer)
        return answer

    @cached_property
    def without_scan(self) -> tuple[str, ...]:
        """Spares a backup restic's second walk through all directories, which only counts for a progress nobody sees.

        Releases before 0.15 can't.
        """
        return tuple(word for word in ("--no-scan",) if word in self.run("help", "backup").out)

    def json(self, *words: str, cwd: Path | None = None) -> Any:  # noqa: ANN401 - it is JSON
        """What it says in JSON."""
        text = self.run("--json", *words, cwd=cwd).out
        try:
            return json.loads(text)
        except ValueError:
            raise ResticError("FAILED", f"restic {words[0]} says what is no JSON") from None

    def lines(self, *words: str) -> Iterator[dict[str, Any]]:
        """What it says in JSON, a line at a time, however many there are."""
        with self._started(words) as (process, errors):
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in process.stdout:
                yield json.loads(line)
            code = process.wait()
            errors.seek(0)
            if code:
                raise self.meaning(Answer(code, "", errors.read().decode(errors="replace")))

    @contextmanager
    def _started(self, words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    self._words(("--json", *words)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=dict(self.repository.environment),
                )
            except FileNotFoundError:
                raise _not_installed() from None
            try:
                yield process, errors
            finally:
                process.kill()
                process.wait()

    def _run(self, words: Sequence[str], cwd: Path | None) -> Answer:
        try:
            done = subprocess.run(
                self._words(words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=dict(self.repository.environment),
                cwd=cwd,
                check=False,
            )
        except FileNotFoundError:
            raise _not_installed() from None
        return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def _words(self, words: Sequence[str]) -> list[str]:
        return [self._program, *self.repository.options, *words]

    def meaning(self, answer: Answer) -> ResticError:
        """What an end means, in one line without a secret."""
        error = self._explained(answer.err, answer.code)
        # restic often ends before it has read what ssh says.
        if error.kind == "UNREACHABLE" and self.repository.ssh:
            words = self.repository.ssh
            asked = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            again = self._explained(asked.stderr, asked.returncode)
            error = again if asked.returncode and again.kind != "FAILED" else error
        return error

    def _explained(self, said: str, code: int) -> ResticError:
        text = self.masked(_plain(said))
        last = self.last_words(text) or f"restic ended with {code}"
        for kind, pattern, meaning in _MEANINGS:
            if re.search(pattern, text):
                return ResticError(kind, f"{meaning} ({self.repository.shown}): {last}")
        return ResticError("FAILED", f"restic failed ({self.repository.shown}): {last}")

    def masked(self, text: str) -> str:
        """A text without the secrets."""
        for secret in sorted(self.repository.hidden, key=len, reverse=True):
            text = text.replace(secret, "[secret]") if secret else text
        return text

    @staticmethod
    def last_words(text: str) -> str:
        """The line of an output that says most."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("Fatal:")] or [
            line for line in lines if not line.startswith(("{", "/", "Is there", "the `unlock`"))
        ]
        # Without a space it is a place in the program.
        said = [line for line in said if " " in line] or said
        return said[-1].removeprefix("Fatal:").strip()[:300] if said else ""


def _plain(text: str) -> str:
    """What it says in JSON, as newer releases do, as they said it before."""
    lines = []
    for line in text.splitlines():
        try:
            one = json.loads(line) if line.startswith("{") else line
        except ValueError:
            one = line
        if isinstance(one, dict):
            error = one.get("message") or one.get("error")
            error = error.get("message", "") if isinstance(error, dict) else error
            lines.append(f"{one.get('item', '')} {error or ''}".strip())
        else:
            lines.append(line)
    return "\n".join(lines)


def messages(text: str, kind: str) -> Iterator[dict[str, Any]]:
    """Those of a kind among restic's own lines in JSON."""
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("message_type") == kind:
            yield found


def faults(text: str) -> list[Fault]:
    """What a backup could not read."""
    found = []
    for one in messages(text, "error"):
        error = one.get("error")
        why = error.get("message") or f"{error.get('Op')}: error {error.get('Err')}" if isinstance(error, dict) else ""
        found.append(Fault(str(one.get("item", "")), str(why or error)))
    return found


def _not_installed() -> ResticError:
    return ResticError("FAILED", "restic is not installed: pulumi up installs it where a backup is set")
