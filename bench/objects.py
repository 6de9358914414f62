"""Images in an object store: pulls beside those from a local disk, first pulls and pushes beside Distribution alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.contenders.serving.content import IMAGE, LAYER_BYTES, LAYERS, SMALL_BLOBS, SMALL_IMAGE, SMALL_STEP, SMALLEST
from bench.contenders.serving.load import PUSHED, File, make_file
from bench.contenders.serving.place import FOLDER
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import Server
from bench.measure import Part, Ratio, Table
from bench.promises import ratio
from bench.store import DIRECT, DISK, ONE, TWO, Asked, Stored, stored
from tests.lab.log import step
from tests.storage_oracle import places

ROUNDS = 4
SECONDS = 2
CONNECTIONS = 16
CLIENTS = 4
PULLERS = 8
LOADS = 5
LARGE_BYTES = 256 * 1024 * 1024
PUSH_BYTES = 64 * 1024 * 1024
LARGE = "bench/large"
REMEMBERED = 60
"""The program's default of `rememberSeconds`."""

BOTH = "both hosts at once"
KEPT = "this program, kept, but not remembered"

_WARM = {"large": "large blob, MB/s", "small": "small blobs, requests/s", "pull": "8 clients, s"}
_ASKED = {"reads": "GET and HEAD", "writes": "PUT, POST, COPY and DELETE", "lists": "LIST"}
_NOTE = (
    f"Medians of {ROUNDS} rounds, in each of which another begins, and the spread in brackets. The store is SeaweedFS "
    "with TLS on a host of its own; it, the registries and the load share the same two cores, and only one has a load "
    "at a time."
)
_WARM_NOTE = (
    f"All of it was pulled less than {REMEMBERED} seconds before (`rememberSeconds`), by {CONNECTIONS} connections or "
    f"as an image of {LAYERS} layers by {PULLERS} clients at once, {LOADS} times a round at the first host and the "
    f"disk. More blobs are better, less seconds are. Both hosts at once have {CONNECTIONS} connections each, on the "
    "same two cores."
)
_COLD_NOTE = (
    f"By one client, an image of {LAYERS} layers of 4 MB that nobody has pulled at this host. Kept, but not remembered "
    f"is the same image more than {REMEMBERED} seconds later. Less is better."
)
_PUSH_NOTE = (
    f"A layer of 64 MiB, in one request, by {CLIENTS} clients at once, each into a repository of its own, and an image "
    f"of {LAYERS} layers of 4 MB by crane. Nothing of it is in the bucket before. `chunkSize` is 10 at both."
)
_ASKED_NOTE = (
    f"For an image of {LAYERS} layers, by skopeo and crane. Uploads and their parts are listed by GET here. Of the "
    "LIST requests one every two seconds is a look of one of five registries, whether the store is there; a pull makes "
    "none."
)


def run() -> Part:
    """Measures it all, some twelve minutes long, and removes what it made."""
    with stored() as place:
        samples = _Measuring(place).all()
    asked = tuple(_ASKED)
    return Part(
        "objects",
        (
            Table("Pulled again", tuple(_WARM.values()), samples.rows("warm", tuple(_WARM)), f"{_WARM_NOTE} {_NOTE}"),
            Table("Pulled first", ("1 client, s",), samples.rows("cold", ("pull",)), _COLD_NOTE),
            Table("Pushes", ("4 clients, MB/s", "image, s"), samples.rows("push", ("push", "image")), _PUSH_NOTE),
            Table("Requests to the store", tuple(_ASKED.values()), samples.rows("asked", asked), _ASKED_NOTE),
        ),
        _ratios(samples),
    )


