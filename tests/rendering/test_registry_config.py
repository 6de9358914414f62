"""The registry's configuration, as Distribution will read it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from config.registry import Registry, UploadPurging
from rendering.rootfs import render


def _config(registry: Registry, name: str = "config") -> dict[str, Any]:
    path = f"/var/opt/docker-registry/etc/{name}.yml"
    file = render(path, registry=registry, stack="acme/docker-registry/prod", drain_seconds=70)
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


def test_the_drain_is_shorter_than_docker_s_patience() -> None:
    """Docker kills a container after 30 seconds: by then reads are done, and the writer has been ended."""
    assert int(_config(Registry(), "reader")["http"]["draintimeout"].removesuffix("s")) < 30
    writers = render("/var/opt/docker-registry/etc/registry-writers").content
    assert int(writers.split(" grace=")[1].splitlines()[0]) < 30
