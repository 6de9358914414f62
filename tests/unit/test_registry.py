"""The registry's container, its configuration and its secret."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from components.registry import PROGRAMS
from rendering.rootfs import TREE, HostFile, render
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
    assert "0700 root:root /var/opt/docker-registry/etc" in run["v-prepare"].inputs["stdin"].splitlines()
    assert "v-prepare" in run["r-files"].depends_on
    entry = run.files["/var/opt/docker-registry/etc/config.yml"][1]
    assert (entry.mode, entry.owner) == ("0600", "root:root")
    assert (
        yaml.safe_load(str(run.files["/var/opt/docker-registry/etc/config.yml"][1].content))["storage"]["delete"][
            "enabled"
        ]
        is True
    )


def test_its_sockets_are_in_a_directory_that_only_root_gets_to(preview: bool) -> None:
    """On the host; a user there may have the number of the proxy's workers."""
    run = _registry(preview)
    lines = run["v-prepare"].inputs["stdin"].splitlines()
    made = ["0700 root:root /run/docker-registry", "0755 root:root /run/docker-registry/sockets"]
    assert [line for line in lines if " /run" in line] == made


def test_the_reader_has_a_configuration_of_its_own(preview: bool) -> None:
    """In which no write is allowed."""
    run = _registry(preview)
    entry = run.files["/var/opt/docker-registry/etc/reader.yml"][1]
    assert (entry.mode, entry.owner) == ("0600", "root:root")
    assert (
        yaml.safe_load(str(run.files["/var/opt/docker-registry/etc/reader.yml"][1].content))["storage"]["maintenance"][
            "readonly"
        ]["enabled"]
        is True
    )


def test_the_drain_of_the_clean_up_is_the_writer_s(preview: bool) -> None:
    """And changes the container, which reads it at its start."""
    run = _registry(preview, {"gc": {"drainSeconds": 17}})
    assert (
        yaml.safe_load(str(run.files["/var/opt/docker-registry/etc/config.yml"][1].content))["http"]["draintimeout"]
        == "17s"
    )
    assert _config_label(run) != _config_label(_registry(preview)) or preview


def test_images_and_logs_lie_in_the_volumes(preview: bool) -> None:
    """What Distribution writes, and nothing else, is writable."""
    assert _registry(preview)["r-container"].inputs["volumes"] == [
        {"hostPath": "/var/opt/docker-registry/etc", "containerPath": "/etc/distribution", "readOnly": True},
        {"hostPath": "/run/docker-registry/sockets", "containerPath": "/run/registry", "readOnly": False},
        {"volumeName": "registry-data", "containerPath": "/var/lib/registry"},
        {"volumeName": "registry-logs", "containerPath": "/var/log/registry"},
    ]


def test_it_serves_its_own_configuration(preview: bool) -> None:
    """By name: the image's default lies elsewhere in Distribution 2 than in 3. The secret comes from its file."""
    inputs = _registry(preview)["r-container"].inputs
    words = " ".join([*inputs.get("entrypoints", []), *inputs["command"]])
    assert words == "/bin/sh /etc/distribution/registry-start"
    files = _registry(preview).files
    programs = {name: files[f"/var/opt/docker-registry/etc/registry-{name}"][1] for name in PROGRAMS}
    assert {(one.mode, one.owner) for one in programs.values()} == {("0700", "root:root")}
    assert 'registry serve "$config"' in str(programs["writer"].content)
    assert 'cp "$given" /tmp/config.yml' in str(programs["storage"].content)
    assert 'REGISTRY_HTTP_SECRET=$(cat "$here/http.secret")' in str(programs["start"].content)


def test_each_program_of_the_container_is_there() -> None:
    """Those that lie in the tree, and no other: one calls the next by its path."""
    folder = TREE / "var/opt/docker-registry/etc"
    assert {path.name for path in folder.glob("registry-*")} == {
        f"registry-{name}" for name in (*PROGRAMS, "notifying")
    }


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
        "r-files",
        "r-http-secret",
        "v-registry-data",
        "v-registry-logs",
        "i-registry",
        "n-bridge",
    }


def test_it_publishes_no_port(preview: bool) -> None:
    """It is reached through the proxy only."""
    assert _registry(preview)["r-container"].inputs["ports"] == []


ENDPOINT = {"name": "ci", "url": "https://ci.example.net/events"}
HEADER = {"name": "Authorization", "secret": "Bearer 0123"}


def test_endpoints_without_secrets_are_in_the_configuration_alone(preview: bool) -> None:
    """The container is another for them, and starts as it did."""
    run = _registry(preview, {"notifications": {"endpoints": [ENDPOINT]}})
    config = yaml.safe_load(str(run.files["/var/opt/docker-registry/etc/config.yml"][1].content))
    assert config["notifications"]["endpoints"][0]["url"] == ENDPOINT["url"]
    assert run["r-container"].inputs["command"] == ["/bin/sh", "/etc/distribution/registry-start"]
    assert "r-notifications" not in run.resources
    assert _config_label(run) != _config_label(_registry(preview)) or preview


def test_secret_headers_are_in_a_file_of_their_own(preview: bool) -> None:
    """Like the secret that signs uploads: by standard input, for root alone."""
    settings = {"endpoints": [{**ENDPOINT, "headers": [HEADER]}]}
    run = _registry(preview, {"notifications": settings, "registry": {"logLevel": "warn"}})
    made = run["r-notifications"]
    assert "stdin" in made.secrets
    path = "/var/opt/docker-registry/etc/notifications"
    size = len(made.inputs["stdin"].encode())
    assert made.inputs["create"].endswith(f"/keep-secret {size} {path}")
    assert "delete" not in made.inputs
    assert yaml.safe_load(made.inputs["stdin"])[0]["headers"] == {"Authorization": ["Bearer 0123"]}
    assert HEADER["secret"] not in str(run.files["/var/opt/docker-registry/etc/config.yml"][1].content)
    assert run["r-container"].inputs["command"] == ["/bin/sh", "/etc/distribution/registry-notifying"]
    assert "r-notifications" in run["r-container"].depends_on
    program = run.files["/var/opt/docker-registry/etc/registry-notifying"][1]
    assert (program.mode, program.owner) == ("0700", "root:root")
