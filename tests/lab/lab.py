"""One lab: a Docker network with its own subnet, a hub, and hosts, all named after the lab."""

import hashlib
import ipaddress
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab.docker import docker, inspect
from tests.lab.locks import locked
from tests.lab.paths import ROOT, run_dir
from tests.lab.run import LabError, run

NETWORKS = ipaddress.IPv4Network("100.127.0.0/18")
"""Lab networks are the /24 in here, apart from the first, which the lab's Docker daemon has."""

LABEL = "docker-registry-lab"
"""Label on every container, network and volume of a lab; its value is the lab's name."""

IP_LABEL = "docker-registry-lab.ip"


def default_name() -> str:
    """The name of this checkout's lab: no other checkout has the same."""
    return "lab-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]


def names_of_checkout() -> list[str]:
    """The labs that this checkout has now."""
    mine = f"label={LABEL}.checkout={ROOT}"
    return sorted(docker("network", "ls", "--filter", mine, "--format", "{{.Name}}").stdout.split())


@dataclass(frozen=True)
class Lab:
    """A lab that exists. Get one with `Lab.open`."""

    name: str
    subnet: ipaddress.IPv4Network

    @classmethod
    def open(cls, name: str | None = None) -> "Lab":
        """The lab `name` (default: this checkout's own); its network is made on a free subnet if need be.

        Raises LabError when another checkout has a lab of that name.
        """
        name = name or default_name()
        found = cls.find(name)
        if found is None:
            with locked("networks"):
                if inspect("network", name) is None:
                    _create_network(name)
            found = cls.find(name)
        if found is None:
            raise LabError(f"the network {name} vanished while it was being made")
        return found

    @classmethod
    def find(cls, name: str | None = None) -> "Lab | None":
        """The lab `name` if there is one. Raises LabError when it is another checkout's."""
        name = name or default_name()
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise LabError(f"a lab's name is made of a-z, 0-9 and '-', at most 31 of them: not {name!r}")
        found = inspect("network", name)
        if found is None:
            return None
        owner = (found.get("Labels") or {}).get(f"{LABEL}.checkout")
        if owner != str(ROOT):
            raise LabError(f"the name {name!r} is taken by {owner or 'a network that is no lab'}: use another one")
        return cls(name, ipaddress.IPv4Network(found["IPAM"]["Config"][0]["Subnet"]))

    @property
    def folder(self) -> Path:
        """This lab's keys and files."""
        return run_dir("labs", self.name)

    @property
    def private_key(self) -> Path:
        """The client key that every host of this lab lets in, made at the first use."""
        path = self.folder / "id_ed25519"
        with locked(f"lab-{self.name}-key"):
            if not path.exists():
                temporary = path.with_suffix(".new")
                for leftover in (temporary, temporary.with_suffix(".new.pub")):
                    leftover.unlink(missing_ok=True)
                run(
                    ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{self.name} lab", "-f", str(temporary)],
                    log="ssh",
                )
                temporary.with_name(temporary.name + ".pub").rename(path.with_suffix(".pub"))
                temporary.rename(path)
        return path

    @property
    def public_key(self) -> str:
        """The public half of `private_key`, one line."""
        return self.private_key.with_suffix(".pub").read_text().strip()

    def labels(self) -> list[str]:
        """The arguments that mark a Docker object as this lab's."""
        return ["--label", f"{LABEL}={self.name}", "--label", f"{LABEL}.checkout={ROOT}"]

    def containers(self) -> list[str]:
        """The names of this lab's containers, running or not."""
        done = docker("ps", "-a", "--filter", f"label={LABEL}={self.name}", "--format", "{{.Names}}")
        return sorted(done.stdout.split())

    def free_address(self) -> str:
        """An address no container of this lab has, so that a host keeps its own over a reboot.

        Call it, and create the container, while holding the lab's "addresses" lock.
        """
        form = f'{{{{.Label "{IP_LABEL}"}}}}'
        used = set(docker("ps", "-a", "--filter", f"label={LABEL}={self.name}", "--format", form).stdout.split())
        for number in range(10, 250):
            address = str(self.subnet[number])
            if address not in used:
                return address
        raise LabError(f"lab {self.name} has no free address left")

    def remove(self) -> None:
        """Remove all containers, volumes and the network of this lab, and its folder."""
        names = self.containers()
        if names:
            docker("rm", "--force", "--volumes", *names)
        mine = f"label={LABEL}={self.name}"
        volumes = docker("volume", "ls", "-q", "--filter", mine).stdout.split()
        if volumes:
            docker("volume", "rm", "--force", *volumes)
        docker("network", "rm", self.name)
        shutil.rmtree(self.folder)


def _create_network(name: str) -> None:
    used = [ipaddress.IPv4Network("100.127.0.0/24"), *_docker_subnets(), *_routes()]
    for candidate in list(NETWORKS.subnets(new_prefix=24))[1:]:
        if not any(candidate.overlaps(other) for other in used):
            labels = ["--label", f"{LABEL}={name}", "--label", f"{LABEL}.checkout={ROOT}"]
            docker("network", "create", "--subnet", str(candidate), *labels, name)
            return
    raise LabError(f"no free /24 is left in {NETWORKS} for a lab's network: remove a lab")


def _docker_subnets() -> list[ipaddress.IPv4Network]:
    ids = docker("network", "ls", "-q").stdout.split()
    found = json.loads(docker("network", "inspect", *ids).stdout) if ids else []
    subnets = [config.get("Subnet", "") for net in found for config in net["IPAM"]["Config"] or []]
    return [ipaddress.IPv4Network(subnet) for subnet in subnets if ":" not in subnet and subnet]


def _routes() -> list[ipaddress.IPv4Network]:
    lines = Path("/proc/net/route").read_text().splitlines()[1:]
    routes = []
    for line in lines:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[index]), "little") for index in (1, 7))
        if mask:
            routes.append(ipaddress.IPv4Network((address, bin(mask).count("1"))))
    return routes
