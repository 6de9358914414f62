"""What clients of the real proxy count, and what the metrics of its traffic say, are the same."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registryctl.machine import RESULTS
from registryctl.metrics import reader, store
from registryctl.metrics.store import Named
from registryctl.metrics.traffic import Sums
from tests.lab.docker import docker
from tests.registryctl.fake_machine import FakeMachine
from tests.rendering.proxy_connection import Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

CLIENTS, EACH = 4, 750
"""Requests of each client in a phase; there are two phases with a restart in between."""

BLOBS = [bytes([number]) * (10 ** (1 + number % 5)) for number in range(10)]
ODD = 'o|d"d\\$ä'
"""An account whose name nginx, the log and Prometheus would each take for something else."""

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Load:
    """Clients, and what they count: (kind, status) → requests; bytes of answers without heads, and of requests with."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.requests: Counter[tuple[str, str]] = Counter()
        self.bytes = self.received = 0
        self.pulls: Counter[tuple[str, str]] = Counter()
        self.last: dict[tuple[str, str], float] = {}
        """When who pulled last was answered."""
        self.accounts: dict[str, list[int]] = {"": [0] * 3, "alice": [0] * 3, ODD: [0] * 3}
        """Of whom: requests, bytes of answers and of requests."""
        self._lock = threading.Lock()

    def ask(self, connection: Connection, kind: str, method: str, path: str, body: bytes | None = None) -> str:
        """Counts what is answered; where to go on."""
        found = connection.ask(method, path, body, Content_Type=MANIFEST_TYPE, Accept=MANIFEST_TYPE)
        with self._lock:
            self.requests[kind, str(found.status)] += 1
            self.bytes += len(found.body)
            # A body that is refused is not read.
            received = found.sent.heads + (found.sent.bodies if found.status < 400 else 0)
            self.received += received
            for place, number in enumerate((1, len(found.body), received)):
                self.accounts[(connection.user or "") if found.status != 401 else ""][place] += number
            if kind == "manifest" and method != "PUT" and found.status == 200:
                repository, _, reference = path.removeprefix("/v2/").partition("/manifests/")
                self.pulls[repository, reference] += 1
                self.last[repository, reference] = time.time()
        return found.headers.get("location", "")

    def push(self, repository: str) -> list[str]:
        """An image whose layers are the blobs; the digests of these."""
        alice = self.proxy.connection("alice")
        digests = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in BLOBS]
        for digest, blob in zip(digests, BLOBS, strict=True):
            place = self.ask(alice, "upload", "POST", f"/v2/{repository}/blobs/uploads/")
            place = place[place.index("/v2/") :]
            self.ask(alice, "upload", "PUT", f"{place}&digest={digest}", blob)
        parts = [{"mediaType": "x/y", "digest": d, "size": len(b)} for d, b in zip(digests, BLOBS, strict=True)]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": parts[0], "layers": parts[1:]}
        content = json.dumps(manifest).encode()
        self.ask(alice, "manifest", "PUT", f"/v2/{repository}/manifests/v1", content)
        self.manifest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.ask(self.proxy.connection(None), "manifest", "PUT", f"/v2/{repository}/manifests/v1", content)
        return digests

    def client(self, number: int, digests: list[str]) -> None:
        """Pulls, asks for what is not there, and is refused."""
        alice, nobody = self.proxy.connection("alice"), self.proxy.connection(None)
        odd = self.proxy.connection(ODD)
        wrong = Connection(self.proxy.address, f"stranger{number}")
        for turn in range(EACH):
            match turn % 10:
                case 0:
                    self.ask(alice, "manifest", "HEAD", "/v2/team/app/manifests/v1")
                    self.ask(alice, "manifest", "GET", f"/v2/team/app/manifests/{self.manifest}")
                case 1:
                    self.ask(alice, "tags", "GET", "/v2/team/app/tags/list")
                case 2:
                    self.ask(odd, "blob", "HEAD", f"/v2/team/app/blobs/{digests[0]}")
                case 3:
                    self.ask(alice, "manifest", "GET", f"/v2/guess{turn}/app/manifests/v1")
                case 4:
                    self.ask(nobody, "blob", "GET", f"/v2/team/app/blobs/{digests[1]}")
                case 5 if turn < 100:
                    self.ask(wrong, "other", "GET", "/v2/")
                case _:
                    self.ask(alice, "blob", "GET", f"/v2/team/app/blobs/{digests[turn % len(digests)]}")


