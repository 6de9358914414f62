"""Passwords, their hashes, private keys and the registry's secret travel in secret inputs, and in few of them."""

from __future__ import annotations

import pytest

from config import Account, Htpasswd
from rendering.htpasswd import hash_of
from tests.unit.config.stack import APR1, PASSWORD
from tests.unit.programs import (
    BACKUP_KEY,
    BACKUP_PASSWORD,
    BACKUP_VARIABLE,
    ENDPOINT_HEADER,
    HTTP_SECRET,
    LEAF,
    NOTIFY_HEADER,
    SECOND_PASSWORD,
    SECRETS,
    SSH_KEY,
    WEBHOOK,
    stack_of,
    whole,
)
from tests.unit.recorder import STACK, UNKNOWN, Recording, text_of

REALM = "images.example.net"
HASHES = [
    hash_of(Account(name, password), Htpasswd(scheme="sha512"), REALM)
    for name, password in (("alice", PASSWORD), ("carol", SECOND_PASSWORD))
]


@pytest.fixture
def full(preview: bool) -> Recording:
    """The stack in which everything is secret that can be."""
    return whole("full", preview)


def _places(run: Recording, secret: str) -> set[tuple[str, str]]:
    """Where a text occurs: resource and top-level input."""
    return {
        (resource.name, key) for resource in run for key, value in resource.inputs.items() if secret in text_of(value)
    }


def _connections(run: Recording) -> set[tuple[str, str]]:
    return {(command.name, "connection") for command in run.commands}


def test_passwords_go_nowhere(full: Recording) -> None:
    """A host gets hashes only."""
    assert _places(full, PASSWORD) == set()
    assert _places(full, SECOND_PASSWORD) == set()


@pytest.mark.parametrize("digest", [*HASHES, APR1])
def test_hashes_go_to_the_accounts_only(full: Recording, digest: str) -> None:
    """Made here or brought along."""
    assert _places(full, digest) == {("nginx-files-htpasswd", "stdin")}
    assert "stdin" in full["nginx-files-htpasswd"].secrets


def test_the_key_of_the_certificate_goes_to_its_installation_only(full: Recording) -> None:
    """By standard input."""
    assert _places(full, LEAF.key_pem.splitlines()[1]) == {("certificate-files", "stdin")}
    assert "stdin" in full["certificate-files"].secrets


def test_the_registry_s_secret_goes_to_its_file_only(full: Recording) -> None:
    """Not into the container's environment, which Docker shows to everybody who may ask."""
    assert _places(full, HTTP_SECRET) == {("registry-http-secret", "stdin")}
    assert "stdin" in full["registry-http-secret"].secrets


@pytest.mark.parametrize(
    "secret",
    [BACKUP_PASSWORD.replace('"', '\\"'), BACKUP_VARIABLE, BACKUP_KEY.splitlines()[1]],
    ids=["password", "variable", "key"],
)
def test_what_opens_the_backups_goes_to_its_files_only(full: Recording, secret: str) -> None:
    """Not into the unit or its command line."""
    ((name, key),) = _places(full, secret)
    assert (name in {"backup-secrets", "backup-key"}, key) == (True, "stdin")
    assert "stdin" in full[name].secrets


@pytest.mark.parametrize(
    ("secret", "name"),
    [
        (WEBHOOK, "notify-secrets"),
        (NOTIFY_HEADER, "notify-secrets"),
        (ENDPOINT_HEADER, "registry-notifications"),
    ],
)
def test_what_proves_who_tells_goes_to_its_files_only(full: Recording, secret: str, name: str) -> None:
    """Not into the registry's configuration, its container's environment or a command line."""
    assert _places(full, secret) == {(name, "stdin")}
    assert "stdin" in full[name].secrets


def test_the_key_for_ssh_goes_to_the_connections_only(full: Recording) -> None:
    """Not to the Docker provider, whose options are plain."""
    assert _places(full, SSH_KEY.splitlines()[1]) == _connections(full)
    for command in full.commands:
        assert {"connection", "connection.privateKey"} & command.secrets, command.name


def test_only_standard_input_and_connections_are_secret(full: Recording) -> None:
    """All else can be shown: commands, labels, environment, the names and places of files."""
    for resource in full:
        roots = {path.partition(".")[0] for path in resource.secrets}
        assert roots <= {"stdin", "connection"}, resource.name


def test_a_preview_shows_every_host_file_but_those_of_secrets(variant: str) -> None:
    """The content of a file, and where it goes, are neither secret nor unknown before the first update."""
    run = whole(variant, True)
    root = stack_of(variant).get("storage", {}).get("root", "/var/opt")
    places = ("docker-registry/etc/config.yml", "nginx/etc/start/nginx-start", "nginx/etc/conf.d/registry.conf")
    assert run.files.keys() >= {"/etc/docker-registry/host.json", *(f"{root}/{place}" for place in places)}
    for command in {"host-tools", *(command.name for command, _ in run.files.values())}:
        file = run[command]
        assert file.inputs["stdin"] is not UNKNOWN, file.name
        assert "create" not in file.secrets, file.name
        secret = {
            "nginx-files-htpasswd",
            "backup-secrets",
            "backup-key",
            "notify-secrets",
            "mirror-docker.io-credentials",
        }
        assert ("stdin" in file.secrets) == (file.name in secret), file.name


def test_outputs_of_the_stack_are_plain(run: Recording) -> None:
    """`pulumi stack output` shows each but the manifest, which has the digests of secret files."""
    assert run.secret_outputs[STACK] == {"manifest"}
    for component in run.components:
        assert run.secret_outputs[component.name] == frozenset(), component.name
    for secret in (*SECRETS, *HASHES):
        assert secret not in text_of(run.registered_outputs)


def test_with_the_agent_no_key_is_in_the_state(preview: bool) -> None:
    """Where no private key is set, no resource has a place for one."""
    for variant in ("plain", "paths"):
        run = whole(variant, preview)
        for command in run.commands:
            assert "privateKey" not in command.inputs["connection"], command.name
        assert "IdentityFile" not in text_of(dict(run["host-docker"].inputs))


def test_a_certificate_of_the_host_s_own_keeps_its_key_there(preview: bool) -> None:
    """Mode self-signed, and files by their paths: the private key never leaves the host."""
    for variant, name in (("plain", "certificate-self-signed"), ("paths", "certificate-files")):
        assert "stdin" not in whole(variant, preview)[name].inputs
