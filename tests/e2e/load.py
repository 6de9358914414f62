"""Clients that pull, push, ask for what is not there, and count what they are answered."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

from tests.e2e.content import MANIFEST, Api
from tests.e2e.support import Deployed
from tests.rendering.proxy_connection import Counting, Sent

SIZES = (0, 10, 1_000, 4_000, 20_000, 64_000, 100_000)
_PIECE = 16_000
_TRIES = 20
_AWAY_SECONDS = 120
_SAMPLE = re.compile(r"(?P<name>[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)")
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')


@dataclass(frozen=True)
class Answer:
    """What one client was answered, and what it had sent."""

    account: str
    kind: str
    status: str
    size: int
    """Of the body."""
    sent: Sent
    pulled: str
    """The tag or digest."""
    location: str = ""
    moment: float = field(default_factory=time.time)


Answers = list[Answer]
"""Of all clients."""


def summed(answers: Answers, what: Callable[[Answer], int], *labels: str) -> Counter[tuple[str, ...]]:
    """A number of each, added up by these labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for one in answers:
        found[tuple(getattr(one, label) for label in labels)] += what(one)
    return found


@dataclass
class Client:
    """One client, with a connection of its own. It works until it has done its part, and nobody wants more."""

    registry: Deployed
    account: tuple[str, str]
    answers: Answers
    _connection: Counting | None = None

    def work(self, image: Image, times: int, enough: threading.Event | None = None) -> None:
        """So many turns at least, of all kinds."""
        place = f"/v2/{image.repository}"
        for turn in count():
            if turn >= times and (enough is None or enough.is_set()):
                break
            layer = image.layers[turn % len(image.layers)]
            match turn % 10:
                case 0 | 8:
                    self._again("manifest", "HEAD", f"{place}/manifests/{image.tag}", pulled=image.tag)
                case 1 | 7:
                    self._again("manifest", "GET", f"{place}/manifests/{image.digest}", pulled=image.digest)
                case 2:
                    self._again("tags", "GET", f"{place}/tags/list")
                case 3:
                    self._again("manifest", "GET", f"/v2/none-{turn}/app/manifests/{image.tag}")
                case 4:
                    self._again("manifest", "GET", f"{place}/manifests/{image.tag}", pulled=image.tag)
                case 5:
                    self._again("blob", "HEAD", f"{place}/blobs/{layer}")
                case 6:
                    self._push(image.repository, SIZES[turn // 10 % len(SIZES)])
                case _:
                    self._again("blob", "GET", f"{place}/blobs/{layer}")
        self._close()

    def _push(self, repository: str, size: int) -> None:
        """A new blob, as Docker pushes it: in pieces whose number is not said before. What is refused is left."""
        blob = os.urandom(size)
        begun = self._again("upload", "POST", f"/v2/{repository}/blobs/uploads/")
        if begun.status == "403":
            # Who may only pull.
            return
        pieces = [blob[at : at + _PIECE] for at in range(0, size, _PIECE)]
        sent = self._ask("upload", "PATCH", _path(begun.location), pieces)
        if sent.status == "202":
            place = f"{_path(sent.location)}&digest=sha256:{hashlib.sha256(blob).hexdigest()}"
            self._ask("upload", "PUT", place)

    def _again(self, kind: str, method: str, path: str, pulled: str = "") -> Answer:
        """Until the registry is there. Each answer counts."""
        end = time.monotonic() + _AWAY_SECONDS
        while (answer := self._ask(kind, method, path, pulled=pulled)).status >= "500":
            assert time.monotonic() < end, f"{path}: {answer.status}"
            time.sleep(0.1)
        return answer

    def _ask(self, kind: str, method: str, path: str, pieces: Iterable[bytes] = (), pulled: str = "") -> Answer:
        """One request. A proxy that reloads closes connections that nobody uses just then, unasked."""
        token = base64.b64encode(":".join(self.account).encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Accept": MANIFEST}
        for _ in range(_TRIES):
            if self._connection is None:
                self._connection = Counting(self.registry.fqdn)
                self._connection.sock = self.registry.connect("https").sock
                # A push waits until there is a registry.
                self._connection.sock.settimeout(_AWAY_SECONDS)
            sent = self._connection.sent = Sent()
            try:
                self._connection.request(method, path, iter(pieces) if pieces else None, headers)
                found = self._connection.getresponse()
            except (ConnectionError, ssl.SSLEOFError):
                self._close()
                continue
            try:
                size = len(found.read())
            except http.client.IncompleteRead as cut:
                # The registry ended meanwhile.
                size = len(cut.partial)
                self._close()
            if found.will_close:
                self._close()
            location = found.headers.get("Location", "")
            answer = Answer(self.account[0], kind, str(found.status), size, sent, pulled, location)
            self.answers.append(answer)
            return answer
        raise AssertionError(f"{path}: no answer")

    def _close(self) -> None:
        """The next request makes another connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _path(location: str) -> str:
    found = urlsplit(location)
    return f"{found.path}?{found.query}"


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