class Meter:
    """Runs as the timer would start them, all the time."""

    def __init__(self, proxy: Proxy, root: Path) -> None:
        self.machine = FakeMachine(root)
        self.machine.real("fallocate")
        self.machine.path(RESULTS).mkdir(parents=True)
        self.logs = proxy.home / "logs"
        # What is long ago would be forgotten.
        self.machine.time = datetime.now(UTC)
        self._stop = threading.Event()

    def read(self) -> Sums:
        return reader.read(self.machine, self.logs, Named()).sums

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._stop.clear()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.read()


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    """With and without the way past the registry. What was asked before it answered is nobody's to count."""
    users = [user("alice"), user(ODD)]
    with proxied(users) as found:
        found.fast = request.param
        found.configure(users)
        found.reload()
        time.sleep(1.5)
        yield found


def test_sums_agree(proxy: Proxy, tmp_path: Path) -> None:
    """Across reloads and a restart, while runs count and give back what was counted; `-s` prints them."""
    meter, load = Meter(proxy, tmp_path), Load(proxy)
    first = meter.read()
    before = {key: list(numbers) for key, numbers in first.requests.items()}
    # Those of the questions whether it answers.
    load.accounts[""] = list(first.accounts.get("", [0] * 3))
    digests = load.push("team/app")
    for restarts in (True, False):
        with meter, ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(load.client, number, digests) for number in range(CLIENTS)]
            for _ in range(2):
                time.sleep(0.5)
                proxy.reload()
            for one in asking:
                one.result()
        if restarts:
            docker("restart", proxy.name)
            # It asks until it is answered.
            before_restart = sum(load.requests.values())
            proxy.find()
    time.sleep(1.5)
    sums = meter.read()
    counted: Counter[tuple[str, str]] = Counter()
    sent, received, groups, caches = 0, 0, set(), Counter[tuple[str, str]]()
    for (kind, group, status, cache), (requests, its, asked) in sums.requests.items():
        earlier = before.get((kind, group, status, cache), [0, 0, 0])
        counted[kind, status] += requests - earlier[0]
        sent += its - earlier[1]
        received += asked - earlier[2]
        groups.add(group)
        caches[kind, cache] += requests
    print(f"\n{dict(load.requests)}, {before_restart} of them before the restart\n{dict(caches)}")
    print(f"{load.received} and {load.bytes} bytes")
    # The question whether it answers again.
    extra = counted - load.requests
    assert extra.keys() <= {("other", "401")}
    assert extra.total() == 1
    assert load.requests - counted == Counter()
    refusal = proxy.connection(None).ask("GET", "/v2/")
    assert sent - load.bytes == extra.total() * len(refusal.body)
    assert received - load.received == extra.total() * refusal.sent.heads
    assert groups == {"", "team", "other"}
    assert sums.malformed == 0
    # That one question was nobody's.
    for place, number in enumerate((1, len(refusal.body), refusal.sent.heads)):
        load.accounts[""][place] += extra.total() * number
    assert sums.accounts == load.accounts
    with store.opened(meter.machine.path(store.of_host())) as kept:
        pulls = kept.known("team/app").pulls
    assert load.pulls.total() == 2 * 2 * CLIENTS * EACH // 10
    assert {("team/app", reference): its.times for reference, its in pulls.items()} == load.pulls
    assert all(abs(its.last - load.last["team/app", reference]) < 2 for reference, its in pulls.items())
    assert sums.logins["password"] == sum(n for key, n in load.requests.items() if key == ("other", "401"))
    assert caches["blob", "hit"] == (load.requests["blob", "200"] if proxy.fast else 0)
