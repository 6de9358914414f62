"""docker, podman and skopeo, which push and pull without pause and know the same registry by several names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.host import LabHost

_MAKE = "rm -rf {home} && mkdir -p {home}/files && head -c 1500000 /dev/urandom >{home}/files/content && "
_MAKE += "tar c -C {home}/files content >{home}/tar && "
_BY_DIGESTFILE = "cat {home}/digest"

PUSHES = {
    "docker": (
        _MAKE + "docker import {home}/tar {name}",
        "docker tag {name} {host}/{name} && docker push -q {host}/{name}",
        "docker inspect --format '{{{{index .RepoDigests 0}}}}' {host}/{name} | cut -d@ -f2",
    ),
    "podman": (
        _MAKE + "podman import -q {home}/tar localhost/{name}",
        "podman push -q --digestfile {home}/digest localhost/{name} docker://{host}/{name}",
        _BY_DIGESTFILE,
    ),
    "skopeo": (
        _MAKE + "docker import {home}/tar {name}",
        "skopeo --insecure-policy copy -q --digestfile {home}/digest docker-daemon:{name} docker://{host}/{name}",
        _BY_DIGESTFILE,
    ),
}
"""Tool → how an image is made that nobody has, how it is pushed, and what says its digest."""

PULLS = {
    "docker": "docker rmi -f {host}/{name}; docker pull -q {host}/{name}",
    "podman": "podman rmi -f {host}/{name}; podman pull -q {host}/{name}",
    "skopeo": "rm -rf {home}/pulled; skopeo --insecure-policy copy -q docker://{host}/{name} dir:{home}/pulled",
}
_SECONDS = 60


@dataclass
class Load:
    """Each tool by a thread of its own. What fails at one name is tried at the next, and so once more."""

    client: LabHost
    names: tuple[str, ...]
    """Of the registry."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """`repository:tag` → digest of what was pushed."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PUSHES, 0))
    """How many images each tool pushed, and pulled one after it."""

    second: list[str] = field(default_factory=list)
    """What came only by another name than the first that was tried."""

    failed: list[str] = field(default_factory=list)
    """What came by none."""

    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Meanwhile, until all have done what they are at."""
        threads = [threading.Thread(target=self._work, args=[tool]) for tool in PUSHES]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _work(self, tool: str) -> None:
        home = f"/root/load-{tool}"
        make, push, digest = PUSHES[tool]
        while not self._ended.is_set():
            number = self.counts[tool]
            order = self.names[number % len(self.names) :] + self.names[: number % len(self.names)]
            mine = {"home": home, "name": f"load/{tool}:{number}"}
            self.client.run(make.format(**mine))
            host = self._try(push, order, mine)
            if host:
                self.acknowledged[mine["name"]] = self.client.run(digest.format(**mine, host=host)).stdout.strip()
            if self.acknowledged:
                pushed = list(self.acknowledged)
                self._try(PULLS[tool], order[::-1], {**mine, "name": pushed[number * 7 % len(pushed)]})
            self.counts[tool] = number + 1

    def _try(self, command: str, order: tuple[str, ...], mine: dict[str, str]) -> str:
        """The name by which it succeeded, "" if by none."""
        said = []
        for number, host in enumerate(order * 2):
            asked = command.format(**mine, host=host)
            done = self.client.run(["timeout", str(_SECONDS), "sh", "-c", asked], check=False)
            if done.returncode == 0:
                self.second += [asked] if number else []
                return host
            said.append(f"{asked}: {done.returncode} {done.stderr.strip()[-300:]}")
        self.failed.append("; ".join(said))
        return ""
