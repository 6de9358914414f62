"""Drops packets to the containers' network, unless root or the containers themselves send them.

Those that come by another interface than its bridge, whatever their source says, and those of local users. The registry
listens on no address; this protects what else is in the network. Docker before 28 lets such packets pass on hosts that
forward already when Docker starts. Clients are not affected: they send to the host's own address, which is translated
only after this rule.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from registryctl.endings import ToolError, UsageError
from registryctl.machine import Machine

_MARK = "docker-registry"
_CHAINS = ("PREROUTING", "OUTPUT")
_PAUSE = 10
# A range, because packets of the kernel's own have no user, which would be "not root".
_USERS = ("-m", "owner", "--uid-owner", "1-4294967294")


def run(words: Sequence[str], name: str) -> int:
    """guard-network SUBNET [--watch | --check], or guard-network --off.

    --watch puts the rules back again and again: other tools flush what they didn't make. --check only looks.
    """
    machine = Machine()
    match words:
        case ["--off"]:
            _take_away(machine, _ours(machine))
        case [subnet]:
            guard(machine, subnet)
        case [subnet, "--check"]:
            return 0 if is_guarded(machine, subnet) else 1
        case [subnet, "--watch"]:
            while True:
                guard(machine, subnet)
                time.sleep(_PAUSE)
        case _:
            raise UsageError(f"what is {' '.join(words)}?")
    return 0


def is_guarded(machine: Machine, subnet: str) -> bool:
    """Whether there are rules for this subnet."""
    found = [rule for rule in _ours(machine) if f" -d {subnet} " in rule and rule.endswith(" -j DROP")]
    return all(any(rule.startswith(f"{chain} ") for rule in found) for chain in _CHAINS)


def guard(machine: Machine, subnet: str) -> None:
    """Puts the rules there that are wanted, and takes others of ours away. Raises `ToolError`."""
    wanted = [_rule(chain, subnet, _bridge(machine, subnet)) for chain in _CHAINS]
    old = _ours(machine)
    if len(old) == len(wanted) and all(machine.answer(*_iptables("-C"), *rule) is not None for rule in wanted):
        return
    # Others stay out meanwhile, and --check sees no gap: the old ones go last. Of two that are alike one goes.
    for rule in wanted:
        done = machine.run(*_iptables("-I"), *rule)
        if done.code != 0:
            raise ToolError(f"the network can't be guarded: {done.err.strip()}")
    _take_away(machine, old)


def _iptables(operation: str) -> tuple[str, ...]:
    return ("iptables", "-w", "-t", "raw", operation)


def _ours(machine: Machine) -> list[str]:
    """Also the rules of a subnet that is no longer ours, in iptables' own words."""
    lines = machine.run(*_iptables("-S")).out.replace('"', "").splitlines()
    return [line.removeprefix("-A ") for line in lines if line.startswith("-A ") and f" --comment {_MARK} " in line]


def _take_away(machine: Machine, rules: Sequence[str]) -> None:
    for rule in rules:
        machine.run(*_iptables("-D"), *rule.split())


def _bridge(machine: Machine, subnet: str) -> str:
    """The interface of the network. Before there is one, nobody is in the network who could be reached."""
    words = (machine.answer("ip", "-4", "-o", "route", "show", "to", "exact", subnet, "proto", "kernel") or "").split()
    return words[words.index("dev") + 1] if "dev" in words[:-1] else ""


def _rule(chain: str, subnet: str, bridge: str) -> list[str]:
    way: Sequence[str] = _USERS
    if chain == "PREROUTING":
        way = ("!", "-i", bridge) if bridge else ("!", "-s", subnet)
    return [chain, *way, "-d", subnet, "-m", "comment", "--comment", _MARK, "-j", "DROP"]
