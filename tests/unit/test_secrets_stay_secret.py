"""Passwords, their hashes, private keys and the registry's secret travel in secret inputs, and in few of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config import Credential, Htpasswd
from rendering.htpasswd import hash_of
from tests.unit.config.stack import APR1, PASSWORD
from tests.unit.programs import HTTP_SECRET, LEAF, SECOND_PASSWORD, SECRETS, SSH_KEY, whole
from tests.unit.recorder import STACK, UNKNOWN, Recorded, Recording, text_of

REALM = "images.example.net"
HASHES = [
    hash_of(Credential(name, password), Htpasswd(scheme="sha512"), REALM)
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
    assert _places(full, digest) == {("nginx-accounts", "stdin")}
    assert "stdin" in full["nginx-accounts"].secrets


def test_the_key_of_the_certificate_goes_to_its_installation_only(full: Recording) -> None:
    """By standard input."""
    assert _places(full, LEAF.key_pem.splitlines()[1]) == {("certificate-files", "stdin")}
    assert "stdin" in full["certificate-files"].secrets


def test_the_registry_s_secret_goes_to_its_file_only(full: Recording) -> None:
    """Not into the container's environment, which Docker shows to everybody who may ask."""
    assert _places(full, HTTP_SECRET) == {("registry-http-secret", "stdin")}
    assert "stdin" in full["registry-http-secret"].secrets


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


def _host_files(run: Recording) -> Iterator[Recorded]:
    for command in run.commands:
        if "/put-file " in str(command.inputs["create"]) or command.name == "host-tools":
            yield command


def test_a_preview_shows_every_host_file_but_the_accounts(variant: str) -> None:
    """The content of a file, and where it goes, are neither secret nor unknown before the first update."""
    files = list(_host_files(whole(variant, True)))
    expected = {"host-tools", "facts-file", "registry-config", "nginx-start", "nginx-site", "nginx-accounts"}
    assert {file.name for file in files} >= expected
    for file in files:
        assert file.inputs["stdin"] is not UNKNOWN, file.name
        assert "create" not in file.secrets, file.name
        assert ("stdin" in file.secrets) == (file.name == "nginx-accounts"), file.name


def test_outputs_of_the_stack_are_plain(run: Recording) -> None:
    """`pulumi stack output` shows each, because none is secret."""
    assert run.secret_outputs[STACK] == frozenset()
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
