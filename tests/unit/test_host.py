"""The host: checked, given its tools, made ready; and what an interrupted run left there."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.host import STACK_LABEL, FileArgs, FilesArgs, Host
from config import Secrets, Settings
from registryctl import machine
from rendering.bundle import Entry, bundle
from rendering.rootfs import TOOLS, HostFile
from rendering.tools import check_script, install_script, removal_command
from tests.unit.assembly import Assembly, assembled
from tests.unit.bundles import entries_of
from tests.unit.config.stack import Stack
from tests.unit.programs import part
from tests.unit.recorder import STACK_NAME, Recording


def _host(*, preview: bool = False, changes: Stack | None = None) -> Recording:
    return assembled("host", preview, changes)


def test_the_host_is_checked_before_anything_is_touched(preview: bool) -> None:
    """The first command has the check itself on standard input, and everything else waits for it."""
    run = _host(preview=preview)
    first = [command.name for command in run.commands if not command.depends_on]
    assert first == ["h-check"]
    assert run["h-check"].inputs["stdin"].startswith("#!/bin/sh\n# Says whether this host can carry the registry")


def test_the_label_is_the_same_on_both_sides() -> None:
    """By it the host's tools know what is the stack's."""
    assert STACK_LABEL == machine.STACK_LABEL
    assert STACK_LABEL in check_script()


def test_the_check_knows_stack_subnet_ports_and_volumes(preview: bool) -> None:
    """Everything that two stacks, or a stack and its host, could quarrel about."""
    changes = {
        "site": {"httpPort": 8080, "httpsPort": 8443},
        "network": {"name": "images", "subnet": "100.127.9.0/24"},
        "host": {"installPackages": False, "user": "admin", "sudo": True},
        "storage": {"root": "/srv/r"},
    }
    words = shlex.split(_host(preview=preview, changes=changes)["h-check"].inputs["create"])
    assert words[:5] == ["sudo", "-n", "sh", "-s", "--"]
    assert dict(zip(words[5::2], words[6::2], strict=True)) == {
        "--stack": STACK_NAME,
        "--subnet": "100.127.9.0/24",
        "--ports": "8080 8443",
        "--volumes": "registry-data=/srv/r/docker-registry/data registry-logs=/srv/r/docker-registry/logs "
        "registry-ui-logs=/srv/r/docker-registry-ui/logs",
        "--install": "no",
        "--user": "admin",
    }


def test_a_later_run_says_that_the_stack_was_here(preview: bool) -> None:
    """So that another host in the place of the old one is noticed."""
    inputs = _host(preview=preview)["h-check"].inputs
    assert inputs["update"] == f"{inputs['create']} --known"


def test_the_tools_arrive_together(preview: bool) -> None:
    """After the check, in one round trip, and before everything else."""
    run = _host(preview=preview)
    assert run["h-tools"].depends_on == {"h-check"}
    assert run["h-tools"].inputs["stdin"] == install_script("h-tools@ssh")
    assert run["h-tools"].inputs["delete"] == f"sh -c {shlex.quote(removal_command('h-tools@ssh'))}"


def test_tools_that_were_resources_of_their_own_are_taken_over(preview: bool) -> None:
    """Removing the first of them would remove what is new."""
    assert _host(preview=preview)["h-tools"].aliases == ("h-tool-put-file",)


def test_the_preparation_follows_the_settings(preview: bool) -> None:
    """Packages, time zone, and the user who talks to Docker."""
    plain = _host(preview=preview)["h-tools"].inputs["create"]
    assert plain == f"sh -s -- {TOOLS}/prepare-host --install yes --time-zone Etc/UTC --user root"
    changes = {"host": {"user": "admin", "sudo": True, "timeZone": "Europe/Vienna", "installPackages": False}}
    other = _host(preview=preview, changes=changes)["h-tools"].inputs["create"]
    assert other.endswith("/prepare-host --install no --time-zone Europe/Vienna --user admin")


def _with_file(args: FileArgs | FilesArgs, *, preview: bool) -> Recording:
    def build(settings: Settings, secrets: Secrets) -> None:
        host = Assembly(settings, secrets).host
        put = host.file if isinstance(args, FileArgs) else host.files
        put("h-file", args, pulumi.ResourceOptions(parent=host))  # type: ignore[arg-type]

    return part(build, preview=preview)


def test_a_file_is_one_resource_with_its_content_to_see(preview: bool) -> None:
    """Size in bytes, mode and owner, each quoted."""
    content = "ein Wörtchen\n"
    args = FileArgs(HostFile("/etc/it's here", content), "/etc/it's here", "0640", "root:adm")
    file = _with_file(args, preview=preview)["h-file"]
    assert file.inputs["stdin"] == content
    assert shlex.split(file.inputs["create"]) == [
        f"{TOOLS}/put-file",
        *("--for", "h-file@ssh", "--size", "14", "--mode", "0640", "--owner", "root:adm", "/etc/it's here"),
    ]


def test_files_that_belong_together_are_one_resource(preview: bool) -> None:
    """Directories first; a head says what each is, and an end that all has arrived."""
    files = [FileArgs(HostFile(path, "ü\n"), path, "0600") for path in ("/srv/a/one", "/srv/a/two")]
    args = FilesArgs(files, [Entry("/srv/a", "0700", "root:root")], verify="check it", then="say so")
    made = _with_file(args, preview=preview)["h-file"].inputs
    assert made["stdin"] == (
        "== /srv/a - 0700 root:root\n== /srv/a/one 3 0600 root:root\nü\n== /srv/a/two 3 0600 root:root\nü\n== end\n"
    )
    words = [f"{TOOLS}/put-files", "--for", "h-file@ssh", "--verify", "check it", "--then", "say so"]
    assert shlex.split(made["create"]) == words
    for path in ("one", "two"):
        assert f"{TOOLS}/remove-file --for h-file@ssh /srv/a/{path}" in made["delete"]


@pytest.mark.parametrize("content", ["", "one\n", "no end", "== end\n", "== /a 1 0600 root:root\n"])
def test_what_is_in_a_bundle_comes_out_of_it(content: str) -> None:
    """Whatever it is: heads say how long it is."""
    entries = [
        Entry("/a", "0700", "root:root"),
        Entry("/a/b", "0600", "root:root", content),
        Entry("/c", "0644", "0:3", "ü\n"),
    ]
    assert list(entries_of(bundle(entries))) == entries


def test_destroy_removes_files_unless_they_are_kept(preview: bool) -> None:
    """By the tool that keeps what somebody changed; a host without the tool is no obstacle."""
    file = FileArgs(HostFile("/etc/some file", "content\n"), "/etc/some file")
    for args in (file, FilesArgs([file])):
        deletes = _with_file(args, preview=preview)["h-file"].inputs["delete"]
        assert f"{TOOLS}/remove-file --for h-file@ssh " in deletes
        done = subprocess.run(["sh", "-c", deletes.replace(TOOLS, "/nonexistent")], timeout=10, check=False)
        assert done.returncode == 0
    assert "delete" not in _with_file(FilesArgs([file], kept=True), preview=preview)["h-file"].inputs


class _FakeConnection:
    """Remembers what was run on the host."""

    def __init__(self, answer: str = "") -> None:
        self.ran: list[str] = []
        self._answer = answer

    async def run(self, command: str) -> str:
        self.ran.append(command)
        return self._answer


def _hook(connection: _FakeConnection, type_: str, inputs: dict[str, Any] | None) -> None:
    """Runs the hook as the engine does before it creates a resource."""
    args = pulumi.ResourceHookArgs(urn="urn", id="", name="resource", type=type_, new_inputs=inputs)

    def build(settings: Settings, secrets: Secrets) -> None:
        host = Assembly(settings, secrets).host
        host._connection = connection  # type: ignore[assignment]
        asyncio.get_running_loop().create_task(_awaited(host.orphans(args)))

    async def _awaited(running: object) -> None:
        await running  # type: ignore[misc]

    part(build, preview=False)


@pytest.mark.parametrize(
    ("type_", "kind"), [("docker:index/network:Network", "network"), ("docker:index/container:Container", "container")]
)
def test_an_orphan_of_the_same_name_is_removed_first(type_: str, kind: str) -> None:
    """By the tool that looks for the stack's own label; the name can't be taken for anything else."""
    connection = _FakeConnection("removed it")
    _hook(connection, type_, {"name": "its name"})
    subnet = " 100.127.255.0/24" if kind == "network" else ""
    assert connection.ran == [f"{TOOLS}/remove-orphan {kind} 'its name' {STACK_NAME}{subnet}"]


@pytest.mark.parametrize("inputs", [{"name": "registry-data"}, None])
def test_a_volume_is_never_an_orphan(inputs: dict[str, Any] | None) -> None:
    """Nothing is run for a volume or an image, nor where the engine tells no name."""
    connection = _FakeConnection()
    _hook(connection, "docker:index/volume:Volume", inputs)
    assert connection.ran == []


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        (
            "after 10 failed attempts: ssh: handshake failed: ssh: host key mismatch",
            "docker-registry:host.hostKey is not",
        ),
        (
            "ssh: handshake failed: ssh: unable to authenticate, attempted methods",
            "docker-registry:host.privateKey is not set",
        ),
        ("dial tcp 203.0.113.7:22: connect: connection refused", "docker-registry:host.address or host.port is wrong"),
        ("dial tcp 203.0.113.7:22: i/o timeout", "docker-registry:host.address or host.port is wrong"),
        ("dial tcp: lookup dr.example.net: no such host", "docker-registry:host.address, "),
        ("Process exited with status 1", ""),
    ],
)
def test_a_host_that_is_not_reached_has_its_setting_named(
    said: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's own words are of its library; and nothing is tried again."""
    told: list[str] = []
    made: list[Host] = []
    monkeypatch.setattr("pulumi.log.error", lambda text, *_: told.append(text))
    run = part(lambda settings, secrets: made.append(Assembly(settings, secrets).host), preview=False)
    assert run["h-check"].on_error == ("h-explain",)
    again = asyncio.run(made[0]._explain(SimpleNamespace(errors=[said])))  # type: ignore[arg-type]
    assert again is False
    assert [setting in text for text in told] == ([True] if setting else [])
