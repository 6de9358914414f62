"""What retention reads and what starts it: the policies as Lua, timer and service."""

from __future__ import annotations

import configparser

from config.retention import Policy, Retention
from rendering.rootfs import TREE, render

UNIT = "docker-registry-retention"


def _policies(settings: Retention) -> str:
    return render("/etc/docker-registry/retention.lua", stack="o/docker-registry/prod", retention=settings).content


def _unit(kind: str, settings: Retention | None = None) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(render(f"/etc/systemd/system/{UNIT}.{kind}", retention=settings).content)
    return parser


def test_policies_are_a_table_in_their_order() -> None:
    """What is not set is not there."""
    policies = (
        Policy(repositories=("team/*", "x"), keep_last=5, keep_days=30, keep=("v*",), drop=("pr-?",)),
        Policy(repositories=("**",), keep_days=7),
    )
    text = _policies(Retention(mode="on", protected=("latest",), policies=policies))
    assert text.splitlines()[1:] == [
        "job.retention = {",
        '    protected = { "latest", },',
        "    policies = {",
        "        {",
        '            repositories = { "team/*", "x", },',
        "            keepLast = 5,",
        "            keepDays = 30,",
        '            keep = { "v*", },',
        '            drop = { "pr-?", },',
        "        },",
        "        {",
        '            repositories = { "**", },',
        "            keepDays = 7,",
        "            keep = { },",
        "            drop = { },",
        "        },",
        "    },",
        "}",
    ]


def test_no_policy_is_an_empty_table() -> None:
    """Mode off has one too."""
    assert "    policies = {\n    },\n" in _policies(Retention())


def test_the_timer_has_the_schedule_of_the_settings() -> None:
    """Before the clean-up by default; a run that was missed is made up for."""
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
    assert (TREE / service["Service"]["ExecStart"].lstrip("/")).stat().st_mode & 0o111
    assert service["Service"]["Type"] == "oneshot"
    assert service["Unit"]["Requires"] == "docker.service"
    assert not service.has_section("Install")
