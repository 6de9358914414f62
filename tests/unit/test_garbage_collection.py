"""The clean-up's service and timer, and what they are told."""

from __future__ import annotations

import shlex

import pytest

from components.facts import Facts, FactsArgs
from components.garbage_collection import GarbageCollection, GarbageCollectionArgs
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
        facts = Facts("f", FactsArgs(settings), others.host, others.certificate)
        args = GarbageCollectionArgs(settings.gc, settings.images.registry)
        return GarbageCollection("g", args, others.host, others.registry, others.nginx, facts)

    return part(build, preview=preview, changes=changes)


def _told(run: Recording) -> list[str]:
    lines: list[str] = run["g-settings"].inputs["stdin"].splitlines()
    return lines[1:]


def test_it_is_told_its_settings(preview: bool) -> None:
    """In a file of its own, which holds no secret."""
    run = _collection(preview)
    assert run["g-settings"].inputs["create"].endswith(" /etc/docker-registry/gc.conf")
    assert _told(run) == ["delete_untagged=yes", "max_share=50", "drain_seconds=60"]
    changes = {"gc": {"deleteUntagged": False, "maxShare": 100, "drainSeconds": 5}}
    assert _told(_collection(preview, changes)) == ["delete_untagged=no", "max_share=100", "drain_seconds=5"]


def test_untagged_manifests_stay_with_an_older_registry(preview: bool) -> None:
    """Which would remove the platforms of tagged images."""
    assert "delete_untagged=no" in _told(_collection(preview, {"images": {"registry": "registry:2.8.3"}}))


@pytest.mark.parametrize(
    ("changes", "schedule", "delay"),
    [({}, "*-*-* 05:01:00", "0s"), ({"schedule": "Sun 03:00", "randomDelay": "30m"}, "Sun 03:00", "30m")],
    ids=["default", "set"],
)
def test_the_schedule_is_a_setting(changes: Stack, schedule: str, delay: str, preview: bool) -> None:
    """Every morning by default; a run that was missed is made up for."""
    timer = _collection(preview, {"gc": changes})["g-enable"]
    assert timer.inputs["create"].endswith(f" {UNIT}.timer")
    assert {f"OnCalendar={schedule}", f"RandomizedDelaySec={delay}", "Persistent=true"} <= set(
        timer.inputs["stdin"].splitlines()
    )


def test_it_begins_once_registry_and_proxy_can_do_their_part(preview: bool) -> None:
    """One that was made before would not tell what is under way, or not hold writes off."""
    run = _collection(preview)
    assert run["g-service"].depends_on >= {"r-container", "p-container", "g-settings"}
    assert run["g-settings"].depends_on >= {"f-file"}
    assert run["g-enable"].depends_on >= {"g-service"}


def test_destroy_ends_a_run_before_its_files_go(preview: bool) -> None:
    """And the service's own end lets writes go on."""
    disable = shlex.split(_collection(preview)["g-enable"].inputs["delete"])[-1]
    assert disable.startswith(
        "systemctl disable -q --now docker-registry-gc.timer && "
        f"systemctl stop docker-registry-gc.service && rm -f {TRACES} && {{ "
    )


def test_without_a_schedule_it_can_be_called(preview: bool) -> None:
    """The service is there, the timer isn't."""
    run = _collection(preview, {"gc": {"enabled": False}})
    assert run["g-service"].inputs["create"].endswith(f" {UNIT}.service")
    assert "g-enable" not in run.resources
