"""`registryctl notify`: who is told what, once each, whatever happens in between."""

from __future__ import annotations

import json
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registryctl import notify, notify_memory
from registryctl.machine import RESULTS, RUN
from tests.registryctl.running import Ran
from tests.registryctl.status_host import StatusHost
from tests.registryctl.telling import TOKEN, Hook, Telling


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def telling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook) -> Telling:
    host = StatusHost(tmp_path, monkeypatch)
    monkeypatch.setattr(notify, "Machine", lambda: host.machine)
    monkeypatch.setattr(notify, "_SURE_SECONDS", 0)
    return Telling(host, hook)


def _breaks(telling: Telling) -> None:
    telling.host.containers(nginx=("exited", "Exited (137) 2 minutes ago"))


def test_what_becomes_worse_and_well_again_is_told_once(telling: Telling) -> None:
    """Whatever else goes on meanwhile."""
    assert telling.run() == Ran(0, "", "")
    assert telling.told() == []
    _breaks(telling)
    for _ in range(3):
        assert telling.run() == Ran(0, "", "")
    [(headers, message)] = telling.hook.told
    assert headers["Authorization"] == TOKEN
    assert headers["Content-Type"] == "application/json"
    assert (message["registry"], message["status"]) == ("dr.example.net", "broken")
    [worse] = message["worse"]
    assert (worse["what"], worse["level"]) == ("containers nginx", "broken")
    assert message["text"] == f"dr.example.net:\nworse: {worse['line']}"
    assert "Exited (137)" in worse["line"]
    assert telling.told() == [(["containers nginx"], [])]
    telling.host.containers()
    telling.host.timer("docker-registry-gc", result="exit-code", code="1")
    for _ in range(3):
        telling.run()
    assert telling.told() == [(["timers docker-registry-gc"], ["containers nginx"])]


def test_only_worse_is_news(telling: Telling) -> None:
    """From bad to worse is told, from there to bad again is not, and then well."""
    for used, news in ((90, ["disk data"]), (96, ["disk data"]), (90, None), (96, None)):
        telling.host.disk(data=(used, "/"), logs=(used, "/"))
        telling.run()
        assert telling.told() == ([(news, [])] if news else [])
    telling.host.disk(data=(40, "/"), logs=(40, "/"))
    telling.run()
    assert telling.told() == [([], ["disk data"])]


def test_it_outlives_a_boot(telling: Telling) -> None:
    """Which clears /run."""
    _breaks(telling)
    telling.run()
    telling.host.machine.path(RUN / "notify").unlink()
    telling.run()
    assert telling.told() == [(["containers nginx"], [])]


def test_on_a_full_disk_it_is_remembered_in_memory(telling: Telling) -> None:
    """Somebody is told once all the same, and the run fails."""
    _breaks(telling)
    place = telling.host.machine.path(RESULTS / "notify.new")
    place.mkdir(parents=True)
    (place / "x").touch()
    assert {telling.run().code for _ in range(3)} == {1}
    assert telling.told() == [(["containers nginx"], [])]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"targets": 1, "last": 2}', '{"targets": {"webhook": {}}, "last": ""}']
)
def test_a_memory_that_is_none_of_ours(damage: str, telling: Telling) -> None:
    """It may be told again; that is better than never."""
    _breaks(telling)
    telling.run()
    for folder in (RUN, RESULTS):
        telling.host.machine.path(folder / "notify").write_text(damage)
    assert telling.run().code == 0
    assert telling.told() == 2 * [(["containers nginx"], [])]


