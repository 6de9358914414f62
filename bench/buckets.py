"""How what looks at all tags grows with their number when images lie in an object store, in time and in requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from bench.filling import TENTH, tag_of
from bench.measure import Part, Ratio, Series, Table, series
from bench.promises import ratio
from bench.stage import cleared
from bench.store import Asked, counted, store_of
from tests.e2e.content import CONFIG, LAYER, Api, manifest
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import Deployed, deploy
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.run import LabError
from tests.lab.stack import LabStack
from tests.storage_oracle import places

SIZES = (100, 1_000, 3_000, 10_000)
REPOSITORY = "growth"
FQDN = "growth.example.net"
TOOL_SECONDS = 200
COLLECTOR_SECONDS, QUADRATIC_SECONDS = 120, 30
"""Where Distribution's collector has not ended, it is stopped, and larger buckets are not tried."""
LISTINGS = 3
_ENDED_BY_TIMEOUT = 124
_SHARED = b"the layer that all images share"

CATALOGUE, TAGS = "catalogue", "list of tags"
DELETION, CLEAN_UP = "deletion of a tenth", "clean-up after it"
COLLECTOR = "garbage-collect --dry-run"
COLLECTOR_UNTAGGED = "garbage-collect --dry-run --delete-untagged"

_NOTE = (
    "One repository whose tags all lead to images of their own, each with a configuration of its own and one layer "
    "that all share: six objects a tag, put into the bucket by its own interface. The store is SeaweedFS with TLS on a "
    "host of its own, on the same two cores. A clean-up moves what it removes into the trash. Distribution's collector "
    "runs before it, on the same bucket, and only looks (`--dry-run`); for all of its time writes would have to wait. "
    f"Where there is no figure it had not ended after {COLLECTOR_SECONDS} s, or with `--delete-untagged` after "
    f"{QUADRATIC_SECONDS} s, at that size or a smaller one: then it reads all tags for each image. Less is better."
)
_ASKED_NOTE = (
    "Of all kinds, as the store counts them. A removal takes up to a thousand objects. Some three requests in ten "
    "seconds are looks of the registry, and of the service that knows other hosts, whether the store is there."
)


@dataclass(frozen=True)
class Cost:
    """What one act took."""

    seconds: float
    requests: int


Found = dict[str, dict[int, list[Cost]]]
"""Act → number of tags → its samples."""


def run() -> Part:
    """Fills one repository step by step and measures at each of the sizes, some seven minutes long."""
    with _deployed() as bench:
        for size in SIZES:
            bench.at(size)
        found = bench.found
    return Part("buckets", tables(found), promised(found))


def tables(found: Mapping[str, Mapping[int, Sequence[Cost]]]) -> tuple[Table, ...]:
    """Seconds, and requests to the store."""
    return (
        Table("Time in a bucket", tuple(f"{size:,} tags, s" for size in SIZES), _rows(found, "seconds"), _NOTE),
        Table(
            "Requests to the store", tuple(f"{size:,} tags" for size in SIZES), _rows(found, "requests"), _ASKED_NOTE
        ),
    )


def promised(found: Mapping[str, Mapping[int, Sequence[Cost]]]) -> tuple[Ratio, ...]:
    """Clean-up and list of tags are linear from the middle size to the largest, in time and in requests."""

    def growth(act: str, what: str) -> float:
        *_, before, last = SIZES
        return _median(found[act][last], what) / last / (_median(found[act][before], what) / before)

    return (
        ratio("store_gc_growth", growth(CLEAN_UP, "seconds")),
        ratio("store_gc_requests_growth", growth(CLEAN_UP, "requests")),
        ratio("store_tags_growth", growth(TAGS, "seconds")),
        ratio("store_tags_requests_growth", growth(TAGS, "requests")),
    )


def _median(costs: Sequence[Cost], what: str) -> float:
    return series([getattr(cost, what) for cost in costs]).median


def _rows(found: Mapping[str, Mapping[int, Sequence[Cost]]], what: str) -> dict[str, tuple[Series | None, ...]]:
    return {
        act: tuple(series([getattr(cost, what) for cost in costs[size]]) if size in costs else None for size in SIZES)
        for act, costs in found.items()
    }


