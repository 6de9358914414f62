"""How systemd is told of a unit whose file was put in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost

UNIT = "docker-registry-gc.timer"
SERVICE = "docker-registry-gc.service"


def _calls(folder: Path, *words: str, known: bool) -> list[str]:
    """How systemctl is called where systemd has an older file of the unit in mind, or none."""
    host = FakeHost(folder / "host")
    log = host.root / "calls"
    answer = "yes" if known else "no"
    host.command("systemctl", f'echo "$*" >>{log}; case $1 in show) echo {answer} ;; esac')
    done = host.run("load-unit", *words)
    assert (done.code, done.out, done.err) == (0, "", "")
    return log.read_text().splitlines()


@pytest.mark.parametrize("known", [False, True])
def test_a_timer_runs_from_now_on(tmp_path: Path, known: bool) -> None:
    """By its new file, and from each boot on. What systemd wants read anew, also after the enabling, is read before."""
    reload = ["daemon-reload"] if known else []
    assert _calls(tmp_path, "--enable", UNIT, SERVICE, known=known) == [
        f"enable -q --no-reload {UNIT}",
        f"show --property NeedDaemonReload --value {UNIT} {SERVICE}",
        *reload,
        f"restart {UNIT}",
    ]


@pytest.mark.parametrize(("known", "calls"), [(False, []), (True, ["daemon-reload"])])
def test_a_service_that_nothing_starts_is_only_read(tmp_path: Path, known: bool, calls: list[str]) -> None:
    """And that of a new file reads systemd by itself."""
    assert _calls(tmp_path, SERVICE, known=known) == [f"show --property NeedDaemonReload --value {SERVICE}", *calls]