def test_what_lasts_a_moment_is_not_told(telling: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a container that an up replaces."""
    _breaks(telling)
    monkeypatch.setattr(time, "sleep", lambda _: telling.host.containers())
    telling.run()
    assert telling.told() == []


def test_what_is_gone_is_well_again(telling: Telling) -> None:
    """As a timer that no setting wants any more."""
    telling.host.timer("docker-registry-x", result="exit-code", code="1")
    telling.run()
    telling.host.machine.path("/etc/systemd/system/docker-registry-x.timer").unlink()
    telling.run()
    assert telling.hook.told[1][1]["well"] == [
        {"what": "timers docker-registry-x", "line": "timers docker-registry-x: no longer there"}
    ]


# --- who can't be told ------------------------------------------------------------------------------------------------
def test_a_target_that_fails_is_tried_again_and_said(telling: Telling) -> None:
    """As long as it is true. The status warns of it, which is nothing to tell."""
    _breaks(telling)
    telling.hook.answer = 503
    failed = telling.run()
    assert (failed.code, failed.err) == (1, "webhook could not be told: it answered 503\n")
    since = telling.host.machine.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert telling.status()["state"] == "failing"
    assert telling.status()["detail"] == f"told last never; not webhook since {since}: it answered 503"
    telling.host.timer("docker-registry-notify", result="exit-code", code="1")
    telling.run()
    telling.hook.answer = 200
    assert telling.run().code == 0
    assert telling.told() == 3 * [(["containers nginx"], [])]
    assert telling.status()["state"] == "ok"
    telling.hook.answer = 503
    telling.host.containers()
    telling.run()
    telling.hook.answer = 200
    telling.run()
    telling.run()
    assert telling.told() == 2 * [([], ["containers nginx"])]


def test_what_is_over_before_it_could_be_told_is_not(telling: Telling) -> None:
    """Neither that it was worse nor that it is well."""
    _breaks(telling)
    telling.hook.answer = 500
    telling.run()
    telling.told()
    telling.host.containers()
    telling.hook.answer = 200
    telling.run()
    assert telling.told() == []
    assert telling.status()["state"] == "ok"


def test_each_is_told_by_itself(telling: Telling, tmp_path: Path) -> None:
    """One that fails keeps no other from it, and is not told what it was told already."""
    out = tmp_path / "told"
    telling.configure(
        telling.hook.url, ["/bin/sh", "-c", f"cat >>{shlex.quote(str(out))}; echo >>{shlex.quote(str(out))}"]
    )
    _breaks(telling)
    telling.hook.answer = 500
    for _ in range(2):
        assert telling.run().code == 1
    telling.hook.answer = 200
    assert telling.run().code == 0
    assert len(telling.told()) == 3
    [line] = out.read_text().splitlines()
    assert json.loads(line)["worse"][0]["what"] == "containers nginx"


def test_one_that_is_no_longer_set_is_forgotten(telling: Telling) -> None:
    """With what kept it from being told."""
    _breaks(telling)
    telling.hook.answer = 500
    telling.run()
    telling.configure(None, ["/bin/true"])
    telling.run()
    assert telling.status()["state"] == "ok"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:{closed}/secret-part", "Connection refused"),
        ("http://secret-part.invalid/", "its name leads nowhere"),
        ("https://127.0.0.1:{hook}/secret-part", "Protocol"),
        ("http://127.0.0.1:{hook}/secret part", "InvalidURL"),
        ("file:///etc/secret-part", "it is no http or https URL"),
        ("secret-part", "ValueError"),
    ],
)
def test_what_hinders_it_is_said_without_the_url(url: str, why: str, telling: Telling) -> None:
    """Its parts may be secret; so are headers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        telling.configure(url.format(closed=closed.getsockname()[1], hook=telling.hook.server_port), seconds=3)
        _breaks(telling)
        failed = telling.run()
    said = failed.out + failed.err + str(telling.status())
    assert failed.code == 1
    assert why in said or why == "Protocol"
    for folder in (RUN, RESULTS):
        place = telling.host.machine.path(folder / "notify")
        said += place.read_text()
        assert place.stat().st_mode & 0o777 == 0o600
    assert "secret" not in said
    assert TOKEN not in said


def test_a_redirection_is_not_followed(telling: Telling) -> None:
    """The headers are for the one that is set."""
    telling.hook.answer, telling.hook.location = 302, f"http://127.0.0.1:{telling.hook.server_port}/elsewhere"
    _breaks(telling)
    assert telling.run().err == "webhook could not be told: it answered 302\n"
    assert len(telling.hook.told) == 1


def test_a_trial_is_told_at_once(telling: Telling) -> None:
    """And changes nothing of what is remembered."""
    assert telling.run("--try") == Ran(0, "webhook: told\n", "")
    assert "trial" in telling.hook.told[0][1]["text"]
    telling.hook.answer = 403
    assert telling.run("--try") == Ran(1, "webhook: it answered 403\n", "")
    assert not telling.host.machine.path(RESULTS / "notify").exists()


def test_where_nobody_is_to_be_told(telling: Telling) -> None:
    """The status is silent, and the command says so."""
    telling.host.machine.path(notify_memory.SETTINGS).unlink()
    assert telling.run().word == "FAILED"
    assert telling.status() == {"state": "off"}
    assert "notify" not in telling.host.run().out


def test_hostile_lines_are_cut_and_plain(telling: Telling) -> None:
    """Some of the status comes from others."""
    telling.host.containers(nginx=("exited", "\x1b[2J\u202e" + "x" * 5000))
    telling.run()
    [(_, message)] = telling.hook.told
    line = message["worse"][0]["line"]
    assert len(line) == 500
    assert line.isascii()
    assert line.isprintable()
