"""The host: checked, given its tools, made ready; and what an interrupted run left there."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from typing import Any

import pulumi
import pytest

from components.host import Directory, FileArgs
from config import Secrets, Settings
from rendering.rootfs import TOOLS, HostFile
from rendering.tools import install_script, removal_command
from tests.unit.assembly import Assembly, assembled
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


def test_the_check_knows_stack_subnet_network_and_ports(preview: bool) -> None:
    """Everything that two stacks, or a stack and its host, could quarrel about."""
    changes = {
        "site": {"httpPort": 8080, "httpsPort": 8443},
        "network": {"name": "images", "subnet": "100.127.9.0/24"},
        "host": {"installPackages": False},
    }
    words = shlex.split(_host(preview=preview, changes=changes)["h-check"].inputs["create"])
    assert words[:3] == ["sh", "-s", "--"]
    assert dict(zip(words[3::2], words[4::2], strict=True)) == {
        "--stack": STACK_NAME,
        "--subnet": "100.127.9.0/24",
        "--ports": "8080 8443",
        "--install": "no",
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


def _with_file(args: FileArgs, *, preview: bool) -> Recording:
    def build(settings: Settings, secrets: Secrets) -> None:
        host = Assembly(settings, secrets).host
        host.file("h-file", args, pulumi.ResourceOptions(parent=host))

    return part(build, preview=preview)


def test_a_file_is_one_resource_with_its_content_to_see(preview: bool) -> None:
    """Size in bytes, mode, owner, test and what follows, each quoted."""
    content = "ein Wörtchen\n"
    args = FileArgs(
        HostFile("/etc/it's here", content), "/etc/it's here", "0640", "root:adm", verify="check it", then="say so"
    )
    file = _with_file(args, preview=preview)["h-file"]
    assert file.inputs["stdin"] == content
    assert shlex.split(file.inputs["create"]) == [
        f"{TOOLS}/put-file",
        *("--for", "h-file@ssh", "--size", "14", "--mode", "0640", "--owner", "root:adm"),
        *("--verify", "check it", "--then", "say so", "/etc/it's here"),
    ]


def test_destroy_removes_a_file_unless_it_is_kept(preview: bool) -> None:
    """By the tool that keeps what somebody changed; a host without the tool is no obstacle."""
    file = HostFile("/etc/some file", "content\n")
    deletes = _with_file(FileArgs(file, file.path), preview=preview)["h-file"].inputs["delete"]
    assert f"{TOOLS}/remove-file --for h-file@ssh " in deletes
    done = subprocess.run(["sh", "-c", deletes.replace(TOOLS, "/nonexistent")], timeout=10, check=False)
    assert done.returncode == 0
    assert "delete" not in _with_file(FileArgs(file, file.path, kept=True), preview=preview)["h-file"].inputs


def test_directories_are_one_resource_that_destroy_leaves(preview: bool) -> None:
    """A line each, and their number, so that half a list is noticed."""

    def build(settings: Settings, secrets: Secrets) -> None:
        host = Assembly(settings, secrets).host
        table = [Directory("0700", "root:root", "/srv/a"), Directory("0750", "101:root", "/srv/b")]
        host.directories("h-some", table, pulumi.ResourceOptions(parent=host))

    made = part(build, preview=preview)["h-some"].inputs
    assert made["create"] == f"{TOOLS}/ensure-directories 2"
    assert made["stdin"] == "0700 root:root /srv/a\n0750 101:root /srv/b\n"
    assert "delete" not in made


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
    assert connection.ran == [f"{TOOLS}/remove-orphan {kind} 'its name' {STACK_NAME}"]


@pytest.mark.parametrize("inputs", [{"name": "registry-data"}, None])
def test_a_volume_is_never_an_orphan(inputs: dict[str, Any] | None) -> None:
    """Nothing is run for a volume or an image, nor where the engine tells no name."""
    connection = _FakeConnection()
    _hook(connection, "docker:index/volume:Volume", inputs)
    assert connection.ran == []
