"""What each container may use of the host."""

from __future__ import annotations

from pydantic import Field

from config.base import Concern, Mebibytes, Processes


class Limits(Concern):
    """What each container may use of the host. A change is applied to the running containers."""

    nginx_memory: Mebibytes = Field(default=1024, examples=[1024])
    """Memory of the proxy in MiB, without swap. What exceeds it is killed, and starts again. The files that it hands
    out stay in memory within this bound only; beyond it they are read from the disk each time."""

    nginx_processes: Processes = Field(default=256, examples=[256])
    """Processes and threads of the proxy: one for each processor, three for passwords, and the health
    check's."""

    registry_memory: Mebibytes = Field(default=2048, examples=[2048])
    """Memory of the registry in MiB, without swap."""

    registry_processes: Processes = Field(default=2048, examples=[2048])
    """Processes and threads of the registry: one for each access to the disk that waits."""

    mirror_memory: Mebibytes = Field(default=1024, examples=[1024])
    """Memory of each mirror in MiB, without swap."""

    mirror_processes: Processes = Field(default=1024, examples=[1024])
    """Processes and threads of each mirror."""

    ui_memory: Mebibytes = Field(default=256, examples=[256])
    """Memory of the page in MiB, without swap."""

    ui_processes: Processes = Field(default=256, examples=[256])
    """Processes and threads of the page."""