class _Measuring:
    """One quantity after the other, each of all contenders, in turns."""

    def __init__(self, place: Stored) -> None:
        self._place = place
        self._load = place.load
        self._client = place.spot.client
        self._samples = Samples()
        self._cold: list[tuple[str, float]] = []
        """Images that the first host has pulled, and when."""

    def all(self) -> Samples:
        """The samples of everything."""
        with step("bench: the images"):
            pushed = self._fill()
        quantities: dict[str, Callable[[int], None]] = {
            "pulls": self._warm,
            "pushes": lambda number: self._pushes(number, pushed),
            "images": self._images,
        }
        for number in range(ROUNDS):
            for name, measure in quantities.items():
                with step(f"bench: {name}, round {number + 1} of {ROUNDS}"):
                    measure(number)
        with step("bench: pulls of what is kept, but not remembered"):
            self._later()
        return self._samples

    def _fill(self) -> File:
        """The same at the store and on the disk; the first pull of what is pulled again."""
        large = make_file(self._client, "large", LARGE_BYTES)
        for server in (ONE, DISK):
            self._load.push(server, large, 1, LARGE)
        self._client.run(["rm", large.path])
        self._load.image(ONE, f"{SMALL_IMAGE}:1", SMALL_BLOBS, SMALLEST, SMALL_STEP)
        self._load.image(ONE, f"{IMAGE}:1", LAYERS, LAYER_BYTES, 0)
        for image in (SMALL_IMAGE, IMAGE):
            names = [f"{server.authority}/{image}:1" for server in (ONE, DISK)]
            self._client.run(["env", "SSL_CERT_FILE=/root/registry-ca.pem", "crane", "copy", *names])
        blobs = self._load.blobs(ONE, SMALL_IMAGE)
        self._load.list_paths("small", [f"/v2/{SMALL_IMAGE}/blobs/{digest}" for digest in blobs])
        self._load.list_paths("large", [path := f"/v2/{LARGE}-1/blobs/{large.digest}"])
        for server in (ONE, DISK):
            # A load would not wait for all of it.
            account = f"{FOLDER}/{server.account}.curl"
            self._client.run(["curl", "-K", account, "-o", "/dev/null", f"{server.address}{path}"])
            self._load.get(server, "large", 1, 1)
        return make_file(self._client, "pushed", PUSH_BYTES)

    def _warm(self, number: int) -> None:
        """Of each quantity the two ways come right after each other: this machine is not always equally fast."""
        for server in _turned((ONE, DISK), number):
            # What nobody read for a while is not in memory any more.
            self._load.get(server, "large", 1, 1)
        for server in self._turns(number):
            got = self._load.get(server, "large", CONNECTIONS, SECONDS)
            self._samples.add("warm", server.name, "large", got.megabytes)
        for server in self._turns(number):
            self._load.pull(server, f"{IMAGE}:1", 1)
            self._samples.add("warm", server.name, "pull", self._load.pull(server, f"{IMAGE}:1", PULLERS))
        for server in (ONE, DISK):
            self._load.pull(server, f"{SMALL_IMAGE}:1", 1)
        for server in self._turns(number):
            self._samples.add("warm", server.name, "small", self._small(server))
        self._load.pull(ONE, f"{IMAGE}:1", 1)
        _, asked = self._place.asked(partial(self._load.pull, ONE, f"{IMAGE}:1", 1))
        self._asked("pulled again", asked)
        for server in (ONE, TWO):
            self._load.pull(server, f"{SMALL_IMAGE}:1", 1)
        self._samples.add("warm", TWO.name, "small", self._small(TWO))
        with ThreadPoolExecutor() as pool:
            self._samples.add("warm", BOTH, "small", sum(pool.map(self._small, (ONE, TWO))))

    @staticmethod
    def _turns(number: int) -> Iterator[Server]:
        for turn in range(LOADS):
            yield from _turned((ONE, DISK), number + turn)

    def _small(self, server: Server) -> float:
        return self._load.get(server, "small", CONNECTIONS, SECONDS).rate

    def _pushes(self, number: int, pushed: File) -> None:
        links = [places.layer(f"{PUSHED}-{client + 1}", pushed.digest) for client in range(CLIENTS)]
        for server in _turned((ONE, DIRECT), number):
            self._samples.add("push", server.name, "push", self._load.push(server, pushed, CLIENTS))
            # The next push of it is a new one.
            self._place.store.delete([places.blob(pushed.digest), *links])

    def _images(self, number: int) -> None:
        """Each pushes one; then both pull both."""
        servers = _turned((ONE, DIRECT), number)
        images = [f"bench/cold{number}-{server.port}" for server in servers]
        for server, image in zip(servers, images, strict=True):
            push = partial(self._load.image, server, f"{image}:1", LAYERS, LAYER_BYTES, 0)
            seconds, asked = self._place.asked(push)
            self._samples.add("push", server.name, "image", seconds)
            self._asked(f"pushed, {server.name}", asked)
        for image in reversed(images):
            for server in servers:
                seconds, asked = self._place.asked(partial(self._load.pull, server, f"{image}:1", 1))
                self._samples.add("cold", server.name, "pull", seconds)
                self._asked(f"pulled first, {server.name}", asked)
                if server is ONE:
                    self._cold.append((image, time.monotonic()))

    def _later(self) -> None:
        for image, when in self._cold:
            time.sleep(max(0.0, when + REMEMBERED + 1 - time.monotonic()))
            seconds, asked = self._place.asked(partial(self._load.pull, ONE, f"{image}:1", 1))
            self._samples.add("cold", KEPT, "pull", seconds)
            self._asked(f"pulled again, {KEPT}", asked)

    def _asked(self, name: str, asked: Asked) -> None:
        for column in _ASKED:
            self._samples.add("asked", name, column, getattr(asked, column))


def _turned(servers: tuple[Server, ...], number: int) -> tuple[Server, ...]:
    start = number % len(servers)
    return servers[start:] + servers[:start]


def _ratios(samples: Samples) -> tuple[Ratio, ...]:
    def against(quantity: str, column: str, other: Server) -> float:
        return samples.median(quantity, ONE.name, column) / samples.median(quantity, other.name, column)

    return (
        ratio("store_warm_large_blob", against("warm", "large", DISK)),
        ratio("store_warm_small_blob", against("warm", "small", DISK)),
        ratio("store_warm_pull", 1 / against("warm", "pull", DISK)),
        ratio("store_cold_pull", 1 / against("cold", "pull", DIRECT)),
        ratio("store_push", against("push", "push", DIRECT)),
        ratio("store_push_image", 1 / against("push", "image", DIRECT)),
        ratio("store_warm_requests", samples.median("asked", "pulled again", "reads")),
    )
