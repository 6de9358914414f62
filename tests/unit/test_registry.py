"""The registry's container, its configuration and its secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from rendering.rootfs import HostFile, render
from tests.unit.assembly import assembled, assembled_anew
from tests.unit.config.stack import Stack
from tests.unit.programs import HTTP_SECRET
from tests.unit.recorder import UNKNOWN, Recording


def _registry(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("registry", preview, changes)


def _config_label(run: Recording) -> object:
    labels = {label["label"]: label["value"] for label in run["r-container"].inputs["labels"]}
    return labels["docker-registry.config"]


def test_the_configuration_is_a_file_of_root_s(preview: bool) -> None:
    """In a directory of its own, which is mounted into the container."""
    run = _registry(preview)
    assert run["r-directories"].inputs["stdin"] == "0700 root:root /var/opt/docker-registry/etc\n"
    assert "r-directories" in run["r-config"].depends_on
    assert (
        run["r-config"]
        .inputs["create"]
        .endswith("--mode 0600 --owner root:root /var/opt/docker-registry/etc/config.yml")
    )
    assert yaml.safe_load(run["r-config"].inputs["stdin"])["storage"]["delete"]["enabled"] is True


def test_images_and_logs_lie_in_the_volumes(preview: bool) -> None:
    """What Distribution writes, and nothing else, is writable."""
    assert _registry(preview)["r-container"].inputs["volumes"] == [
        {"hostPath": "/var/opt/docker-registry/etc", "containerPath": "/etc/distribution", "readOnly": True},
        {"volumeName": "registry-data", "containerPath": "/var/lib/registry"},
        {"volumeName": "registry-logs", "containerPath": "/var/log/registry"},
    ]


def test_it_serves_its_own_configuration(preview: bool) -> None:
    """By name: the image's default lies elsewhere in Distribution 2 than in 3. The secret comes from its file."""
    inputs = _registry(preview)["r-container"].inputs
    words = " ".join([*inputs.get("entrypoints", []), *inputs["command"]])
    assert words == "/bin/sh /etc/distribution/registry-start"
    start = _registry(preview)["r-start"].inputs
    assert start["create"].endswith("--mode 0700 --owner root:root /var/opt/docker-registry/etc/registry-start")
    assert "registry serve /etc/distribution/config.yml" in start["stdin"]
    assert "REGISTRY_HTTP_SECRET=$(cat /etc/distribution/http.secret)" in start["stdin"]


def test_it_sends_no_traces(preview: bool) -> None:
    """Each would be an error in the log; no other variable is set but the time zone."""
    assert _registry(preview)["r-container"].inputs["envs"] == ["OTEL_TRACES_EXPORTER=none", "TZ=Etc/UTC"]


def test_without_a_secret_the_host_makes_one(preview: bool) -> None:
    """Once, and keeps it: a size of 0 says so."""
    made = _registry(preview)["r-http-secret"].inputs
    assert made["create"].endswith("/keep-secret 0 /var/opt/docker-registry/etc/http.secret")
    assert made["stdin"] == ""
    assert "delete" not in made


def test_a_secret_of_the_settings_travels_by_standard_input(preview: bool) -> None:
    """Its size is in the command, so that half of it is noticed."""
    secret = _registry(preview, {"registry": {"httpSecret": HTTP_SECRET}})["r-http-secret"]
    assert secret.inputs["create"].endswith(f"/keep-secret {len(HTTP_SECRET)} /var/opt/docker-registry/etc/http.secret")
    assert secret.inputs["stdin"] == HTTP_SECRET
    assert {"stdin"} <= secret.secrets <= {"stdin", "connection"}


def test_a_changed_configuration_replaces_the_container() -> None:
    """It reads its configuration at its start only."""
    before = _config_label(_registry(False))
    assert before == _config_label(_registry(False))
    assert before != _config_label(_registry(False, {"registry": {"logLevel": "debug"}}))


def test_a_changed_start_script_replaces_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """It too is read at the start only."""
    before = _config_label(_registry(False))
    monkeypatch.setattr("components.registry.render", _with_another_start)
    assert before != _config_label(assembled_anew("registry", False))


def _with_another_start(path: str, **context: object) -> HostFile:
    file = render(path, **context)  # type: ignore[arg-type]
    return replace(file, content=f"{file.content}# changed\n") if path.endswith("-start") else file


def test_a_changed_secret_replaces_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host says when the secret was written. Before the first update that is unknown."""
    before = _config_label(_registry(False))
    monkeypatch.setattr("tests.unit.programs.WRITTEN", "written later")
    assert before != _config_label(assembled_anew("registry", False))
    assert _config_label(_registry(True)) is UNKNOWN


def test_it_starts_when_its_files_and_volumes_are_there(preview: bool) -> None:
    """And its image and network."""
    assert _registry(preview)["r-container"].depends_on >= {
        "r-config",
        "r-start",
        "r-http-secret",
        "v-registry-data",
        "v-registry-logs",
        "i-registry",
        "n-bridge",
    }


def test_it_publishes_no_port(preview: bool) -> None:
    """It is reached through the proxy only."""
    assert _registry(preview)["r-container"].inputs["ports"] == []
