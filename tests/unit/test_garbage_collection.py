"""The clean-up's service and timer, and what they are told."""

from __future__ import annotations

import json
import shlex

import pytest

from components.facts import Facts
from components.garbage_collection import GarbageCollection
from config import Secrets, Settings
from tests.unit.assembly import Assembly
from tests.unit.config.stack import Stack
from tests.unit.programs import part
from tests.unit.recorder import Recording

UNIT = "/etc/systemd/system/docker-registry-gc"
TRACES = "/var/lib/docker-registry/gc /var/lib/systemd/timers/stamp-docker-registry-gc.timer"


def _collection(preview: bool, changes: Stack | None = None) -> Recording:
    def build(settings: Settings, secrets: Secrets) -> object:
        others = Assembly(settings, secrets)
        facts = Facts("f", settings, others.host, others.certificate, others.registry.service)
        services = [others.registry.service, others.nginx.service]
        return GarbageCollection("g", settings.gc, others.host, facts, services)

    return part(build, preview=preview, changes=changes)


def _told(run: Recording) -> dict[str, object]:
    told: dict[str, object] = json.loads(run["f-host"].inputs["stdin"])["gc"]
    return told


def test_it_is_told_its_settings(preview: bool) -> None:
    """In the facts, which hold no secret."""
    told = _told(_collection(preview))
    assert told == {"deleteUntagged": True, "maxShare": 50, "drainSeconds": 60, "trashDays": 7}
    changes = {"deleteUntagged": False, "maxShare": 100, "drainSeconds": 5, "trashDays": 0}
    assert _told(_collection(preview, {"gc": changes})) == changes


def test_untagged_manifests_stay_with_an_older_registry(preview: bool) -> None:
    """As they always have."""
    assert _told(_collection(preview, {"images": {"registry": "registry:2.8.3"}}))["deleteUntagged"] is False


@pytest.mark.parametrize(
    ("changes", "schedule", "delay"),
    [({}, "*-*-* 05:01:00", "0s"), ({"schedule": "Sun 03:00", "randomDelay": "30m"}, "Sun 03:00", "30m")],
    ids=["default", "set"],
)
def test_the_schedule_is_a_setting(changes: Stack, schedule: str, delay: str, preview: bool) -> None:
    """Every morning by default; a run that was missed is done later."""
    timer = _collection(preview, {"gc": changes})["g-enable"]
    assert f"== {UNIT}.timer " in timer.inputs["stdin"]
    assert {f"OnCalendar={schedule}", f"RandomizedDelaySec={delay}", "Persistent=true"} <= set(
        timer.inputs["stdin"].splitlines()
    )


def test_it_begins_once_registry_and_proxy_can_do_their_part(preview: bool) -> None:
    """One that was made before would not tell what is under way, or not hold writes off."""
    run = _collection(preview)
    assert run["g-enable"].depends_on >= {"r-container", "p-container", "f-host"}


def test_destroy_ends_a_run_before_its_files_go(preview: bool) -> None:
    """Its locks go with it, and pushes go on."""
    disable = shlex.split(_collection(preview)["g-enable"].inputs["delete"])[-1]
    assert disable.startswith(
        "systemctl disable -q --now docker-registry-gc.timer && "
        f"systemctl stop docker-registry-gc.service && rm -f {TRACES} && {{ "
    )


def test_without_a_schedule_it_can_be_called(preview: bool) -> None:
    """The service is there, the timer isn't."""
    run = _collection(preview, {"gc": {"enabled": False}})
    assert f"{UNIT}.service" in run.files
    assert f"{UNIT}.timer" not in run.files
    assert "g-enable" not in run.resources
