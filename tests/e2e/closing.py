"""Somebody who closes the barrier of a host, stays there, and can be killed at each step."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rendering.rootfs import TOOLS, TREE
from tests.e2e.clean_up import DATA, within
from tests.e2e.content import Api
from tests.e2e.support import Deployed, wait_until_healthy
from tests.lab.host import LabHost

SOCKETS = "/run/docker-registry/sockets"
WRITERS = f"{SOCKETS}/writers"
PACKAGE = f"{TOOLS}/registryctl"
_PROGRAM = "/var/tmp/closer.py"  # noqa: S108 - on a host of the lab
STEPS = ("turn", "announced", "drained", "closed")
SECONDS = 60

# It says where it is, and stays at one of its steps.
_SCRIPT = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {TOOLS!r})
from registryctl.barrier import HostBarrier

said, stay, reason = Path(sys.argv[1]), sys.argv[2], sys.argv[5]
drain, patience = map(float, sys.argv[3:5])
began = time.monotonic()

def at(step):
    said.write_text(f"{{step}} {{time.monotonic() - began:.3f}}")
    if step == stay:
        time.sleep(600)

class Staying(HostBarrier):
    def _announce(self):
        super()._announce()
        at("announced")

    def _await_lock(self, *words):
        super()._await_lock(*words)
        at("drained")

barrier = Staying(Path({DATA!r}), reason, drain=drain, patience=patience)
try:
    with barrier.turn():
        at("turn")
        with barrier.closed():
            at("closed")
except Exception as error:
    said.write_text(f"{{type(error).__name__}}: {{error}}")
else:
    said.write_text("opened")
"""


LATE = f"""
import json, pathlib, socket, sys, time
path = "{WRITERS}/" + sys.argv[1] + "/socket"
early = socket.socket(socket.AF_UNIX)
early.connect(path)
early.settimeout(10)
pathlib.Path("/run/late.connected").touch()
while not pathlib.Path("/run/late.go").exists():
    time.sleep(0.05)
try:
    early.sendall(b"POST /v2/hold/slow/blobs/uploads/ HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n")
    answer = early.recv(4096).decode()
except OSError as error:
    answer = type(error).__name__
try:
    socket.socket(socket.AF_UNIX).connect(path)
    late = "connected"
except OSError as error:
    late = type(error).__name__
pathlib.Path("/run/late.json.new").write_text(json.dumps([answer, late]))
pathlib.Path("/run/late.json.new").rename("/run/late.json")
"""
"""Connects to a writer in time and asks when it is too late, and then connects once more."""

IMAGES = ("registry:3.1.2", "registry:2.8.3")
"""Each generation of Distribution."""


def push(registry: Deployed, repository: str, *layers: bytes) -> str:
    """Pushes an image and pulls it again; its digest. Any refusal is a failure."""
    client = Api(registry)
    try:
        digest: str = client.image(repository, "1.0", *(layers or (os.urandom(1000),)))["digest"]
        assert client.pauses == []
        assert digest in client.pull(repository, "1.0")
    finally:
        client.close()
    return digest


def with_image(registry: Deployed, image: str) -> Deployed:
    """The registry, once it runs this image."""
    registry.stack.configure({**registry.settings, "images": {"registry": image}})
    registry.stack.up()
    wait_until_healthy(registry.host)
    return registry


@dataclass(frozen=True)
class Closer:
    """A process on the host, in a unit of its own."""

    host: LabHost
    name: str

    @property
    def said(self) -> str:
        """Where it is, or what kept it from going on."""
        return self.host.run(["cat", f"/run/{self.name}.said"], check=False).stdout

    @property
    def seconds(self) -> float:
        """How long it took until there."""
        return float(self.said.split()[1])

    def wait_for(self, said: str) -> None:
        """Until it says that."""
        assert within(SECONDS, lambda: self.said.startswith(said)), self.said

    def kill(self) -> None:
        """Without any chance to put something in order."""
        self.host.run(f"systemctl kill --signal=KILL {self.name}; systemctl reset-failed {self.name}", check=False)


def close(
    host: LabHost, *, stay: str = "closed", drain: float = 4, patience: float = 30, name: str = "closer"
) -> Closer:
    """Somebody goes as far as to this step, and stays there until it is killed."""
    if host.run(["test", "-e", f"{PACKAGE}/barrier.py"], check=False).returncode:
        for file in (TREE / PACKAGE.lstrip("/")).glob("*.py"):
            host.put_file(f"{PACKAGE}/{file.name}", file.read_text())
    # Where no test compares what is on the host.
    host.put_file(_PROGRAM, _SCRIPT)
    closer = Closer(host, name)
    host.run(f"systemctl reset-failed {name}; rm -f /run/{name}.said", check=False)
    words = [f"/run/{name}.said", stay, str(drain), str(patience), f"a test called {name}"]
    host.run(["systemd-run", "--quiet", "--collect", f"--unit={name}", "python3", "-IB", _PROGRAM, *words])
    return closer


@contextmanager
def closed(host: LabHost) -> Iterator[Closer]:
    """The barrier is closed meanwhile, and nothing is written in the registry's storage."""
    closer = close(host)
    try:
        closer.wait_for("closed")
        before = written(host)
        yield closer
        assert written(host) == before
    finally:
        closer.kill()


def written(host: LabHost) -> str:
    """All files of the storage, with their sizes and times."""
    return host.run(f"find {DATA} -type f -printf '%p %s %T@\\n' | sort", private=True).stdout


def generation(host: LabHost) -> str:
    """That of the writer which takes writes now; nothing where there is none."""
    return host.run(["cat", f"{WRITERS}/current"], check=False).stdout.strip()


def writers(host: LabHost) -> list[int]:
    """The processes of the registry that write, by their numbers on the host."""
    return [int(line) for line in host.run("pgrep -f '^registry serve .*/config.yml'", check=False).stdout.split()]


def wait_for_writer(host: LabHost, seconds: float = SECONDS) -> str:
    """Until writes can go on; the generation."""
    end = time.monotonic() + seconds
    while not (found := generation(host)):
        assert time.monotonic() < end, "no writer"
        time.sleep(0.1)
    return found
