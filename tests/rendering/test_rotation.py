"""logrotate's file: what it says."""

from __future__ import annotations

import pytest

from config.logs import Logs
from rendering.rootfs import HostFile, render

BY_HAND = """
/var/opt/*/logs/*.log {
    size 30M
    missingok
    notifempty
    rotate 5
    compress
    delaycompress
    copytruncate
    su root root
}
"""
"""What administrators of such hosts have written so far."""


def _file(logs: Logs, root: str = "/var/opt") -> HostFile:
    return render("/etc/logrotate.d/docker-opt", root=root, stack="acme/docker-registry/prod", logs=logs)


def _rules(file: HostFile) -> list[str]:
    return [line for line in file.content.splitlines() if not line.startswith("#")]


def test_the_default_is_what_is_written_by_hand() -> None:
    """Directive by directive, in the same file."""
    file = _file(Logs())
    assert file.path == "/etc/logrotate.d/docker-opt"
    assert _rules(file) == BY_HAND.strip().splitlines()


@pytest.mark.parametrize("size", ["1k", "30M", "999999G"])
def test_the_settings_are_in_their_places(size: str) -> None:
    """And the logs of another root."""
    rules = _rules(_file(Logs(max_size=size, keep=52), root="/srv/registry"))
    assert rules[0] == "/srv/registry/*/logs/*.log {"
    assert {f"    size {size}", "    rotate 52"} <= set(rules)
