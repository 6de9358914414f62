"""What each container may use of the host."""

from __future__ import annotations

from pydantic import Field

from config.base import Concern, Megabytes, Processes


class Limits(Concern):
    """What each container may use of the host. A change is applied to the running containers."""

    nginx_memory: Megabytes = Field(default=1024, examples=[1024])
    """Memory of the proxy in MiB, 128 to 1048576, without swap. What exceeds it is killed, and starts again."""

    nginx_processes: Processes = Field(default=256, examples=[256])
    """Processes and threads of the proxy, 64 to 32768: one for each processor, and the health check's."""

    registry_memory: Megabytes = Field(default=2048, examples=[2048])
    """Memory of the registry in MiB, 128 to 1048576, without swap."""

    registry_processes: Processes = Field(default=2048, examples=[2048])
    """Processes and threads of the registry, 64 to 32768: one for each access to the disk that waits."""

    ui_memory: Megabytes = Field(default=256, examples=[256])
    """Memory of the user interface in MiB, 128 to 1048576, without swap."""

    ui_processes: Processes = Field(default=256, examples=[256])
    """Processes and threads of the user interface, 64 to 32768."""
