"""What renews the certificate on the host: facts, timer and service; and the site of the throw-away proxy."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import PurePosixPath

import pytest

from config.certificate import Certificate
from config.images import Images
from config.network import Network
from config.renewal import Renewal
from config.retention import Retention
from config.site import Site
from config.storage import Storage
from rendering.rootfs import TREE, HostFile, render
from tests.rendering.sites import site_of

UNIT = "docker-registry-certificate"
FACTS = ("root", "fqdn", "certificate_mode", "certificate_warn_days", "nginx_image", "certbot_image")
PATHS = ("chain_path", "private_key_path")


def _facts(certificate: Certificate, root: str = "/var/opt") -> HostFile:
    return render(
        "/etc/docker-registry/host.conf",
        stack="acme/docker-registry/prod",
        root=root,
        site=Site(fqdn="dr.example.net"),
        certificate=certificate,
        images=Images(),
        network=Network(name="images"),
        storage=Storage(warn_percent=70),
        retention=Retention(),
    )


def _read(file: HostFile, *names: str) -> list[str]:
    """The values as a tool of the host reads them: the file is a piece of shell script."""
    script = f"set -eu\n{file.content}printf '%s\\n' " + " ".join(f'"${name}"' for name in names)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def _unit(kind: str, renewal: Renewal | None = None) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(render(f"/etc/systemd/system/{UNIT}.{kind}", renewal=renewal).content)
    return parser


def test_the_facts_are_what_the_tools_read() -> None:
    """By sh, with nothing to unpack: mode acme has no paths."""
    facts = _facts(Certificate(mode="acme"), root="/srv/registry")
    assert _read(facts, *FACTS) == [
        *("/srv/registry", "dr.example.net", "acme", "7", "nginx:1.28.0", "certbot/certbot:v5.1.0")
    ]
    assert _read(facts, *PATHS) == ["", ""]
    assert _read(facts, "network", "warn_percent") == ["images", "70"]


def test_the_facts_have_the_paths_of_a_certificate_on_the_host() -> None:
    """From there it is copied when it has changed."""
    chain, key = PurePosixPath("/etc/ssl/own/chain.pem"), PurePosixPath("/etc/ssl/own/key.pem")
    certificate = Certificate(mode="files", chain_path=chain, private_key_path=key)
    assert _read(_facts(certificate), *PATHS) == [str(chain), str(key)]


def test_the_facts_name_the_stack_that_wrote_them() -> None:
    """For those who find the file on the host."""
    assert "acme/docker-registry/prod" in _facts(Certificate()).content.splitlines()[0]


@pytest.mark.parametrize(
    ("renewal", "calendar", "delay"),
    [
        (Renewal(), "*-*-* 00,12:00:00", "1h"),
        (Renewal(schedule="Tue *-*-* 00:00:00", random_delay="0s"), "Tue *-*-* 00:00:00", "0s"),
    ],
    ids=["default", "weekly"],
)
def test_the_timer_has_the_schedule_of_the_settings(renewal: Renewal, calendar: str, delay: str) -> None:
    """A run that was missed is made up for; the timer starts with the host."""
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
    challenge = lines[begin : lines.index("}", begin) + 1]
    assert "root /var/www/letsencrypt;" in challenge
    site = [line.strip() for line in site_of().content.splitlines()]
    there = site.index(challenge[0])
    assert site[there : there + len(challenge)] == challenge
    assert lines[begin + len(challenge) :] == ["location / {", "return 404;", "}", "}"]
