"""What starts retention: timer and service."""

from __future__ import annotations

import configparser

from config.retention import Retention
from rendering.rootfs import TREE, render

UNIT = "docker-registry-retention"


def _unit(kind: str, settings: Retention | None = None) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(render(f"/etc/systemd/system/{UNIT}.{kind}", retention=settings).content)
    return parser


def test_the_timer_has_the_schedule_of_the_settings() -> None:
    """Before the clean-up by default; a run that was missed is done later."""
    timer = _unit("timer", Retention())
    assert dict(timer["Timer"]) == {
        "OnCalendar": "*-*-* 04:31:00",
        "RandomizedDelaySec": "0s",
        "Persistent": "true",
    }
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_the_service_runs_the_tool() -> None:
    """Once Docker is there; the timer alone starts it."""
    service = _unit("service")
    tool, command = service["Service"]["ExecStart"].split()
    assert (TREE / tool.lstrip("/")).stat().st_mode & 0o111
    assert command == "retention"
    assert service["Service"]["Type"] == "oneshot"
    assert service["Unit"]["After"] == service["Unit"]["Wants"] == "docker.service"
    assert not service.has_section("Install")
