"""Loads from the client, one at a time, and what they cost the host."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.contenders.serving.figures import MEGABYTE, Moved, cpu_seconds, group_file, is_unified, moved
from bench.contenders.serving.place import CERTIFICATES, FILES, FOLDER, Place
from bench.contenders.serving.servers import Server
from tests.lab.host import LabHost

PUSHED = "bench/push"
SAMPLING = "/run/bench-sampling"
MEMORY_SCRIPT = f"{FOLDER}/memory.sh"
_SETTLED_SECONDS = 2


@dataclass(frozen=True)
class File:
    """A file on the client that is pushed as a blob."""

    path: str
    size: int
    digest: str


def make_file(client: LabHost, name: str, size: int) -> File:
    """A file of random bytes."""
    path = f"/tmp/{name}"  # noqa: S108 - a file system in memory, of a host that is the benchmark's alone
    client.run(f"head -c {size} /dev/urandom >{path}")
    return File(path, size, "sha256:" + client.run(["sha256sum", path]).stdout.split()[0])


class Load:
    """Asks for images, and puts some there."""

    def __init__(self, spot: Place) -> None:
        self._client = spot.client
        self._host = spot.host
        spot.host.put_file(MEMORY_SCRIPT, (FILES / "host/memory.sh").read_text(), 0o755)

    def list_paths(self, name: str, paths: Sequence[str]) -> None:
        """Make a list of paths known for `get`."""
        self._client.put_file(f"{FOLDER}/{name}.paths", "\n".join(paths) + "\n")

    def get(self, server: Server, paths: str, connections: int, seconds: int) -> Moved:
        """Ask for the paths of a list over connections that stay, for some seconds. A refusal is a LabError."""
        account = [f"{FOLDER}/{server.account}.header"] if server.account else []
        script = ["--script", f"{FOLDER}/load.lua", server.address, "--", f"{FOLDER}/{paths}.paths", *account]
        threads = min(2, connections)
        size = ["--threads", str(threads), "--connections", str(connections), "--duration", f"{seconds}s"]
        return moved(self._client.run(["wrk", *size, "--timeout", "60s", *script], timeout=seconds + 90).stdout)

    def push(self, server: Server, file: File, clients: int, repository: str = PUSHED) -> float:
        """Upload a file from so many clients at once; megabytes a second."""
        argv = [f"{FOLDER}/push.sh", f"{FOLDER}/{server.account or 'nobody'}.curl", server.address, repository]
        done = self._client.run([*argv, str(clients), file.path, file.digest], timeout=300)
        return file.size * clients / MEGABYTE / (int(done.stdout) / 1e9)

    def pull(self, server: Server, image: str, clients: int) -> float:
        """Pull an image from so many clients at once; seconds."""
        name = f"{server.authority}/{image}"
        argv = [f"{FOLDER}/pull.sh", CERTIFICATES, f"{FOLDER}/logins.json", name, str(clients)]
        return int(self._client.run(argv, timeout=300).stdout) / 1e9

    def image(self, server: Server, name: str, layers: int, least: int, step: int) -> float:
        """Push an image of so many layers, from `least` bytes on, each `step` larger than the one before; seconds."""
        argv = [f"{FOLDER}/layers.sh", f"{server.authority}/{name}", str(layers), str(least), str(step)]
        return int(self._client.run(argv, timeout=300).stdout) / 1e9

    def blobs(self, server: Server, repository: str) -> list[str]:
        """The digests of an image's layers; its tag is 1."""
        manifest = json.loads(self.get_once(server, f"/v2/{repository}/manifests/1"))
        return [layer["digest"] for layer in manifest["layers"]]

    def get_once(self, server: Server, path: str) -> str:
        """One answer as a text. A refusal is a CommandError."""
        account = server.account or "nobody"
        return self._client.run(["curl", "-K", f"{FOLDER}/{account}.curl", f"{server.address}{path}"]).stdout

    def cpu(self, server: Server) -> float:
        """The CPU seconds that a server's containers have had so far."""
        files = []
        for membership in self._memberships(server):
            name = "cpu.stat" if is_unified(membership) else "cpuacct.usage"
            files.append(group_file(membership, "cpuacct", name))
        return cpu_seconds(self._host.get_file(path) for path in files)

    def memory(self, server: Server, work: Callable[[], object]) -> tuple[float, float]:
        """Megabytes that a server's containers have, started anew, at rest and at most while `work` is done."""
        self._host.run(["docker", "restart", *server.containers])
        self._host.run(["sleep", str(_SETTLED_SECONDS)])
        files = [group_file(membership, "memory", "memory.stat") for membership in self._memberships(server)]
        sampling = [MEMORY_SCRIPT, SAMPLING, *files]
        rest = int(self._host.run(sampling).stdout)
        self._host.run(["touch", SAMPLING])
        with ThreadPoolExecutor(max_workers=1) as pool:
            peak = pool.submit(self._host.run, sampling)
            try:
                work()
            finally:
                self._host.run(["rm", "-f", SAMPLING])
        return rest / MEGABYTE, int(peak.result().stdout) / MEGABYTE

    def _memberships(self, server: Server) -> list[str]:
        argv = ["docker", "container", "inspect", "--format", "{{.State.Pid}}", *server.containers]
        return [self._host.get_file(f"/proc/{pid}/cgroup") for pid in self._host.run(argv).stdout.split()]
