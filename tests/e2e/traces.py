"""What there is on a host: files and Docker's objects, to compare before and after."""

from dataclasses import dataclass

from tests.lab.host import LabHost

ROOTS = ("/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")
NOT_OURS = (
    "/root/.docker",
    "/var/cache",
    # The distribution's timers copy its packages' states there once a day.
    "/var/backups",
    "/var/lib/apt",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/systemd",
    "/var/log/journal",
    "/var/tmp",  # noqa: S108 - only named, to be left out
)
"""What the system and Docker write at any time."""

IN_FULL = ("/etc", "/usr/local")
"""Where contents count as well as names."""


@dataclass(frozen=True)
class Traces:
    """Sets of names; `contents` are lines `DIGEST  PATH` of the files in IN_FULL."""

    paths: frozenset[str]
    contents: frozenset[str]
    containers: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    images: frozenset[str]


def traces(host: LabHost) -> Traces:
    """What there is on `host` now. Directories' names end in `/`."""
    prune = " -o ".join(f"-path {path}" for path in NOT_OURS)
    find = f"find {' '.join(ROOTS)} -xdev \\( {prune} \\) -prune -o"
    sums = f"find {' '.join(IN_FULL)} -xdev -type f -exec sha256sum {{}} +"
    return Traces(
        paths=_lines(host, f"{find} -type d -printf '%p/\\n' -o ! -type d -printf '%p\\n'"),
        contents=_lines(host, sums),
        containers=_docker(host, "ps -a", "{{.Names}}"),
        networks=_docker(host, "network ls", "{{.Name}}"),
        volumes=_docker(host, "volume ls", "{{.Name}}"),
        images=_docker(host, "image ls", "{{.Repository}}"),
    )


def _docker(host: LabHost, command: str, form: str) -> frozenset[str]:
    # A blank host has no docker.
    return _lines(host, f"command -v docker >/dev/null || exit 0; docker {command} --format '{form}'")


def _lines(host: LabHost, command: str) -> frozenset[str]:
    return frozenset(host.run(command, private=True).stdout.splitlines())
