"""`preview` needs no host."""

import re

import pytest

from tests.e2e.conftest import NewStack
from tests.e2e.support import Deployed, wait_until_healthy
from tests.lab.lab import Lab
from tests.lab.stack import default_config

pytestmark = pytest.mark.e2e

PREVIEW_SECONDS = 60
"""Far more than a preview takes, and less than a client that tries to connect again and again."""


def test_new_stack_previews_without_its_host(lab: Lab, deployed: Deployed, new_stack: NewStack) -> None:
    """A new stack for a host that isn't there previews, and shows the beginning of each file."""
    stack = new_stack("nowhere", deployed.host)
    # Within the lab's network, and no container has it.
    nowhere = str(lab.subnet[251])
    config = default_config(deployed.host, "nowhere.example.net")
    config["host"]["address"] = nowhere
    stack.configure(config)
    done = stack.preview("--diff", timeout=PREVIEW_SECONDS)
    assert f"# Written by the stack organization/docker-registry/{stack.name}" in done.stdout
    assert "docker:index/container:Container" in done.stdout


def test_existing_stack_previews_a_changed_file_while_its_host_is_down(deployed: Deployed) -> None:
    """With its host shut down a stack previews, and the preview shows which lines of a file change."""
    deployed.stack.configure({**deployed.settings, "nginx": {"readTimeout": 1234}})
    deployed.host.stop()
    try:
        done = deployed.stack.preview("--diff", timeout=PREVIEW_SECONDS)
    finally:
        deployed.host.resume()
        deployed.stack.configure(deployed.settings)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line for line in lines if re.fullmatch(r"\+ +proxy_(read|send)_timeout 1234s;", line)], done.stdout
    assert [line for line in lines if re.fullmatch(r"- +proxy_(read|send)_timeout 900s;", line)], done.stdout
    wait_until_healthy(deployed.host)
    assert deployed.get("/v2/", password=deployed.password).status == 200
