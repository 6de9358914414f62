"""Files that belong together are put in place by the host's tool: all or, where that is known in time, none."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rendering.bundle import Entry, bundle
from tests.rendering.host_tools import OWNER, FakeHost, Ran


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the tools and nothing else."""
    return FakeHost(tmp_path / "host")


def _bundle(host: FakeHost, **contents: str) -> str:
    entries = [Entry(f"{host.root}/etc", "0750", OWNER)]
    entries += [Entry(f"{host.root}/etc/{name}", "0600", OWNER, content) for name, content in contents.items()]
    return bundle(entries)


def _put(host: FakeHost, text: str, *more: str) -> Ran:
    return host.run("put-files", "--for", "me@ssh", *more, stdin=text)


def _there(host: FakeHost) -> dict[str, str]:
    return {path.name: path.read_text() for path in (host.root / "etc").glob("*")}


def test_directories_and_files_are_put_with_their_modes(host: FakeHost) -> None:
    """Whatever is in them."""
    contents = {"one": "ü\n== end\n", "two": "no end", "three": ""}
    assert _put(host, _bundle(host, **contents)) == Ran(0, "", "")
    assert _there(host) == contents
    assert (host.root / "etc").stat().st_mode & 0o777 == 0o750
    assert (host.root / "etc/one").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("missing", [1, 8, 9, 30, 60])
def test_what_does_not_arrive_whole_changes_nothing(host: FakeHost, missing: int) -> None:
    """Wherever the connection breaks."""
    _put(host, _bundle(host, one="old\n"))
    done = _put(host, _bundle(host, one="new\n", two="new\n")[:-missing])
    assert done.code != 0
    assert "did not arrive whole; nothing was changed" in done.err
    assert _there(host) == {"one": "old\n"}


def test_they_are_tested_together_before_the_first_is_put(host: FakeHost) -> None:
    """The test sees all of them, and what follows runs once, also where nothing changed."""
    host.command("verify", f'cd "$1{host.root}/etc" && ! grep -q bad *')
    host.command("after", f"echo ran >>{host.root}/after")
    words = ("--verify", "verify", "--then", "after")
    for _ in range(2):
        assert _put(host, _bundle(host, one="good\n", two="good\n"), *words).code == 0
    assert (host.root / "after").read_text() == "ran\nran\n"
    assert _put(host, _bundle(host, one="better\n", two="bad\n"), *words).code != 0
    assert _there(host) == {"one": "good\n", "two": "good\n"}
    assert (host.root / "after").read_text() == "ran\nran\n"


def test_no_reload_finds_half_of_them(host: FakeHost) -> None:
    """One that another file has asked for goes on: the first is put once it is over, and then they have their own."""
    reload = host.root / "nginx-reload"
    reload.write_text(f"#!/bin/sh\nls {host.root}/etc >{host.root}/seen\n")
    reload.chmod(0o755)
    locks = host.path("/run/docker-registry-locks")
    locks.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        with (locks / "reload").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            putting = pool.submit(_put, host, _bundle(host, one="1\n", two="2\n"), "--then", str(reload))
            time.sleep(1)
            assert (_there(host), putting.done()) == ({}, False)
        assert putting.result().code == 0
    assert (host.root / "seen").read_text() == "one\ntwo\n"


def test_what_belongs_to_them_no_more_is_removed(host: FakeHost) -> None:
    """Not what another has, and what somebody changed is kept beside."""
    _put(host, _bundle(host, one="1\n", two="2\n", three="3\n"))
    _put(host, _bundle(host, three="3\n"), "--for", "other@ssh")
    (host.root / "etc/two").write_text("changed\n")
    assert "was changed on the host: kept as" in _put(host, _bundle(host, one="1\n")).err
    found = _there(host)
    assert {name for name in found if not name.endswith("~")} == {"one", "three"}
    assert "changed\n" in found.values()


def test_what_a_killed_run_left_is_removed(host: FakeHost) -> None:
    """It may hold accounts. That of a run that is at work stays."""
    left, at_work = (host.path(f"/run/docker-registry-new.{number}") for number in (999999999, os.getpid()))
    for folder in (left, at_work):
        folder.mkdir()
    assert _put(host, _bundle(host, one="1\n")).code == 0
    assert not left.exists()
    assert [path.name for path in at_work.parent.glob("docker-registry-new.*")] == [at_work.name]
