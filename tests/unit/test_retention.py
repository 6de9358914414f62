"""The policies of retention on the host, and their timer."""

from __future__ import annotations

import json
import shlex

from tests.unit.programs import whole

UNIT = "docker-registry-retention"


def test_the_policies_are_there_in_any_mode(preview: bool) -> None:
    """So that a dry run by hand shows what they would drop."""
    run = whole("plain", preview)
    assert "retention-enable" not in run.resources
    told = json.loads(run["facts-host"].inputs["stdin"])["retention"]
    assert told == {"mode": "off", "protected": [], "policies": []}


def test_the_timer_is_there_when_images_are_dropped(preview: bool) -> None:
    """It waits for all that its service needs, and has the schedule of the settings."""
    run = whole("acme", preview)
    lines = run["retention-enable"].inputs["stdin"].splitlines()
    assert {"OnCalendar=Sun 03:00", "RandomizedDelaySec=10m", "Persistent=true"} <= set(lines)
    assert run["retention-enable"].depends_on >= {"facts-host"}
    assert f"/load-unit --enable {UNIT}.timer {UNIT}.service" in run["retention-enable"].inputs["create"]
    assert json.loads(run["facts-host"].inputs["stdin"])["retention"]["mode"] == "on"


def test_destroy_takes_the_timer_away(preview: bool) -> None:
    """With the record of its last run."""
    disable = shlex.split(whole("acme", preview)["retention-enable"].inputs["delete"])[-1]
    traces = f"/var/lib/docker-registry/retention /var/lib/systemd/timers/stamp-{UNIT}.timer"
    ended = f"systemctl disable -q --now {UNIT}.timer && systemctl stop {UNIT}.service && rm -f {traces}"
    assert disable.startswith(f"{ended} && {{ ")


def test_nothing_is_deleted_by_an_up(preview: bool) -> None:
    """The timer alone runs the tool."""
    for resource in whole("acme", preview):
        assert "/bin/registry-retention" not in str(resource.inputs.get("create", ""))
