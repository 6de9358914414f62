"""The demonstration: a blank host becomes a registry, and a client pushes to it and pulls from it."""

import json
import secrets
import shlex
from pathlib import Path
from typing import Any

from tests.lab.clients import OCI_INDEX, Client
from tests.lab.docker import release
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import say, step
from tests.lab.paths import run_dir, write_private
from tests.lab.prepare import prepare
from tests.lab.run import LabError
from tests.lab.stack import LabStack, default_config

STACK = "demo"
FQDN = "dr.example.net"
USER = "alice"
LOGINS = ("root", "deploy")
"""Who may log in at a lab's host; the second uses sudo."""
SINGLE = "demo-single:1.0"
MULTI = "demo-multi:1.0"
TITLE = "The demo's registry"


def lab_name() -> str:
    """The demo has a lab of its own beside the one of the checkout's tests."""
    return f"{default_name()}-demo"


def up(suite: str, login: str) -> dict[str, str]:
    """Run the whole demonstration and return what `.lab/demo.json` has. Raises LabError where a step fails.

    The host is of Debian `suite`, and `login` is who logs in there: root, or `deploy`, who uses sudo. What an earlier
    run left is removed first; the hosts keep running afterwards.
    """
    _clear()
    prepare(suite)
    here = Lab.open(lab_name())
    start_hub(here)
    registry_host = LabHost.start("registry", "blank", aliases=[FQDN], lab=here, suite=suite)
    client_host = LabHost.start("client", "ready", lab=here, suite=suite)
    password = secrets.token_hex(16)
    stack = _deploy(registry_host, password, login)
    authority = write_private(run_dir() / "demo-ca.pem", stack.outputs()["certificateAuthority"])
    client = Client(client_host, FQDN)
    client.trust(authority.read_text())
    client.login(USER, password)
    with step("client: one platform: push, pull by tag, pull by digest"):
        _round_trip(client, SINGLE, client.push(SINGLE))
    with step("client: OCI index of two platforms: push, pull by tag, pull by digest"):
        _round_trip(client, MULTI, client.push_index(MULTI))
        _expect_index(client.manifest(MULTI))
    _look_at_ui(registry_host, authority, password)
    client.logout()
    return _note(registry_host, stack, authority, password, login)


def down() -> None:
    """Remove everything that `up` made on this machine; nothing happens where there is nothing."""
    with step("demo: removing"):
        _clear()
        release()


def _clear() -> None:
    stack = LabStack(STACK)
    if stack.config_file.exists():
        stack.remove()
    here = Lab.find(lab_name())
    if here is not None:
        here.remove()
    for name in ("demo.json", "demo-ca.pem", "bin/pulumi", "pictures/demo-ui.png"):
        (run_dir() / name).unlink(missing_ok=True)


def _deploy(host: LabHost, password: str, login: str) -> LabStack:
    stack = LabStack(STACK, host)
    stack.init()
    settings = default_config(host, FQDN, password) | {"ui": {"title": TITLE}}
    settings["host"] |= {"user": login, "sudo": login != "root"}
    stack.configure(settings)
    with step(f"pulumi up: a blank host becomes a registry, as {login}"):
        stack.up()
    with step("pulumi up again, and with a refresh: nothing changes"):
        stack.up("--expect-no-changes")
        stack.up("--refresh", "--expect-no-changes")
    return stack


def _round_trip(client: Client, name: str, digest: str) -> None:
    by_digest = f"{name.rpartition(':')[0]}@{digest}"
    client.forget(name, f"{name}-docker")
    client.pull(name)
    client.forget(name)
    client.pull(by_digest)
    client.host.run(["docker", "run", "--rm", f"{client.registry}/{by_digest}", "true"])
    client.forget(by_digest)


def _expect_index(manifest: dict[str, Any]) -> None:
    platforms = [entry["platform"]["architecture"] for entry in manifest.get("manifests", [])]
    if manifest.get("mediaType") != OCI_INDEX or sorted(platforms) != ["amd64", "arm64"]:
        raise LabError(f"the registry does not have an OCI index of two platforms but {json.dumps(manifest)[:500]}")


def _look_at_ui(host: LabHost, authority: Path, password: str) -> None:
    # Only the demo and a few tests need playwright.
    from tests.lab.browser import look  # noqa: PLC0415

    with step("browser: the user interface lists both images"):
        _, picture = look(
            f"https://{FQDN}/ui/",
            FQDN,
            host.address,
            username=USER,
            password=password,
            authority=authority,
            expect=[SINGLE.partition(":")[0], MULTI.partition(":")[0]],
            picture="demo-ui",
        )
    say(f"  picture: {picture}")


def _note(host: LabHost, stack: LabStack, authority: Path, password: str, login: str) -> dict[str, str]:
    command = write_private(run_dir("bin") / "pulumi", stack.command_script(), 0o700)
    note = {
        "url": f"https://{FQDN}",
        "username": USER,
        "password": password,
        "ca": str(authority),
        "address": host.address,
        "ssh": shlex.join(host.ssh_command(login)),
        "stack": STACK,
        "pulumi": shlex.quote(str(command)),
    }
    write_private(run_dir() / "demo.json", json.dumps(note, indent=2) + "\n")
    return note
