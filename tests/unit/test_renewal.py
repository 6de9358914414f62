"""The certificate's timer."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.unit.programs import whole
from tests.unit.recorder import Recording

UNIT = "/etc/systemd/system/docker-registry-certificate"


def test_the_host_learns_what_its_tools_need(preview: bool) -> None:
    """One file, without a secret."""
    facts = whole("acme", preview)["facts-host"]
    assert facts.inputs["create"].endswith(" /etc/docker-registry/host.json")
    told = json.loads(facts.inputs["stdin"])
    assert (told["root"], told["fqdn"], told["network"]) == ("/var/opt", "dr.example.net", "registry")
    assert told["images"] == {"nginx": "nginx:1.28.0", "certbot": "certbot/certbot:v5.1.0"}
    served = "/var/opt/letsencrypt/live/dr.example.net/fullchain.pem"
    assert told["certificate"] == {"mode": "acme", "served": served, "warnDays": 3, "chain": None, "key": None}


@pytest.mark.parametrize(("variant", "mode"), [("plain", "self-signed"), ("paths", "files")])
def test_the_host_is_told_where_the_proxy_s_certificate_lies(variant: str, mode: str, preview: bool) -> None:
    """Below the storage root, in a place for each mode."""
    told = json.loads(whole(variant, preview)["facts-host"].inputs["stdin"])
    assert told["certificate"]["mode"] == mode
    assert told["certificate"]["served"] == f"{told['root']}/nginx/etc/tls/{mode}/current/fullchain.pem"


@pytest.mark.parametrize(
    ("variant", "schedule", "delay"), [("acme", "Tue *-*-* 00:00:00", "30m"), ("plain", "*-*-* 00,12:00:00", "1h")]
)
def test_the_schedule_is_a_setting(variant: str, schedule: str, delay: str, preview: bool) -> None:
    """Twice a day by default, spread, and done after a downtime if missed."""
    timer = whole(variant, preview)["renewal-enable"]
    assert f"== {UNIT}.timer " in timer.inputs["stdin"]
    lines = timer.inputs["stdin"].splitlines()
    assert f"OnCalendar={schedule}" in lines
    assert f"RandomizedDelaySec={delay}" in lines
    assert "Persistent=true" in lines


def test_the_timer_starts_when_its_files_are_there(variant: str, preview: bool) -> None:
    """Whatever the mode: a certificate of the host's own ends as well."""
    run = whole(variant, preview)
    enable = run["renewal-enable"]
    assert enable.depends_on >= {"facts-host"}
    assert run["facts-host"].depends_on >= _certificate(run)
    assert (
        "/load-unit --enable docker-registry-certificate.timer docker-registry-certificate.service"
        in enable.inputs["create"]
    )


def _certificate(run: Recording) -> set[str]:
    return {
        name for name in ("certificate-acme", "certificate-files", "certificate-self-signed") if name in run.resources
    }


def test_a_changed_schedule_starts_the_timer_anew(preview: bool) -> None:
    """It starts whenever its file is put there."""
    files = {whole(variant, preview)["renewal-enable"].inputs["stdin"] for variant in ("plain", "acme", "paths")}
    assert len(files) == 2


def test_destroy_takes_the_timer_away(preview: bool) -> None:
    """Before its files go, and with the record of its last run."""
    disable = shlex.split(whole("plain", preview)["renewal-enable"].inputs["delete"])[-1]
    traces = "/var/lib/docker-registry/renewal /var/lib/systemd/timers/stamp-docker-registry-certificate.timer"
    assert disable.startswith(
        "systemctl disable -q --now docker-registry-certificate.timer && "
        f"systemctl stop docker-registry-certificate.service && rm -f {traces} && {{ "
    )
