"""Several stacks from one checkout."""

import re

import pytest

from tests.e2e.conftest import BLANK_TITLE, NewStack
from tests.e2e.support import Deployed, runs
from tests.e2e.traces import traces
from tests.lab.stack import default_config

pytestmark = pytest.mark.e2e


def test_change_of_one_stack_is_none_of_another(deployed: Deployed, blank: Deployed) -> None:
    """A changed setting of one stack reaches its own host, and no other stack or host."""
    before = runs(deployed.host), runs(blank.host)
    blank.stack.configure({**blank.settings, "ui": {"title": "Another title"}})
    try:
        blank.stack.up()
        assert "Another title" in blank.get("/ui/").body
        deployed.stack.preview("--expect-no-changes")
    finally:
        blank.stack.configure(blank.settings)
        blank.stack.up()
    assert BLANK_TITLE in blank.get("/ui/").body
    after = runs(deployed.host), runs(blank.host)
    assert after[0] == before[0]
    assert {name for name in before[1] if after[1][name] != before[1][name]} == {"registry-ui"}


def test_second_stack_on_one_host_is_refused(deployed: Deployed, new_stack: NewStack) -> None:
    """A host has one stack: another one is told so, and touches nothing."""
    intruder = new_stack("intruder", deployed.host)
    intruder.configure(
        default_config(deployed.host, "other.example.net")
        | {
            "site": {"fqdn": "other.example.net", "httpPort": 8080, "httpsPort": 8443},
            "network": {"name": "other", "subnet": "100.127.254.0/24"},
            "storage": {"root": "/srv/other"},
        }
    )
    before = runs(deployed.host), traces(deployed.host)
    done = intruder.up(check=False)
    assert done.returncode != 0
    assert re.search(rf"/{deployed.stack.name} .*one host has one stack", done.stdout + done.stderr)
    assert (runs(deployed.host), traces(deployed.host)) == before
