"""The network in which the containers find each other, and the rules that keep others out of it."""

from __future__ import annotations

from registryctl.guard import is_guarded
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here

_SUBNET = "{{range .IPAM.Config}}{{.Subnet}}{{end}}"


def look(here: Here) -> Finding:
    """Whether it is there and guarded."""
    machine, network = here.machine, here.site.network
    state, level, detail = "ok", OK, ""
    subnet = machine.answer("docker", "network", "inspect", "--format", _SUBNET, network)
    if subnet is None:
        state, level, detail = "missing", BROKEN, "there is no such network, or Docker does not answer"
    elif not is_guarded(machine, subnet):
        state, level = "unguarded", WARNING
        detail = "others may send to the containers: systemctl restart docker-registry-network"
    line = f"network {network}: {state}" + (f", {subnet}" if subnet else "") + (f"; {detail}" if detail else "")
    return Finding(level, line, {"name": network, "state": state, "subnet": subnet or "", "detail": detail})
