"""The clean-up of a host as tests see it: a run, what it said, and clients that are at work meanwhile."""

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.content import Api, Document, RefusedError
from tests.e2e.support import Deployed
from tests.lab.host import LabHost

UNIT = "docker-registry-gc"
DATA = "/var/opt/docker-registry/data"
STORAGE = f"{DATA}/docker/registry/v2"
RESULT = "/var/lib/docker-registry/gc"
"""What status knows of the last run."""
RUN_SECONDS = 180
LONGEST = 300
"""Seconds after which a client ends in any case."""


@dataclass(frozen=True)
class Run:
    """How `registry-gc` ended, and what it said."""

    code: int
    said: str


def clean_up(host: LabHost, *options: str) -> Run:
    """Runs `registry-gc` on the host to its end."""
    done = host.run(["registry-gc", *options], check=False, timeout=RUN_SECONDS)
    return Run(done.returncode, done.stdout + done.stderr)


def empty_trash(host: LabHost) -> None:
    """Nothing can be brought back any more; what only that held goes with the next clean-up."""
    host.run(["registryctl", "trash", "empty"])


def let_a_day_pass(host: LabHost) -> None:
    """For the proxy's journals, by which the clean-up knows what a push may still want to name."""
    day_before = r"""perl -i -pe 's/^(\d+) /($1 - 86400) . " "/e'"""
    host.run(f"{day_before} /run/docker-registry/sockets/writers/*/journal")


def journal(host: LabHost) -> str:
    """What the last runs said, the newest line last."""
    return host.run(f"journalctl --sync; journalctl --no-pager -n 20 -u {UNIT}").stdout


def held(host: LabHost) -> bool:
    """Whether writes are kept out now: somebody has the lock for itself alone."""
    return host.run(["flock", "-n", "-s", DATA, "true"], check=False).returncode == 1


def stored(host: LabHost, digest: str) -> bool:
    """Whether the content is in the storage."""
    kind, _, name = digest.partition(":")
    path = f"{STORAGE}/blobs/{kind}/{name[:2]}/{name}/data"
    return host.run(["test", "-e", path], check=False).returncode == 0


def arriving(host: LabHost, repository: str) -> bool:
    """Whether the registry has a part of an upload into this repository."""
    uploads = f"{STORAGE}/repositories/{repository}/_uploads"
    return host.run(f"find {uploads} -name data -size +0 | grep -q .", check=False).returncode == 0


@dataclass
class Kept:
    """Images of every kind that must never be harmed: repository and reference → all digests below it."""

    registry: Deployed
    images: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    @classmethod
    def push(cls, registry: Deployed, repository: str, size: int = 400_000) -> "Kept":
        """An image, two platforms, a nested index, a signature, a repository below; all share a layer of `size`."""
        api = Api(registry)
        kept = cls(registry)
        base = os.urandom(size)
        image = api.image(repository, "1.0", base, os.urandom(20_000))
        platforms = [api.image(repository, "", base, os.urandom(20_000)) for _ in range(2)]
        api.index(repository, "multi", platforms)
        inner = api.index(repository, "", [api.image(repository, "", base, os.urandom(5_000))])
        api.index(repository, "nested", [inner])
        tags = ["1.0", "multi", "nested", api.signature(repository, image)]
        api.image(f"{repository}/inner", "1.0", base)
        for where, tag in [*((repository, tag) for tag in tags), (f"{repository}/inner", "1.0")]:
            kept.images[where, tag] = api.pull(where, tag)
        api.close()
        return kept

    def check(self) -> None:
        """Pulls all of them whole."""
        api = Api(self.registry)
        for (repository, tag), digests in self.images.items():
            assert api.pull(repository, tag) == digests, (repository, tag)
        api.close()


class Worker:
    """A client in a thread of its own, which does one thing again and again until it is stopped."""

    def __init__(self, registry: Deployed) -> None:
        self.api = Api(registry)
        self.lasts = LONGEST
        """Seconds after which it ends in any case."""
        self.done = 0
        self.failures: list[str] = []
        self.longest_outage = 0.0
        """Seconds from a success to the beginning of the next one, at most."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def act(self) -> None:
        """What it does; raises `RefusedError` when that fails."""
        raise NotImplementedError

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what it is doing now."""
        self._stop.set()
        self._thread.join(LONGEST)
        self.api.close()

    def _run(self) -> None:
        deadline = time.monotonic() + self.lasts
        well = time.monotonic()
        while not self._stop.is_set() and time.monotonic() < deadline:
            began = time.monotonic()
            try:
                self.act()
                self.done += 1
                self.longest_outage = max(self.longest_outage, began - well)
                well = time.monotonic()
            except (RefusedError, OSError, AssertionError, http.client.HTTPException) as error:
                self.failures.append(repr(error))


class Puller(Worker):
    """Pulls the kept images whole, in any order."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept.registry)
        self._kept = kept

    def act(self) -> None:
        """See `Worker`."""
        (repository, tag), digests = random.choice(list(self._kept.images.items()))  # noqa: S311
        assert self.api.pull(repository, tag) == digests, (repository, tag)
        time.sleep(0.02)


class Pusher(Worker):
    """Pushes images with shared layers and deletes some again; `pushed` is what must be there: tag → descriptor."""

    LAYERS = 4

    def __init__(self, registry: Deployed, repository: str) -> None:
        super().__init__(registry)
        self.repository = repository
        self.pushed: dict[str, Document] = {}
        self._shared = [os.urandom(30_000) for _ in range(self.LAYERS)]
        self._count = 0

    def act(self) -> None:
        """See `Worker`. A push that fails is repeated, under another name."""
        self._count += 1
        tag = f"v{self._count}"
        shared = self._shared[self._count // 8 % self.LAYERS]
        self.pushed[tag] = self.api.image(self.repository, tag, shared, os.urandom(2_000))
        # Four of five go again, so that a shared layer is garbage at times, and then is pushed anew.
        old = f"v{self._count - 4}"
        if self._count % 5 and old in self.pushed:
            self.api.delete(self.repository, self.pushed.pop(old)["digest"])
        time.sleep(0.05)

    def check(self) -> int:
        """Pulls all that was pushed; how many."""
        for tag, image in self.pushed.items():
            assert image["digest"] in self.api.pull(self.repository, tag), tag
        self.api.close()
        return len(self.pushed)


@contextmanager
def at_work(workers: Sequence[Worker], longest: int = LONGEST) -> Iterator[None]:
    """The workers work meanwhile, `longest` seconds at most."""
    for worker in workers:
        worker.lasts = longest
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()


def within(seconds: float, true: Callable[[], bool], pause: float = 0.1) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
