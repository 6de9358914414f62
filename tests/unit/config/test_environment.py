"""The machine on which the program runs is checked together with the settings."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from config import environment
from tests.unit.config import pki
from tests.unit.config.stack import GOOD, faults_in, with_changes

LOCAL = {**GOOD, "host": {"address": "local"}}


def test_docker_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    expected = (
        'environment variable DOCKER_CONTEXT: found "other"; expected it to be unset, '
        "because it would override the stack's own host; run unset DOCKER_CONTEXT"
    )
    assert faults_in(GOOD) == [expected]
    assert expected in faults_in({})


def test_no_agent_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert faults_in(GOOD) == [
        "environment variable SSH_AUTH_SOCK: found nothing; expected the socket of an SSH agent "
        "(ssh-agent, ssh-add), because host.privateKey is not set either"
    ]
    assert faults_in(with_changes({"host": {"privateKey": pki.ssh_key()}})) == []
    assert faults_in(LOCAL) == []


def test_dead_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dead = tmp_path / "agent"
    dead.touch()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(dead))
    line = (
        f'environment variable SSH_AUTH_SOCK: found "{dead}", where no agent answers; '
        "expected the socket of a running SSH agent, or no value"
    )
    assert faults_in(GOOD) == [line]
    assert faults_in(with_changes({"host": {"privateKey": pki.ssh_key()}})) == [line]
    assert faults_in(LOCAL) == []


def test_local_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert faults_in(LOCAL) == [
        "docker-registry:host.sudo: found false; "
        "expected true, because this process is not root and the program needs root"
    ]
    assert faults_in({**GOOD, "host": {"address": "local", "sudo": True}}) == []


def test_local_network_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.settings.attached_networks", lambda: [IPv4Network("100.127.0.0/16")])
    assert faults_in(LOCAL) == [
        'docker-registry:network.subnet: found "100.127.255.0/24"; '
        "expected a network other than 100.127.0.0/16, to which this machine is attached"
    ]
    assert faults_in(GOOD) == [], "the networks of this machine say nothing about another"


def test_attached_networks_are_those_of_the_kernel_without_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def route(interface: str, network: str, gateway: str = "0.0.0.0") -> str:
        def number(address: str) -> str:
            return f"{int.from_bytes(bytes(map(int, address.split('.'))), sys.byteorder):08X}"

        net = IPv4Network(network)
        fields = [interface, number(str(net.network_address)), number(gateway), "0001", "0", "0", "0"]
        return "\t".join([*fields, number(str(net.netmask)), "0", "0", "0"])

    routes = tmp_path / "route"
    routes.write_text(
        "\n".join(
            [
                "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT",
                route("eth0", "0.0.0.0/0", "192.0.2.1"),
                route("eth0", "192.0.2.0/24"),
                route("eth0", "198.51.100.0/24", "192.0.2.9"),
                route("docker0", "172.17.0.0/16"),
                route("br-0123456789ab", "100.127.255.0/24"),
                route("br-lan", "203.0.113.0/25"),
            ]
        )
        + "\n"
    )
    monkeypatch.setattr(environment, "_ROUTES", routes)
    assert environment.attached_networks() == [IPv4Network("192.0.2.0/24"), IPv4Network("203.0.113.0/25")]


def test_a_machine_without_routes_to_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_ROUTES", tmp_path / "absent")
    assert environment.attached_networks() == []