@dataclass
class _Bench:
    """The registry, its bucket, and the tags that it has."""

    store: ObjectStore
    registry: Deployed
    found: Found = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    def at(self, size: int) -> None:
        """Fills up to `size` tags and measures; nine tenths of them are left."""
        with step(f"bench: {size} tags in a bucket"):
            self._fill(size)
        for _ in range(LISTINGS):
            self._listed(CATALOGUE, size, "/v2/_catalog?n=1000", "repositories", {REPOSITORY})
            self._listed(TAGS, size, f"/v2/{REPOSITORY}/tags/list", "tags", self.tags)
        self._tool(DELETION, size, "docker-repository-rmi", "--yes", f"{REPOSITORY}:{TENTH}-*")
        self.tags = {name for name in self.tags if not name.startswith(f"{TENTH}-")}
        for name, most in ((COLLECTOR, COLLECTOR_SECONDS), (COLLECTOR_UNTAGGED, QUADRATIC_SECONDS)):
            if len(self.found.get(name, {})) == SIZES.index(size):
                self._collector(name, size, most)
        blobs = self._blobs()
        self._tool(CLEAN_UP, size, "registry-gc")
        self._listed(TAGS, 0, f"/v2/{REPOSITORY}/tags/list", "tags", self.tags)
        # Its configuration, unless that went with the image.
        if blobs - self._blobs() not in {0, size // 10}:
            raise LabError(f"of {blobs} blobs a clean-up left {self._blobs()}")

    def _fill(self, size: int) -> None:
        objects: dict[str, bytes] = {}
        shared = places.sha256(_SHARED)
        objects[places.blob(shared)] = _SHARED
        objects[places.layer(REPOSITORY, shared)] = shared.encode()
        layer = {"mediaType": LAYER, "digest": shared, "size": len(_SHARED)}
        for number in range(size):
            tag = tag_of(number)
            if tag in self.tags:
                continue
            content = json.dumps({"architecture": "amd64", "os": "linux", "id": number}).encode()
            digest = places.sha256(content)
            objects[places.blob(digest)] = content
            objects[places.layer(REPOSITORY, digest)] = digest.encode()
            config = {"mediaType": CONFIG, "digest": digest, "size": len(content)}
            image = json.dumps(manifest(config, [layer])).encode()
            digest = places.sha256(image)
            objects[places.blob(digest)] = image
            objects[places.revision(REPOSITORY, digest)] = digest.encode()
            objects[places.history(REPOSITORY, tag, digest)] = digest.encode()
            objects[places.current(REPOSITORY, tag)] = digest.encode()
            self.tags.add(tag)
        self.store.put(list(objects.items()))

    def _blobs(self) -> int:
        return sum(name.startswith("docker/registry/v2/blobs/") for name in self.store.names())

    def _measured(self, name: str, size: int, asked: tuple[float, Asked]) -> None:
        seconds, requests = asked
        cost = Cost(seconds, requests.reads + requests.writes + requests.lists)
        self.found.setdefault(name, {}).setdefault(size, []).append(cost)

    def _tool(self, name: str, size: int, *argv: str) -> None:
        def act() -> float:
            began = time.perf_counter()
            self.registry.host.run(list(argv), timeout=TOOL_SECONDS)
            return time.perf_counter() - began

        with step(f"bench: {' '.join(argv)}"):
            self._measured(name, size, counted(self.store, act))

    def _listed(self, name: str, size: int, path: str, key: str, expected: set[str]) -> None:
        api = Api(self.registry)
        # The connection and the check of the password are no part of it.
        api.request("GET", "/v2/")

        content = b""

        def act() -> float:
            nonlocal content
            began = time.perf_counter()
            _, _, content = api.request("GET", path)
            return time.perf_counter() - began

        asked = counted(self.store, act)
        api.close()
        if set(json.loads(content)[key]) != expected:
            raise LabError(f"{path} is not what is in the bucket")
        if size:
            self._measured(name, size, asked)

    def _collector(self, name: str, size: int, most: int) -> None:
        """Distribution's, in a container of its own; nothing is noted where it does not end in time."""
        host, home, folder = self.registry.host, "/var/opt/docker-registry/etc", "/root/collector"
        settings = yaml.safe_load(host.get_file(f"{home}/config.yml"))
        http = {key: value for key, value in settings["http"].items() if key != "net"} | {"addr": ":5000"}
        host.put_file(f"{folder}/config.yml", yaml.safe_dump(settings | {"http": http}), 0o600)
        host.run(["cp", "-a", f"{home}/store-key", f"{home}/store-ca.pem", folder])
        image = host.run(["docker", "container", "inspect", "--format", "{{.Image}}", "registry"]).stdout.strip()
        keys = (
            "AWS_SHARED_CREDENTIALS_FILE=/etc/distribution/store-key",
            "AWS_CA_BUNDLE=/etc/distribution/store-ca.pem",
        )
        words = [word for key in (*keys, "OTEL_TRACES_EXPORTER=none") for word in ("-e", key)]
        command = [*name.split(), "--quiet", "/etc/distribution/config.yml"]
        where = ["--rm", "--name", "collector", "--network", "registry", "-v", f"{folder}:/etc/distribution:ro"]
        argv = ["timeout", str(most), "docker", "run", *where, *words, image, *command]

        code = 0

        def act() -> float:
            nonlocal code
            began = time.perf_counter()
            code = host.run(argv, check=False, timeout=most + 60).returncode
            return time.perf_counter() - began

        with step(f"bench: {name}"):
            asked = counted(self.store, act)
        host.run(["docker", "rm", "--force", "collector"], check=False)
        if code not in {0, _ENDED_BY_TIMEOUT}:
            raise LabError(f"{name} ended with {code}")
        if code == 0:
            self._measured(name, size, asked)


@contextmanager
def _deployed() -> Iterator[_Bench]:
    """A host with the program's defaults and a store; all of it is removed in any case."""
    name = f"{default_name()}-bench-buckets"
    with cleared(name):
        lab = Lab.open(name)
        start_hub(lab)
        store = store_of(lab)
        host = LabHost.start("registry", lab=lab)
        stack = LabStack(name, host)
        stack.init()
        with step("bench: up"):
            registry = deploy(host, stack, FQDN, store.settings())
        yield _Bench(store, registry)
