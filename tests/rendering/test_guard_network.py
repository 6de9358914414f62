"""The rule that keeps others out of the containers' network, with an iptables that only remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost

# Rules are lines of a file; -I puts one first, -D takes one away, -S lists them as iptables does.
IPTABLES = """
rules={file}
shift 3
touch "$rules"
case $1 in
    -S) echo "-P PREROUTING ACCEPT"; cat "$rules" ;;
    -I) shift 1; {{ echo "-A $*"; cat "$rules"; }} >"$rules.new"; mv "$rules.new" "$rules" ;;
    -D)
        shift 1
        grep -qxF -e "-A $*" "$rules"
        grep -vxF -e "-A $*" "$rules" >"$rules.new" || true
        mv "$rules.new" "$rules" ;;
esac
"""
OTHERS = "-A PREROUTING -s 192.0.2.0/24 -j DROP\n"


def _rule(subnet: str) -> str:
    return f"-A PREROUTING ! -s {subnet} -d {subnet} -m comment --comment docker-registry -j DROP\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The table, in which somebody else has a rule."""
    file = tmp_path / "rules"
    file.write_text(OTHERS)
    return file


@pytest.fixture
def host(tmp_path: Path, rules: Path) -> FakeHost:
    """A host with such an iptables."""
    host = FakeHost(tmp_path / "host")
    host.command("iptables", "set -e" + IPTABLES.format(file=rules))
    return host


def test_the_subnet_is_guarded_once(host: FakeHost, rules: Path) -> None:
    """However often it is asked for; other rules stay."""
    for _ in range(3):
        assert host.run("guard-network", "100.127.255.0/24").code == 0
    assert rules.read_text() == _rule("100.127.255.0/24") + OTHERS


def test_another_subnet_takes_the_place_of_the_old_one(host: FakeHost, rules: Path) -> None:
    """No rule is left behind."""
    host.run("guard-network", "100.127.255.0/24")
    host.run("guard-network", "100.127.8.0/28")
    assert rules.read_text() == _rule("100.127.8.0/28") + OTHERS


def test_the_guard_goes(host: FakeHost, rules: Path) -> None:
    """With the stack; twice is as good as once."""
    host.run("guard-network", "100.127.255.0/24")
    assert host.run("guard-network", "--off").code == 0
    assert host.run("guard-network", "--off").code == 0
    assert rules.read_text() == OTHERS
