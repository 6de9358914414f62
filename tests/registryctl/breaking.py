"""What goes wrong with restic, at a call of it that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registryctl.restic import Answer, Restic
from tests.registryctl.backed_host import BackedHost
from tests.registryctl.fake_restic import FakeRestic

NAME = "team/app"
STEPS = ("snapshots", "tags", "links", "blobs", "host")
"""restic's work for one backup. Before the second it is asked once what it can."""

SAID = {
    "cut": ("Fatal: unable to save snapshot: connection lost", "the repository is not reached"),
    "full": ("Fatal: write /srv/r/data/ab: no space left on device", "there is no room left"),
    "full by sftp": ('Fatal: sftp: "Failure" (SSH_FX_FAILURE)', "there is no room left"),
    "full by http": ("Fatal: server response unexpected: 507 Insufficient Storage (507)", "there is no room left"),
    "locked": (
        "unable to create lock in backend: repository is already locked by PID 12 on other by root",
        "another run of restic holds the repository",
    ),
    "cut at the lock": (
        "Fatal: unable to create lock in backend: ssh command exited: exit status 255",
        "the repository is not reached",
    ),
    "no room for the lock": (
        "Fatal: unable to create lock in backend: write /srv/r/locks/ab: no space left on device",
        "there is no room left",
    ),
    "password": ("Fatal: wrong password or no key found", "the password does not open the repository"),
    "host key": ("Host key verification failed.\nFatal: unable to start the sftp session", "is not backup.hostKey"),
    "login": ("root@nas: Permission denied (publickey).\nFatal: unable to start", "does not let this host in"),
    "login by http": (
        "Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\n"
        "Is there a repository at the following location?\nrest:http://me:***@nas:8000/r",
        "does not let this host in",
    ),
    "a server in trouble": (
        "Fatal: unable to open config file: unexpected HTTP response (500): 500 Internal Server Error\n"
        "Is there a repository at the following location?\nrest:http://me:***@nas:8000/r",
        "the repository is not reached",
    ),
    "no right": ("Fatal: unable to open config file: stat /srv/r/config: permission denied", "may not do that there"),
    "damage": ("Fatal: ciphertext verification failed", "the repository is damaged"),
    "unknown": ("Fatal: what nobody has seen yet", "restic failed"),
}
"""What restic writes, and what is said of it."""


def backed_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> BackedHost:
    """A host with images, and one good backup of them."""
    found = BackedHost(root, monkeypatch)
    for tag in ("1.0", "2.0"):
        found.world.image(NAME, tag, tag.encode())
    assert found.run("backup").code == 0
    return found


class Killed(BaseException):
    """The run ended here, as by a signal that nobody can catch."""


Call = Callable[[Any, Any, Any], Answer]


@contextmanager
def at_call(
    number: int, happens: Callable[[Call, Any, Any, Any], Answer], program: type[Restic] = FakeRestic
) -> Iterator[list[str]]:
    """At the call of restic of this number (from 0 on) something else happens; the words of all calls."""
    run, seen = program._run, list[str]()

    def patched(self: Restic, words: Any, cwd: Any) -> Answer:  # noqa: ANN401
        seen.append(" ".join(words))
        return happens(run, self, words, cwd) if len(seen) == number + 1 else run(self, words, cwd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "_run", patched)
        yield seen


def before(_run: Call, *_: object) -> Answer:
    """Killed before restic begins."""
    raise Killed


def after(run: Call, restic: Any, words: Any, cwd: Any) -> Answer:  # noqa: ANN401
    """Killed once restic has ended."""
    run(restic, words, cwd)
    raise Killed


def fails(text: str) -> Callable[..., Answer]:
    """restic ends with an error."""
    return lambda *_: Answer(1, "", text)


def calls_of(host: BackedHost, *words: str) -> int:
    """How often a command calls restic."""
    with at_call(-1, before) as seen:
        assert host.run(*words).code == 0
    return len(seen)


def well_again(host: BackedHost) -> None:
    """The next run is good, and its backup is whole with all images."""
    done = host.run("backup")
    assert (done.code, done.err) == (0, "")
    assert "failed" not in host.known()
    drill = json.loads(host.run("backup", "drill", "--json").out)
    assert (drill["tags"], drill["broken"], drill["lost"]) == (2, 0, 0)
