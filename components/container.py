"""What every container of the stack has in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs
from components.host import STACK_LABEL, Host
from components.images import PulledImage
from components.network import Network
from rendering.rootfs import TOOLS

CONFIG_LABEL = "docker-registry.config"

GRACE_SECONDS = 30
"""How long a container may finish its requests when it is stopped."""

# The provider accepts a change of these but doesn't apply it (pulumi-docker 5.x). A refresh tells by mustRun that a
# container was stopped on the host.
_ACCEPTED_BUT_NOT_APPLIED = ["healthcheck", "tmpfs", "init", "mustRun"]


@dataclass(frozen=True)
class ContainerArgs:
    """One container. Its name is its alias on the network.

    `command` is run by the image's own entry point: with one of ours the provider would update, not replace, a
    container that had failed to start. `healthy` is a shell command inside it. `config` changes when files change that
    it reads only at its start: that replaces it. `capabilities` are the few it keeps, all others are dropped. `sysctls`
    are settings of the kernel for its network alone.
    `memory` is in MiB, without swap; `processes` counts threads too. Its health depends on `needs`; if they failed,
    don't wait for it.
    """

    name: str
    image: PulledImage
    healthy: str
    memory: int
    processes: int
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    ports: Sequence[docker.ContainerPortArgs] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = True
    stop_signal: str = "SIGTERM"
    config: pulumi.Input[str] = ""
    needs: Sequence[Command] = ()


@dataclass(frozen=True)
class Service:
    """A container that runs. `ready`: it is healthy."""

    container: docker.Container
    ready: Command


def service(name: str, args: ContainerArgs, host: Host, network: Network, opts: pulumi.ResourceOptions) -> Service:
    """A container that starts at boot and stops gracefully.

    All changes but those of limits and restart policy replace it: the old one is stopped first, and the data,
    which lies in volumes and on the host, stays.
    """
    made = docker.Container(
        name,
        name=args.name,
        image=args.image.id,
        command=list(args.command) or None,
        envs=sorted(f"{key}={value}" for key, value in {"TZ": host.time_zone, **args.environment}.items()),
        networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[args.name])],
        ports=list(args.ports),
        volumes=list(args.volumes),
        tmpfs=dict(args.tmpfs) or None,
        sysctls=dict(args.sysctls) or None,
        read_only=args.read_only,
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=sorted(args.capabilities)),
        security_opts=["no-new-privileges:true"],
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=["CMD-SHELL", args.healthy], interval="5s", timeout="5s", retries=3, start_period="30s"
        ),
        labels=[
            docker.ContainerLabelArgs(label=CONFIG_LABEL, value=args.config),
            docker.ContainerLabelArgs(label=STACK_LABEL, value=host.stack),
        ],
        # Set only one, and each refresh finds a difference.
        memory=args.memory,
        memory_swap=args.memory,
        log_driver="json-file",
        log_opts={"max-file": "3", "max-size": "10m"},
        restart="unless-stopped",
        must_run=True,
        stop_signal=args.stop_signal,
        stop_timeout=GRACE_SECONDS,
        destroy_grace_seconds=GRACE_SECONDS,
        # The provider would wait for Docker's own first check, which comes late.
        wait=False,
        opts=pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions(replace_on_changes=_ACCEPTED_BUT_NOT_APPLIED, delete_before_replace=True),
            opts,
        ),
    )
    # The provider can't limit processes. Docker remembers the limit with the container.
    ready = host.command(
        f"{name}-ready",
        CommandArgs(create=pulumi.Output.concat(f"{TOOLS}/await-container {args.processes} ", made.id)),
        pulumi.ResourceOptions(parent=opts.parent, depends_on=[made, *args.needs]),
    )
    return Service(made, ready)


def bind(host_path: str, container_path: str, *, read_only: bool = True) -> docker.ContainerVolumeArgs:
    """A directory of the host in a container. Never a file: one that is replaced by a rename would stay the old one."""
    return docker.ContainerVolumeArgs(host_path=host_path, container_path=container_path, read_only=read_only)
