"""What a host does for the others that have the same bucket of an object store."""

from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import Host
from components.unit import enabled_unit
from rendering.rootfs import fingerprint, render
from rendering.tools import found_tools

_UNIT = "docker-registry-barrier.service"


class Hosts(pulumi.ComponentResource):
    """Service `docker-registry-barrier`, by which hosts with one bucket make room for each other.

    Whether any of them cleans up is its own stack's affair. `units` are those that run.
    """

    units: Sequence[Command] = ()

    def __init__(self, name: str, host: Host, facts: Facts, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry:hosts:Hosts", name, None, opts)
        # What runs for long would go on as it was when the tools are others.
        tools = fingerprint("\0".join(tool.content for tool in found_tools()))
        file = render(f"/etc/systemd/system/{_UNIT}", tools=tools)
        under = pulumi.ResourceOptions(parent=self, depends_on=[facts.ready])
        self.units = [enabled_unit(f"{name}-barrier", file, host, under)]
        self.register_outputs({})
