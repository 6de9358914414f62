"""The timer that tells somebody of the status, and what it needs for that."""

from __future__ import annotations

import json

from tests.unit.bundles import entries_of
from tests.unit.config.stack import with_changes
from tests.unit.programs import NOTIFY_HEADER, WEBHOOK, run_stack, whole

UNIT = "docker-registry-notify"
HOME = "/etc/docker-registry"


def test_there_is_none_where_nobody_is_told(preview: bool) -> None:
    run = whole("plain", preview)
    assert not [name for name in run.resources if name.startswith("notify-")]


def test_the_timer_waits_for_what_its_service_reads(preview: bool) -> None:
    run = whole("full", preview)
    enable = run["notify-enable"]
    assert enable.depends_on >= {"facts-host", "notify-settings", "notify-secrets", "registry-container"}
    assert f"/load-unit --enable {UNIT}.timer {UNIT}.service" in enable.inputs["create"]
    lines = enable.inputs["stdin"].splitlines()
    assert {"OnCalendar=*-*-* *:*:30", "ExecStart=/usr/local/bin/registryctl notify"} <= set(lines)


def test_what_is_no_secret_is_shown_and_root_s_alone(preview: bool) -> None:
    command = whole("full", preview)["notify-settings"]
    assert "--mode 0600 --owner root:root" in command.inputs["create"]
    assert json.loads(command.inputs["stdin"]) == {
        "webhook": True,
        "command": ["/usr/local/bin/page-me", "registry"],
        "timeoutSeconds": 10,
    }


def test_the_secrets_are_in_a_file_of_their_own_that_outlives_destroy(preview: bool) -> None:
    command = whole("full", preview)["notify-secrets"]
    assert command.secrets == {"stdin", "connection"}
    [secrets] = entries_of(command.inputs["stdin"])
    assert (secrets.path, secrets.mode, secrets.owner) == (f"{HOME}/notify-secrets.json", "0600", "root:root")
    assert json.loads(str(secrets.content)) == {"webhook": WEBHOOK, "headers": {"Authorization": NOTIFY_HEADER}}
    assert "delete" not in command.inputs


def test_a_command_alone_needs_no_secret(preview: bool) -> None:
    changes = {"status": {"notify": {"command": ["/bin/true"], "schedule": "hourly", "timeoutSeconds": 3}}}
    run = run_stack(json.dumps(with_changes(changes)), preview)
    assert "notify-secrets" not in run.resources
    assert "OnCalendar=hourly" in run["notify-enable"].inputs["stdin"]
