"""The registry's configuration, as Distribution will read it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from config.base import Supplied
from config.notifications import Endpoint
from config.registry import Registry, UploadPurging
from config.webhook import Header
from rendering.notify import endpoints_with
from rendering.rootfs import render


def _config(registry: Registry, name: str = "config", endpoints: tuple[Endpoint, ...] = ()) -> dict[str, Any]:
    path = f"/var/opt/docker-registry/etc/{name}.yml"
    file = render(path, registry=registry, stack="acme/docker-registry/prod", drain_seconds=70, endpoints=endpoints)
    parsed: dict[str, Any] = yaml.safe_load(file.content)
    return parsed


DEFAULT = {
    "version": 0.1,
    "log": {"level": "info", "fields": {"service": "registry"}, "accesslog": {"disabled": False}},
    "storage": {
        "filesystem": {"rootdirectory": "/var/lib/registry"},
        "delete": {"enabled": True},
        "maintenance": {"uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False}},
    },
    "http": {
        "net": "unix",
        "addr": "/run/registry/writer.socket",
        "draintimeout": "70s",
        # Of the container itself alone.
        "debug": {"addr": "127.0.0.1:5002", "prometheus": {"enabled": True}},
        "headers": {"X-Content-Type-Options": ["nosniff"]},
    },
    "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
}
READER = {
    "log": {**DEFAULT["log"], "fields": {"service": "registry-reader"}},  # type: ignore[dict-item]
    "storage": {
        **DEFAULT["storage"],  # type: ignore[dict-item]
        "maintenance": {"readonly": {"enabled": True}, "uploadpurging": {"enabled": False}},
    },
    "http": {
        **DEFAULT["http"],  # type: ignore[dict-item]
        "addr": "/run/registry/reader.socket",
        "draintimeout": "25s",
        "debug": {"addr": "127.0.0.1:5001", "prometheus": {"enabled": True}},
    },
}


def test_the_defaults() -> None:
    """Deletion and access log on, unfinished uploads removed after a week, the debug server for itself, no secret."""
    assert _config(Registry()) == DEFAULT


def test_the_reader_never_writes() -> None:
    """Neither for a client nor by itself, and it remembers nothing that the writer could change. All else is equal."""
    assert _config(Registry(), "reader") == DEFAULT | READER


def _purging(**settings: object) -> dict[str, Any]:
    defaults: dict[str, Any] = DEFAULT["storage"]["maintenance"]["uploadpurging"]  # type: ignore[index]
    return {"storage": DEFAULT["storage"] | {"maintenance": {"uploadpurging": defaults | settings}}}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (Registry(delete_enabled=False), {"storage": DEFAULT["storage"] | {"delete": {"enabled": False}}}),  # type: ignore[operator]
        (Registry(access_log=False), {"log": DEFAULT["log"] | {"accesslog": {"disabled": True}}}),  # type: ignore[operator]
        (Registry(log_level="debug"), {"log": DEFAULT["log"] | {"level": "debug"}}),  # type: ignore[operator]
        (Registry(upload_purging=UploadPurging(enabled=False)), _purging(enabled=False)),
        (Registry(upload_purging=UploadPurging(age="1h30m")), _purging(age="1h30m")),
        (Registry(upload_purging=UploadPurging(interval="90s")), _purging(interval="90s")),
    ],
    ids=["delete", "access-log", "log-level", "purging", "age", "interval"],
)
def test_each_option_changes_its_value_and_no_other(settings: Registry, changed: dict[str, Any]) -> None:
    """As Distribution spells it: booleans are booleans, durations are text."""
    assert _config(settings) == DEFAULT | changed


ENDPOINTS = (
    Endpoint(
        name="ci", url="https://ci.example.net/events?a=1&b=2", headers=(Header(name="X-Key", secret=Supplied()),)
    ),
    Endpoint(
        name="log",
        url="http://log.example.net",
        timeout="500ms",
        threshold=2,
        backoff="1m",
        ignore_actions=("pull",),
        ignore_media_types=("application/octet-stream",),
    ),
)
TOLD = [
    {
        "name": "ci",
        "url": "https://ci.example.net/events?a=1&b=2",
        "timeout": "3s",
        "threshold": 5,
        "backoff": "10s",
        "ignore": {"mediatypes": [], "actions": []},
    },
    {
        "name": "log",
        "url": "http://log.example.net",
        "timeout": "500ms",
        "threshold": 2,
        "backoff": "1m",
        "ignore": {"mediatypes": ["application/octet-stream"], "actions": ["pull"]},
    },
]


@pytest.mark.parametrize("name", ["config", "reader"])
def test_who_is_told_of_events(name: str) -> None:
    """By both processes, for one sees the pulls and the other one the rest. No header is in the file."""
    assert _config(Registry(), name, ENDPOINTS)["notifications"] == {"endpoints": TOLD}


def test_what_replaces_that_has_the_headers_besides() -> None:
    """As the registry takes it from its environment: as YAML."""
    found = yaml.safe_load(endpoints_with(ENDPOINTS, [{"X-Key": 'a "b" \\ c'}, {}]))
    assert [one.pop("headers") for one in found] == [{"X-Key": ['a "b" \\ c']}, {}]
    assert found == TOLD


def test_the_drain_is_shorter_than_docker_s_patience() -> None:
    """Docker kills a container after 30 seconds: by then reads are done, and the writer has been ended."""
    assert int(_config(Registry(), "reader")["http"]["draintimeout"].removesuffix("s")) < 30
    writers = render("/var/opt/docker-registry/etc/registry-writers").content
    assert int(writers.split(" grace=")[1].splitlines()[0]) < 30
