"""The bridge network in which the containers find each other by name."""

import pulumi
import pulumi_docker as docker

from components.adoption import Adoption
from components.connection import Command
from components.host import STACK_LABEL, Host
from components.unit import enabled_unit
from config.network import Network as NetworkSettings
from rendering.rootfs import render

_UNIT = "docker-registry-network.service"


class Network(pulumi.ComponentResource):
    """A bridge network with a subnet of its own, into which nobody but the host and its containers sends.

    A changed name or subnet replaces it, and its containers with it.
    """

    name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: NetworkSettings,
        host: Host,
        adoption: Adoption,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:network:Network", name, None, opts)
        self._name = name
        guard = self._guard(host, str(settings.subnet))
        bridge = docker.Network(
            f"{name}-bridge",
            name=settings.name,
            driver="bridge",
            # Name the gateway: Docker reports one of its own choice only after a restart, a refresh would find a change
            # then, and the next up would replace the network.
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(settings.subnet), gateway=str(settings.subnet[1]))],
            labels=[docker.NetworkLabelArgs(label=STACK_LABEL, value=host.stack)],
            # Two networks can't have the same subnet: remove containers and old network before making the new one.
            opts=pulumi.ResourceOptions.merge(
                host.docker_options(self, after=[adoption.go_ahead, guard]),
                pulumi.ResourceOptions(delete_before_replace=True),
            ),
        )
        self.name = bridge.name
        self.register_outputs({"name": bridge.name})

    def _guard(self, host: Host, subnet: str) -> Command:
        """The host's rule against packets that are sent straight to the network: from now on, and from each boot."""
        file = render(f"/etc/systemd/system/{_UNIT}", subnet=subnet)
        return enabled_unit(f"{self._name}-guard", file, host, pulumi.ResourceOptions(parent=self))
