"""What the program's own machine must be like: environment variables, SSH agent, networks."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pulumi

from config.errors import Fault
from config.faults import key_of
from config.host import Host

_ROUTES = Path("/proc/net/route")
# Docker's own bridges: the stack's network must not be in its own way at the second `up`.
_DOCKER_INTERFACE = re.compile(r"docker\d+|br-[0-9a-f]{12}|veth.*")
_AGENT_TIMEOUT = 2.0


def check_environment(host: Host | None) -> Iterator[Fault]:
    """The faults of the environment the program runs in, given the host it is to reach.

    None stands for a host whose settings are wrong: only what concerns every host is checked then.
    """
    if context := os.environ.get("DOCKER_CONTEXT"):
        yield Fault(
            "environment variable DOCKER_CONTEXT",
            f'"{context}"',
            "it to be unset, because it would override the stack's own host; run unset DOCKER_CONTEXT",
        )
    if host is None:
        return
    if host.is_local:
        if not host.sudo and os.geteuid() != 0:
            yield Fault(
                key_of("host", ("sudo",)),
                "false",
                "true, because this process is not root and the program needs root",
            )
        return
    # A preview never dials: it needs no key, on a reviewer's machine or in a pull request.
    if not pulumi.runtime.is_dry_run():
        yield from _check_agent(host)


def _check_agent(host: Host) -> Iterator[Fault]:
    path = os.environ.get("SSH_AUTH_SOCK", "")
    where = "environment variable SSH_AUTH_SOCK"
    if not path and host.private_key is None:
        yield Fault(
            where,
            "nothing",
            "the socket of an SSH agent (ssh-agent, ssh-add), because host.privateKey is not set either",
        )
    elif path and not _answers(path):
        # The command provider fails on a dead socket even when it has a key of its own.
        yield Fault(where, f'"{path}", where no agent answers', "the socket of a running SSH agent, or no value")


def _answers(path: str) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as agent:
        agent.settimeout(_AGENT_TIMEOUT)
        try:
            agent.connect(path)
        except OSError:
            return False
    return True


def attached_networks() -> list[IPv4Network]:
    """The IPv4 networks this machine is attached to, without those of Docker.

    None where that can't be read.
    """
    try:
        lines = _ROUTES.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    networks = []
    for line in lines:
        interface, destination, gateway, *_, mask = line.split()[:8]
        network = IPv4Network((_address(destination), _address(mask)), strict=False)
        if int(gateway, 16) == 0 and network.prefixlen and not _DOCKER_INTERFACE.fullmatch(interface):
            networks.append(network)
    return networks


def _address(hexadecimal: str) -> str:
    """An address as the kernel prints it: a number in the machine's byte order."""
    return str(ipaddress.IPv4Address(struct.pack("=I", int(hexadecimal, 16))))
