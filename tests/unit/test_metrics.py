"""The metrics on the host: their timer, and what the proxy shows of them."""

from __future__ import annotations

import json
import shlex

from tests.unit.config.stack import APR1, Stack, with_changes
from tests.unit.programs import run_stack, whole
from tests.unit.recorder import Recording

UNIT = "docker-registry-metrics"
READER = {"name": "prometheus", "hash": APR1, "role": "metrics"}


def _with(preview: bool, **metrics: object) -> Recording:
    changes: Stack = {
        "users": [{"name": "alice", "hash": APR1}, READER],
        "metrics": {"enabled": True, **metrics},
    }
    return run_stack(json.dumps(with_changes(changes)), preview)


def _file(run: Recording, name: str) -> str:
    return str(run.files[f"/var/opt/nginx/etc/conf.d/{name}"][1].content)


def test_without_the_setting_there_are_none(preview: bool) -> None:
    """No timer, and nothing in the proxy's files."""
    run = whole("plain", preview)
    assert "metrics-enable" not in run.resources
    assert not [path for path in run.files if UNIT in path]
    assert not [name for name in ("registry.conf", "access.conf") if "metrics" in _file(run, name)]


def test_the_timer_writes_them_and_the_proxy_shows_them(preview: bool) -> None:
    """Once the containers of which they tell are there."""
    run = _with(preview, schedule="*-*-* *:*:00/30")
    timer = run["metrics-enable"]
    assert "OnCalendar=*-*-* *:*:00/30" in timer.inputs["stdin"].splitlines()
    assert (
        "ExecStart=/usr/local/bin/registryctl metrics --publish --groups 50 --accounts 100 --repositories 50"
        in timer.inputs["stdin"].splitlines()
    )
    assert f"/load-unit --enable {UNIT}.timer {UNIT}.service" in timer.inputs["create"]
    assert timer.depends_on >= {"facts-host", "nginx-container", "registry-container", "registry-ui-container"}
    assert 'location ~ "^/metrics(?:/registry)?$" {' in _file(run, "registry.conf")
    assert '#= {"account": "prometheus", "role": "metrics", "pull": [], "push": [], "delete": []}' in _file(
        run, "access.conf"
    )


def test_no_container_is_another_for_them(preview: bool) -> None:
    """So that they come and go without a pause."""
    kind = "docker:index/container:Container"
    before, after = (
        {one.name: one.inputs for one in run if one.type == kind} for run in (whole("plain", preview), _with(preview))
    )
    assert before == after
    assert len(after) == 3


def test_a_directory_of_node_exporter_s_gets_them_too(preview: bool) -> None:
    """And loses them with the timer: it would go on to tell of what is no more."""
    run = _with(preview, textfile="/srv/textfile", groups=7)
    assert (
        "ExecStart=/usr/local/bin/registryctl metrics --publish --groups 7 --accounts 100 --repositories 50 "
        "--textfile /srv/textfile" in run["metrics-enable"].inputs["stdin"].splitlines()
    )
    retire = shlex.split(run["metrics-enable"].inputs["delete"])[-1]
    assert "/srv/textfile/docker-registry.prom" in retire
    for trace in (
        "/run/docker-registry/sockets/metrics/host.prom",
        "/var/opt/nginx/logs/traffic",
        "/var/lib/docker-registry/usage",
    ):
        assert f" {trace} " in retire
    assert retire.startswith(f"systemctl disable -q --now {UNIT}.timer && systemctl stop {UNIT}.service && rm -f ")


def test_a_preview_says_who_reads_them(preview: bool) -> None:
    """Among the rights of all."""
    assert _with(preview).registered_outputs["production"]["rights"]["prometheus"] == "metrics alone"
