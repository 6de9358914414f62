"""Where serving is measured: a host with this program's registry on it, and another from which the load comes."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.stage import cleared
from tests.lab import gotools
from tests.lab.clients import CA_FILE, Client
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.paths import ROOT
from tests.lab.stack import LabStack, Secret, default_config

FILES = Path(__file__).parent
FOLDER = "/root/bench"
"""On both hosts: what the benchmark puts there."""

CERTIFICATES = f"{FOLDER}/certificates"
"""On the client: the folder of the authority that skopeo trusts."""

FQDN = "serving.example.net"
QUICK, SLOW = "alice", "bob"
"""An account with the hash that is the default, and one whose hash is slow."""

COST = 10

# The order in which Docker's clients offer them (Go's, where the processor has AES). curl's own begins with AES-256;
# nginx follows the client and the registry doesn't, so that the two would encrypt differently.
CIPHERS = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"


@dataclass(frozen=True)
class Place:
    """What the loads and the contenders need to know."""

    host: LabHost
    client: LabHost
    passwords: Mapping[str, str] = field(repr=False)


def lab_name() -> str:
    """The benchmark has a lab of its own, and removes it."""
    return f"{default_name()}-bench-serving"


@contextmanager
def place(name: str = "", program: Path = ROOT, settings: Mapping[str, Any] | None = None) -> Iterator[Place]:
    """A place that is gone afterwards, whatever happens: a lab with a registry that the program of a folder made.

    `settings` are more than what every registry here has.
    """
    name = name or lab_name()
    with cleared(name):
        yield _made(name, program, settings or {})


def _made(name: str, program: Path, settings: Mapping[str, Any]) -> Place:
    lab = Lab.open(name)
    start_hub(lab)
    host = LabHost.start("registry", aliases=[FQDN], lab=lab)
    passwords = new_passwords()
    with step("bench: up"):
        authority = deployed(LabStack(name, host, program), host, FQDN, passwords, settings)
    return Place(host, load_client(lab, {FQDN: authority}, passwords), passwords)


def new_passwords() -> dict[str, str]:
    """Those of all accounts."""
    return {name: secrets.token_hex(16) for name in (QUICK, SLOW)}


def deployed(
    stack: LabStack, host: LabHost, fqdn: str, passwords: Mapping[str, str], settings: Mapping[str, Any]
) -> str:
    """The authority of the registry that `up` made."""
    stack.init()
    users = [
        {"name": QUICK, "password": Secret(passwords[QUICK])},
        {"name": SLOW, "password": Secret(passwords[SLOW]), "scheme": "bcrypt"},
    ]
    stack.configure(default_config(host, fqdn) | {"users": users, "htpasswd": {"bcryptCost": COST}, **settings})
    stack.up()
    return str(stack.outputs()["certificateAuthority"])


def load_client(lab: Lab, authorities: Mapping[str, str], passwords: Mapping[str, str]) -> LabHost:
    """A host from which the load comes: a client of the registries of these names, by their authorities."""
    client = LabHost.start("client", "client", lab=lab)
    with step("bench: the load's tools"):
        _equip(client, authorities, passwords)
    return client


def _equip(client: LabHost, authorities: Mapping[str, str], passwords: Mapping[str, str]) -> None:
    client.run(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends wrk",
        timeout=300,
    )
    for fqdn, authority in authorities.items():
        user = Client(client, fqdn)
        user.trust(authority)
        user.login(QUICK, passwords[QUICK])
    docker("cp", str(gotools.build("crane")), f"{client.container}:/usr/local/bin/crane")
    client.put_file(f"{CERTIFICATES}/ca.crt", "".join(authorities.values()))
    for path in sorted((FILES / "client").iterdir()):
        client.put_file(f"{FOLDER}/{path.name}", path.read_text(), 0o755)
    # Secrets are read from files: a command line can be seen by all.
    client.put_file(f"{FOLDER}/nobody.curl", _curl(""), 0o600)
    for name, password in passwords.items():
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        client.put_file(f"{FOLDER}/{name}.header", f"Basic {basic}\n", 0o600)
        client.put_file(f"{FOLDER}/{name}.curl", _curl(basic), 0o600)


def _curl(basic: str) -> str:
    asked = f'header = "Authorization: Basic {basic}"\n' if basic else ""
    return f'silent\nshow-error\nfail\nhttp1.1\ncacert = "{CA_FILE}"\ntls13-ciphers = "{CIPHERS}"\n{asked}'


def put_logins(spot: Place, authorities: Iterable[str]) -> None:
    """Let skopeo and crane log in at each of them (`NAME` or `NAME:PORT`)."""
    basic = base64.b64encode(f"{QUICK}:{spot.passwords[QUICK]}".encode()).decode()
    logins = {authority: {"auth": basic} for authority in authorities}
    # One is skopeo's, the other crane's.
    for path in (f"{FOLDER}/logins.json", "/root/.docker/config.json"):
        spot.client.put_file(path, json.dumps({"auths": logins}), 0o600)
