"""`registry-status` on a host: what it says of the things that an administrator does there."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.clean_up import within
from tests.e2e.closing import closed
from tests.e2e.support import CONTAINERS, Deployed, wait_until_healthy
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

TIMER = "docker-registry-certificate"
CONCERNS = ("certificate", "containers", "network", "timers", "writes")
"""All but the disk, which is the machine's that runs the lab."""


def _status(host: LabHost, *concerns: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON."""
    done = host.run(["registry-status", "--json", *concerns], check=False)
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["status"] == done.returncode
    return done.returncode, found


@contextmanager
def _meanwhile(host: LabHost, do: str, undo: str) -> Iterator[None]:
    host.run(do)
    try:
        yield
    finally:
        host.run(undo)


def test_all_is_well(deployed: Deployed) -> None:
    """What runs has its name, and each timer its next run."""
    code, found = _status(deployed.host, *CONCERNS)
    assert (code, found["problems"]) == (0, [])
    assert [(entry["name"], entry["state"]) for entry in found["containers"]] == [(name, "ok") for name in CONTAINERS]
    assert "nginx:1.28.0" in found["containers"][0]["image"]
    assert found["network"] == {"name": "registry", "state": "ok", "subnet": "100.127.255.0/24", "detail": ""}
    assert {TIMER, "logrotate"} <= {timer["name"] for timer in found["timers"]}
    assert all(timer["next"].endswith("Z") for timer in found["timers"])
    assert found["writes"]["state"] == "ok"


def test_the_disk_is_measured(deployed: Deployed) -> None:
    """As `df` has it; how full this machine is, is no concern of this test."""
    _, found = _status(deployed.host, "disk")
    free = int(deployed.host.run("df -B 1 --output=avail /var/opt | tail -n 1").stdout)
    for disk, name in zip(found["disk"], ("data", "logs"), strict=True):
        assert disk["name"] == name
        assert 0 < disk["usedPercent"] <= 100
        assert abs(disk["freeBytes"] - free) < free / 10 + 2**30


def test_a_stopped_container_is_broken(deployed: Deployed) -> None:
    """Exit code 2, in Docker's words."""
    with _meanwhile(deployed.host, "docker stop registry-ui", "docker start registry-ui"):
        code, found = _status(deployed.host, *CONCERNS)
        assert code == 2
        assert [problem.split("(")[0] for problem in found["problems"]] == ["container registry-ui: exited; Exited "]
    wait_until_healthy(deployed.host)


def test_a_disabled_timer_is_a_warning(deployed: Deployed) -> None:
    """Exit code 1, with the command that mends it."""
    unit = f"{TIMER}.timer"
    with _meanwhile(deployed.host, f"systemctl disable --now {unit}", f"systemctl enable --now {unit}"):
        code, found = _status(deployed.host, "timers")
        assert (code, found["timers"][0]["state"]) == (1, "disabled")
        assert f"systemctl enable --now {unit}" in found["problems"][0]
    assert _status(deployed.host, "timers")[0] == 0


def test_held_off_writes_are_told(deployed: Deployed) -> None:
    """By whom and since when; it is a warning once it has taken too long."""
    host, word = deployed.host, "/run/docker-registry/closed"
    with closed(host):
        code, found = _status(host, "writes")
        assert (code, found["writes"]["state"], found["writes"]["reason"]) == (0, "held-off", "a test called closer")
        host.run(["tee", word], stdin=json.dumps({"reason": "a test", "since": int(time.time()) - 7200}))
        assert _status(host, "writes")[0] == 1
    # Its word to the proxy is out of date some seconds after it was killed.
    assert within(15, lambda: bool(_status(host, "writes")[1]["writes"]["state"] == "ok"))


def test_a_failed_service_is_a_warning(deployed: Deployed) -> None:
    """Of any timer of the registry, whatever brought it; it is over with the next good run."""
    name = "docker-registry-e2e"
    folder = "/etc/systemd/system"
    units = {
        "service": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'test -e /run/good'\n",
        "timer": "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n",
    }
    for kind, text in units.items():
        deployed.host.put_file(f"{folder}/{name}.{kind}", text)
    gone = f"systemctl disable --now {name}.timer; rm {folder}/{name}.*; systemctl daemon-reload; rm -f /run/good"
    start = f"systemctl daemon-reload; systemctl enable --now {name}.timer; ! systemctl start {name}.service"
    with _meanwhile(deployed.host, start, gone + f"; systemctl reset-failed {name}.service || true"):
        code, found = _status(deployed.host, "timers")
        assert code == 1
        assert f"timer {name}: failed; " in found["problems"][0]
        assert f"the last run ended by exit-code 1: journalctl -u {name}" in found["problems"][0]
        deployed.host.run(f"touch /run/good; systemctl start {name}.service")
        code, found = _status(deployed.host, "timers")
        assert code == 0
        assert next(timer for timer in found["timers"] if timer["name"] == name)["last"] == ""
    assert _status(deployed.host, "timers")[0] == 0
