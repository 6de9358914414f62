"""The bridge network in which the containers find each other by name."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.adoption import Adoption
from components.host import STACK_LABEL, Host
from config.network import Network as NetworkSettings


@dataclass(frozen=True)
class NetworkArgs:
    """The network's name and its subnet."""

    settings: NetworkSettings


class Network(pulumi.ComponentResource):
    """A bridge network with a subnet of its own. A changed name or subnet replaces it, and its containers with it."""

    name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: NetworkArgs,
        host: Host,
        adoption: Adoption,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:network:Network", name, None, opts)
        bridge = docker.Network(
            f"{name}-bridge",
            name=args.settings.name,
            driver="bridge",
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(args.settings.subnet))],
            labels=[docker.NetworkLabelArgs(label=STACK_LABEL, value=host.stack)],
            # The old one first, and its containers before it: two networks can't have the same subnet.
            opts=pulumi.ResourceOptions.merge(
                host.docker_options(self, after=[adoption.done]),
                pulumi.ResourceOptions(delete_before_replace=True),
            ),
        )
        self.name = bridge.name
        self.register_outputs({"name": bridge.name})
