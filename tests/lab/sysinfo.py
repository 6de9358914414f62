"""What this machine lets a container do, and which name servers it asks."""

from functools import cache
from pathlib import Path

_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITIES = _NAMES.split()
"""Capability names in the order of their bits."""


@cache
def container_rights() -> list[str]:
    """The `docker create` arguments under which systemd and a Docker daemon run in a container here.

    That is `--privileged`, or its parts without the capabilities that this machine itself lacks.
    """
    status = Path("/proc/1/status").read_text()
    bounding = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd"))
    absent = [name for bit, name in enumerate(CAPABILITIES) if not bounding >> bit & 1]
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        groups = ["--cgroupns=private"]
        if absent:
            groups = ["--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    else:
        groups = ["--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    if not absent:
        return ["--privileged", *groups]
    dropped = [word for name in absent for word in ("--cap-drop", name)]
    return [
        *("--cap-add", "ALL", *dropped),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
        *("--security-opt", "systempaths=unconfined"),
        *("--device-cgroup-rule", "a *:* rwm"),
        *groups,
    ]


def name_servers() -> list[str]:
    """The name servers of this machine, for containers inside a host (which can't ask the host's own)."""
    servers = []
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and not words[1].startswith("127."):
            servers.append(words[1])
    return servers
