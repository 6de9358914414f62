"""Configurations that are accepted, and what the program makes of them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address
from pathlib import PurePosixPath
from typing import Any

import pytest
from pydantic import ValidationError

from config import Host, ImageReference, Settings, Site
from tests.unit.config import pki
from tests.unit.config.backup_settings import DEFAULTS
from tests.unit.config.bad_notifications import NOTIFY
from tests.unit.config.stack import APR1, GOOD, HOST_KEY, PASSWORD, faults_in, load_stack, with_changes

DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_defaults() -> None:
    settings, _ = load_stack(GOOD)
    assert settings.model_dump(mode="json") == {
        "host": {
            "address": "dr.example.net",
            "port": 22,
            "user": "root",
            "sudo": False,
            "host_key": HOST_KEY,
            "private_key": None,
            "install_packages": True,
            "time_zone": "Etc/UTC",
            "adopt": False,
        },
        "site": {
            "fqdn": "dr.example.net",
            "http_port": 80,
            "https_port": 443,
            "listen_address": "0.0.0.0",
            "aliases": [],
            "peers": [],
        },
        "users": [
            {
                "name": "alice",
                "password": "[secret]",
                "hash": None,
                "scheme": None,
                "role": "admin",
                "repositories": None,
                "pull_only": [],
                "expires": None,
            }
        ],
        "storage": {"root": "/var/opt", "driver": "filesystem", "s3": None, "warn_percent": 85},
        "network": {"name": "registry", "subnet": "100.127.255.0/24"},
        "images": {
            "nginx": "nginx:1.28.0",
            "registry": "registry:3.1.2",
            "ui": "joxit/docker-registry-ui:2.6.0",
            "certbot": "certbot/certbot:v5.1.0",
        },
        "htpasswd": {"scheme": "apr1", "bcrypt_cost": None},
        "access": {
            "anonymous_pull": [],
            "attempts_per_minute": 60,
            "attempts_per_address": None,
            "remembered_hours": 24,
            "immutable": {"tags": [], "unless": [], "deletable": True},
        },
        "certificate": {
            "mode": "self-signed",
            "chain": None,
            "private_key": None,
            "chain_path": None,
            "private_key_path": None,
            "acme": None,
            "renewal": {"schedule": "*-*-* 00,12:00:00", "random_delay": "1h"},
            "warn_days": 7,
        },
        "registry": {
            "delete_enabled": True,
            "access_log": True,
            "log_level": "info",
            "upload_purging": {"enabled": True, "age": "168h", "interval": "24h"},
            "http_secret": None,
        },
        "retention": {
            "mode": "off",
            "schedule": "*-*-* 04:31:00",
            "random_delay": "0s",
            "protected": [],
            "policies": [],
        },
        "ui": {
            "title": "Docker registry",
            "delete_enabled": True,
            "catalog_limit": 1000,
            "show_content_digest": True,
        },
        "nginx": {
            "tls_profile": "intermediate",
            "fast_path": True,
            "mirror_fast_path": False,
            "hsts": False,
            "refuse_old_docker": False,
            "connect_timeout": 3,
            "read_timeout": 900,
            "shutdown_timeout": 900,
            "connections_per_address": 500,
            "realm": "Registry realm",
        },
        "limits": {
            "nginx_memory": 1024,
            "nginx_processes": 256,
            "registry_memory": 2048,
            "registry_processes": 2048,
            "mirror_memory": 1024,
            "mirror_processes": 1024,
            "ui_memory": 256,
            "ui_processes": 256,
        },
        "logs": {"max_size": "30M", "keep": 5},
        "gc": {
            "enabled": True,
            "schedule": "*-*-* 05:01:00",
            "random_delay": "0s",
            "delete_untagged": None,
            "max_share": 50,
            "drain_seconds": 60,
            "trash_days": 7,
        },
        "backup": DEFAULTS,
        "metrics": {
            "enabled": False,
            "schedule": "*-*-* *:*:00",
            "textfile": None,
            "groups": 50,
            "accounts": 100,
            "repositories": 50,
        },
        "notifications": {"endpoints": []},
        "status": {"notify": NOTIFY},
        "mirrors": [],
    }


def test_everything_can_be_set() -> None:
    leaf = pki.issue("*.example.org")
    settings, _ = load_stack(
        {
            "host": {
                "address": "192.0.2.7",
                "port": 2222,
                "user": "deploy",
                "sudo": True,
                "hostKey": HOST_KEY,
                "privateKey": pki.ssh_key(),
                "installPackages": False,
                "timeZone": "Europe/Vienna",
            },
            "site": {
                "fqdn": "r.example.org",
                "httpPort": 8080,
                "httpsPort": 8443,
                "listenAddress": "::",
                "aliases": ["i.example.org"],
                "peers": ["192.0.2.11", "192.0.2.12:8080"],
            },
            "storage": {"root": "/srv/registry", "driver": "filesystem"},
            "network": {"name": "dr", "subnet": "100.127.8.0/28"},
            "images": {"nginx": f"mirror.example.org:5000/nginx:1.28.0@{DIGEST}", "registry": "registry:2"},
            "users": [
                {"name": "alice", "password": PASSWORD, "scheme": "sha512", "role": "push"},
                {"name": "bob", "hash": APR1, "repositories": ["team-*/app", "b"], "pullOnly": ["*"]},
            ],
            "access": {
                "anonymousPull": ["public/*"],
                "attemptsPerMinute": 6000,
                "attemptsPerAddress": 6000,
                "rememberedHours": 720,
            },
            "limits": {"nginxMemory": 128, "uiProcesses": 64},
            "htpasswd": {"scheme": "bcrypt", "bcryptCost": 7},
            "certificate": {"mode": "files", "chain": leaf.pem, "privateKey": leaf.key_pem},
            "registry": {
                "deleteEnabled": False,
                "accessLog": False,
                "logLevel": "debug",
                "uploadPurging": {"enabled": False, "age": "1h30m", "interval": "1.5h"},
                "httpSecret": "0123456789abcdef",
            },
            "ui": {"title": "Ours", "deleteEnabled": False, "catalogLimit": 10, "showContentDigest": False},
            "nginx": {
                "tlsProfile": "modern",
                "hsts": True,
                "refuseOldDocker": True,
                "connectTimeout": 5,
                "readTimeout": 60,
                "shutdownTimeout": 1,
                "connectionsPerAddress": 10,
                "realm": "Ours",
            },
            "gc": {
                "enabled": False,
                "schedule": "Sun *-*-* 05:01:00",
                "randomDelay": "30m",
                "deleteUntagged": False,
                "maxShare": 100,
                "drainSeconds": 900,
                "trashDays": 0,
            },
        }
    )
    assert settings.site.listen_address == IPv6Address("::")
    assert settings.site.host_port == "r.example.org:8443"
    assert settings.storage.root == PurePosixPath("/srv/registry")
    assert settings.network.subnet == IPv4Network("100.127.8.0/28")
    assert str(settings.images.nginx) == f"mirror.example.org:5000/nginx:1.28.0@{DIGEST}"
    assert [user.kind for user in settings.users] == ["password", "hash"]
    assert [user.role for user in settings.users] == ["push", "admin"]
    assert settings.users[1].repositories == ("team-*/app", "b")
    assert settings.names == ("r.example.org", "i.example.org")
    assert settings.htpasswd.cost == 7
    assert settings.registry.upload_purging.age == "1h30m"
    assert settings.nginx.hsts
    assert settings.gc.max_share == 100


def test_the_machine_itself_needs_no_connection() -> None:
    settings, secrets = load_stack({**GOOD, "host": {"address": "local"}})
    assert settings.host.is_local
    assert secrets.ssh_private_key is None


@pytest.mark.parametrize(
    "changes",
    [
        # Keys are new in each process; names of tests are not.
        pytest.param({"host": {"privateKey": pki.ssh_key()}}, id="an SSH key"),
        pytest.param({"host": {"privateKey": pki.ssh_key().strip()}}, id="an SSH key without a last newline"),
        pytest.param(
            {"host": {"privateKey": pki.key_pem(pki.new_key()).replace("\n", "\r\n")}}, id="a PEM key of Windows"
        ),
        {"host": {"privateKey": None}},
        {"host": {"address": "2001:db8::7"}},
        {"storage": {"root": "/var/opt/registry"}},
        {"storage": {}},
        {"storage": ""},
        {"certificate": {"mode": "files", "chainPath": "/etc/ssl/c.pem", "privateKeyPath": "/etc/ssl/k.pem"}},
        {"users": [{"name": "alice", "password": "x" * 200}]},
        {"users": [{"name": "é" * 127, "password": "x"}]},
        {"users": [{"name": "alice", "password": "x" * 73, "scheme": "apr1"}], "htpasswd": {"scheme": "bcrypt"}},
        {"users": [{"name": "alice", "password": "x", "scheme": "bcrypt"}], "htpasswd": {"bcryptCost": 9}},
        {"access": {"anonymousPull": ["*"]}},
        {"users": [{"name": "alice", "hash": "$2y$05$n6SN1VZ31petdmlVq/leHudtmS6KHxzkori29u6G20WeskzIxiHKS"}]},
        {"ui": {"catalogLimit": 100000}, "images": {"registry": "registry:2.8.1"}},
        {"images": {"nginx": "mirror.example.org/slim/nginx-slim:1.28.0-alpine"}},
        {"images": {"registry": "registry:latest", "nginx": f"nginx@{DIGEST}"}},
    ],
    ids=str,
)
def test_unusual_settings_are_accepted(changes: dict[str, Any]) -> None:
    assert faults_in(with_changes(changes)) == []


@pytest.mark.parametrize("tag", ["2", "2.8", "3", "2.8.2", "latest", "edge"])
def test_registries_that_limit_the_catalogue(tag: str) -> None:
    changes = {"ui": {"catalogLimit": 1001}, "images": {"registry": f"registry:{tag}"}}
    assert len(faults_in(with_changes(changes))) == 1


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("registry:3.1.2", (3, 1, 2)),
        ("registry:2", (2,)),
        ("registry:3.1.2-alpine", (3, 1, 2)),
        ("registry:v3.1", (3, 1)),
        ("registry:latest", None),
        ("registry:1a", None),
        (f"registry@{DIGEST}", None),
        (f"localhost:5000/registry:2.8.3@{DIGEST}", (2, 8, 3)),
    ],
)
def test_version_of_an_image(text: str, version: tuple[int, ...] | None) -> None:
    image = ImageReference.parse(text)
    assert image.version == version
    assert str(image) == text


def test_settings_are_immutable() -> None:
    settings, _ = load_stack(GOOD)
    with pytest.raises(ValidationError):
        settings.site.fqdn = "other.example.net"


def test_settings_can_be_made_in_code() -> None:
    settings = Settings(host=Host(address="local"), site=Site(fqdn="dr.example.net"), users=load_stack(GOOD)[0].users)
    assert settings.images.registry.version == (3, 1, 2)
