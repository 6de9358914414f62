"""The rules that keep others out of the containers' network, with an iptables that only remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran

# Rules are lines of a file; -I puts one first, -D takes the first such away, -C looks for one, -S lists them as
# iptables does. After each change `seen` has a line: which chains are guarded.
IPTABLES = """
set -e
rules={file}
shift 3
action=$1
shift
case $action in
    -S) echo "-P PREROUTING ACCEPT"; cat "$rules" ;;
    -C) grep -qxF -e "-A $*" "$rules" ;;
    -I) {{ echo "-A $*"; cat "$rules"; }} >"$rules.new"; mv "$rules.new" "$rules"; echo put >>"$rules.calls" ;;
    -D)
        grep -qxF -e "-A $*" "$rules"
        awk -v "gone=-A $*" '$0 == gone && !done {{ done = 1; next }} {{ print }}' "$rules" >"$rules.new"
        mv "$rules.new" "$rules" ;;
esac
case $action in -I | -D) grep docker-registry "$rules" | cut -d ' ' -f 2 | sort -u | xargs echo >>"$rules.seen" ;; esac
"""
OTHERS = "-A PREROUTING -s 192.0.2.0/24 -j DROP\n"
SUBNET, ANOTHER = "100.127.255.0/24", "100.127.8.0/28"


def _rules(subnet: str, way: str = "! -i br-0123456789ab") -> str:
    marked = f"-d {subnet} -m comment --comment docker-registry -j DROP\n"
    return f"-A OUTPUT -m owner --uid-owner 1-4294967294 {marked}-A PREROUTING {way} {marked}"


def _sorted(rules: str) -> list[str]:
    """Of another chain the order says nothing."""
    return sorted(rules.splitlines())


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The table, in which somebody else has a rule."""
    file = tmp_path / "rules"
    file.write_text(OTHERS)
    return file


@pytest.fixture
def host(tmp_path: Path, rules: Path) -> FakeHost:
    """A host with such an iptables, and a bridge for each subnet."""
    host = FakeHost(tmp_path / "host")
    host.command("iptables", IPTABLES.format(file=rules))
    _has_bridge(host, "br-0123456789ab")
    return host


def _has_bridge(host: FakeHost, name: str | None) -> None:
    line = f"$6 dev {name} scope link src 100.127.255.1 linkdown" if name else ""
    host.command("ip", f'echo "{line}"' if name else "exit 0")


def _guard(host: FakeHost, *words: str) -> Ran:
    return host.run("guard-network", *words)


def test_the_subnet_is_guarded_once(host: FakeHost, rules: Path) -> None:
    """However often it is asked for; what is in place is not touched, and other rules stay."""
    for _ in range(3):
        assert _guard(host, SUBNET) == Ran(0, "", "")
    assert rules.read_text() == _rules(SUBNET) + OTHERS
    assert rules.with_name("rules.calls").read_text() == "put\n" * 2


def test_another_subnet_takes_the_place_of_the_old_one(host: FakeHost, rules: Path) -> None:
    """No rule is left behind."""
    _guard(host, SUBNET)
    _guard(host, ANOTHER)
    assert rules.read_text() == _rules(ANOTHER) + OTHERS


def test_another_bridge_takes_the_place_of_the_old_one(host: FakeHost, rules: Path) -> None:
    """As of a network that was made anew. Where there is none, nobody could be reached: sources are believed then."""
    for name, way in ((None, f"! -s {SUBNET}"), ("br-1", "! -i br-1"), ("br-2", "! -i br-2")):
        _has_bridge(host, name)
        _guard(host, SUBNET)
        assert _sorted(rules.read_text()) == _sorted(_rules(SUBNET, way) + OTHERS)


def test_others_stay_out_while_a_rule_is_exchanged(host: FakeHost, rules: Path) -> None:
    """Of each chain one rule at least is there, so that who looks meanwhile doesn't take it for unguarded."""
    _has_bridge(host, None)
    _guard(host, SUBNET)
    seen = rules.with_name("rules.seen")
    seen.unlink()
    _has_bridge(host, "br-1")
    _guard(host, SUBNET)
    assert set(seen.read_text().splitlines()) == {"OUTPUT PREROUTING"}


@pytest.mark.parametrize("lost", ["", "OUTPUT", "PREROUTING"])
def test_rules_that_were_flushed_come_back(lost: str, host: FakeHost, rules: Path) -> None:
    """All of them, or one; and it is noticed that they are gone."""
    _guard(host, SUBNET)
    assert _guard(host, SUBNET, "--check").code == 0
    kept = [line for line in rules.read_text().splitlines(keepends=True) if lost and f"-A {lost}" not in line]
    rules.write_text("".join(kept))
    assert _guard(host, SUBNET, "--check").code == 1
    assert rules.read_text() == "".join(kept)
    _guard(host, SUBNET)
    assert _guard(host, SUBNET, "--check").code == 0
    assert sorted(rules.read_text().splitlines()) == sorted(
        (_rules(SUBNET) + "".join(kept)).splitlines()[:2]
        + [line for line in map(str.strip, kept) if "docker-registry" not in line]
    )


def test_another_subnet_s_rules_are_none(host: FakeHost) -> None:
    """Of whom it is looked whether he is guarded."""
    _guard(host, ANOTHER)
    assert _guard(host, SUBNET, "--check").code == 1


def test_the_guard_goes(host: FakeHost, rules: Path) -> None:
    """With the stack; twice is as good as once."""
    _guard(host, SUBNET)
    assert _guard(host, "--off").code == 0
    assert _guard(host, "--off").code == 0
    assert rules.read_text() == OTHERS
