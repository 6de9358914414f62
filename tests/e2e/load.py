"""Clients that pull, push, ask for what is not there, and count what they are answered."""

from __future__ import annotations

import base64
import http.client
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.e2e.content import MANIFEST, Api
from tests.e2e.support import Deployed

SIZES = (0, 10, 1_000, 4_000, 20_000, 64_000, 100_000)
_TRIES = 20
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)")
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')


@dataclass
class Counted:
    """What all clients were answered."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By kind and status."""
    sizes: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies, by kind."""
    of_accounts: Counter[str] = field(default_factory=Counter)
    sent_to: Counter[str] = field(default_factory=Counter)
    pulls: Counter[str] = field(default_factory=Counter)
    """By tag or digest."""
    last: dict[str, float] = field(default_factory=dict)
    """When the answer to the last pull came."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, account: str, kind: str, status: int, size: int, pulled: str = "") -> None:
        """One answer."""
        with self._lock:
            self.requests[kind, str(status)] += 1
            self.sizes[kind] += size
            self.of_accounts[account] += 1
            self.sent_to[account] += size
            if pulled and status == http.HTTPStatus.OK:
                self.pulls[pulled] += 1
                self.last[pulled] = time.time()


class Client:
    """One client, with a connection of its own."""

    def __init__(self, registry: Deployed, account: tuple[str, str], counted: Counted) -> None:
        self._registry, self._counted = registry, counted
        self._name = account[0]
        self._token = base64.b64encode(":".join(account).encode()).decode()
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, kind: str, method: str, path: str, pulled: str = "") -> None:
        """One request. A proxy that reloads closes connections that nobody uses just then, unasked."""
        for _ in range(_TRIES):
            if self._connection is None:
                self._connection = self._registry.connect("https")
            try:
                headers = {"Authorization": f"Basic {self._token}", "Accept": MANIFEST}
                self._connection.request(method, path, headers=headers)
                answer = self._connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                self.close()
                continue
            size = len(answer.read())
            if answer.will_close:
                self.close()
            self._counted.add(self._name, kind, answer.status, size, pulled)
            return
        raise AssertionError(f"{path}: no answer")

    def close(self) -> None:
        """The next request makes another connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def work(self, image: Image, times: int) -> None:
        """So many requests of all kinds."""
        place = f"/v2/{image.repository}"
        for turn in range(times):
            layer = image.layers[turn % len(image.layers)]
            match turn % 10:
                case 0:
                    self.ask("manifest", "HEAD", f"{place}/manifests/{image.tag}", image.tag)
                case 1:
                    self.ask("manifest", "GET", f"{place}/manifests/{image.digest}", image.digest)
                case 2:
                    self.ask("tags", "GET", f"{place}/tags/list")
                case 3:
                    self.ask("manifest", "GET", f"/v2/none-{turn}/app/manifests/{image.tag}")
                case 4:
                    self.ask("manifest", "GET", f"{place}/manifests/{image.tag}", image.tag)
                case 5:
                    self.ask("blob", "HEAD", f"{place}/blobs/{layer}")
                case _:
                    self.ask("blob", "GET", f"{place}/blobs/{layer}")
        self.close()


@dataclass(frozen=True)
class Image:
    """What is pulled."""

    repository: str
    tag: str
    digest: str
    layers: tuple[str, ...]


def pushed(registry: Deployed, repository: str) -> Image:
    """An image with layers of all sizes."""
    api = Api(registry)
    layers = [bytes([number]) * size for number, size in enumerate(SIZES)]
    digests = [api.blob(repository, layer)["digest"] for layer in layers]
    image = api.image(repository, "1.0", *layers)
    api.close()
    return Image(repository, "1.0", image["digest"], tuple(digests))


def sums(text: str, metric: str, *labels: str) -> Counter[tuple[str, ...]]:
    """A metric of a text that Prometheus gets, added up by these labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        sample = _SAMPLE.fullmatch(line)
        if sample and sample["name"] == metric:
            its = dict(_LABEL.findall(sample["labels"]))
            found[tuple(its.get(label, "") for label in labels)] += int(float(sample["value"]))
    return found
