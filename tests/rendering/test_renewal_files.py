"""What renews the certificate on the host: timer and service; and the site of the throw-away proxy."""

from __future__ import annotations

import configparser

import pytest

from config.renewal import Renewal
from rendering.rootfs import TREE, render
from tests.rendering.sites import site_of

UNIT = "docker-registry-certificate"


def _unit(kind: str, renewal: Renewal | None = None) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(render(f"/etc/systemd/system/{UNIT}.{kind}", renewal=renewal).content)
    return parser


@pytest.mark.parametrize(
    ("renewal", "calendar", "delay"),
    [
        (Renewal(), "*-*-* 00,12:00:00", "1h"),
        (Renewal(schedule="Tue *-*-* 00:00:00", random_delay="0s"), "Tue *-*-* 00:00:00", "0s"),
    ],
    ids=["default", "weekly"],
)
def test_the_timer_has_the_schedule_of_the_settings(renewal: Renewal, calendar: str, delay: str) -> None:
    """A run that was missed is done later; the timer starts with the host."""
    timer = _unit("timer", renewal)
    assert dict(timer["Timer"]) == {"OnCalendar": calendar, "RandomizedDelaySec": delay, "Persistent": "true"}
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert calendar in timer["Unit"]["Description"]


def test_the_service_runs_the_tool_once_docker_is_there() -> None:
    """It ends with it, and is given up when a server never answers."""
    service = _unit("service")
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["TimeoutStartSec"] == "30min"
    assert "Restart" not in service["Service"]
    tool = service["Service"]["ExecStart"]
    assert (TREE / tool.lstrip("/")).stat().st_mode & 0o111
    assert service["Unit"]["Requires"] == "docker.service"
    assert {"docker.service", "network-online.target"} <= set(service["Unit"]["After"].split())
    # The timer alone starts it.
    assert not service.has_section("Install")


def test_the_throw_away_proxy_serves_challenges_and_nothing_else() -> None:
    """From the same folder, in the same words, as the proxy that comes after it."""
    file = render("/var/opt/certbot/nginx/etc/conf.d/acme.conf", root="/srv")
    assert file.path == "/srv/certbot/nginx/etc/conf.d/acme.conf"
    lines = [line.strip() for line in file.content.splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith("listen ")] == ["listen 80 default_server;"]
    begin = lines.index("location ^~ /.well-known/acme-challenge/ {")
    challenge = lines[begin : lines.index("location / {")]
    assert "root /var/www/letsencrypt;" in challenge
    site = [line.strip() for line in site_of().content.splitlines()]
    there = site.index(challenge[0])
    assert site[there : there + len(challenge)] == challenge
    assert lines[begin + len(challenge) :] == ["location / {", "return 404;", "}", "}"]
