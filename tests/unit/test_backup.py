"""The backup on the host: its timer, and what restic needs to reach the repository."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from components.host import Host, HostArgs
from config import Secrets, Settings
from tests.unit.bundles import entries_of
from tests.unit.config.bad_objects import BESIDES, OBJECTS
from tests.unit.programs import BACKUP_KEY, BACKUP_PASSWORD, BACKUP_VARIABLE, part, whole

UNIT = "docker-registry-backup"
HOME = "/etc/docker-registry"


def test_there_is_none_without_a_repository(preview: bool) -> None:
    run = whole("plain", preview)
    assert not [name for name in run.resources if name.startswith("backup-")]
    assert "--backup" not in run["host-tools"].inputs["create"]


def test_the_timer_waits_for_what_its_service_reads(preview: bool) -> None:
    run = whole("full", preview)
    enable = run["backup-enable"]
    assert enable.depends_on >= {"facts-host", "backup-settings", "backup-secrets"}
    assert f"/load-unit --enable {UNIT}.timer {UNIT}.service" in enable.inputs["create"]
    assert {"OnCalendar=*-*-* 03:01:00", "Persistent=true"} <= set(enable.inputs["stdin"].splitlines())


@pytest.mark.parametrize(
    ("backs_up", "storage", "said"),
    [
        (False, {}, ""),
        (True, {}, " --backup yes"),
        (False, {"s3": OBJECTS}, " --backup no --objects yes"),
        # As before images move to a store.
        (True, {"s3": OBJECTS}, " --backup yes --objects yes"),
    ],
)
def test_what_is_needed_is_installed(preview: bool, backs_up: bool, storage: dict[str, object], said: str) -> None:
    """Restic for a backup, and the client of an object store."""

    def build(settings: Settings, secrets: Secrets) -> None:
        args = HostArgs(settings.host, settings.site, settings.network, settings.storage, secrets.ssh_private_key)
        Host("h", replace(args, backs_up=backs_up))

    run = part(build, preview=preview, changes={"storage": storage, **BESIDES})
    assert run["h-tools"].inputs["create"].endswith(f" --user root{said}")


def test_the_settings_are_shown_and_root_s_alone(preview: bool) -> None:
    command = whole("full", preview)["backup-settings"]
    assert "--mode 0600 --owner root:root" in command.inputs["create"]
    plain = json.loads(command.inputs["stdin"])
    assert plain["repository"] == "sftp:backup@nas.example.net:/srv/registry"
    assert plain["keep"] == {"daily": 7}
    assert (plain["sftp"]["user"], plain["sftp"]["host"], plain["sftp"]["port"]) == ("backup", "nas.example.net", 22)


def test_the_secrets_are_in_files_of_their_own_that_outlive_destroy(preview: bool) -> None:
    command = whole("full", preview)["backup-secrets"]
    assert command.secrets == {"stdin", "connection"}
    assert "delete" not in command.inputs
    secrets, key = entries_of(command.inputs["stdin"])
    assert [(its.path, its.mode, its.owner) for its in (secrets, key)] == [
        (f"{HOME}/backup-secrets.json", "0600", "root:root"),
        (f"{HOME}/backup-key", "0600", "root:root"),
    ]
    assert json.loads(str(secrets.content)) == {
        "password": BACKUP_PASSWORD,
        "restPassword": None,
        "environment": {"AWS_SECRET_ACCESS_KEY": BACKUP_VARIABLE},
    }
    assert key.content == BACKUP_KEY
