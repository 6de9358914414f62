"""Ten thousand requests as no client sends them, the same on every run, and what came back.

Each is a request of an account that may do nothing in the repository that it aims at, or of nobody. Whatever it looks
like, what is secret there must not come back, and nothing may change there.
"""

from __future__ import annotations

import random
import ssl
import string
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.e2e.raw import RawConnection
from tests.e2e.role_users import OTHER, OWN, PASSWORD, basic
from tests.e2e.support import Deployed

SEED = 20260417
WORKERS = 8

METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
ODD_METHODS = ("OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G\x00ET", "GET\t", "X" * 300, "-", "_")
UPS = ("..", "%2e%2e", "%2E.", ".%2e", "..;", "%252e%252e", "..%00", "..%c0%af", "\\..", "%5c..", "....//", ".")
SLASHES = ("/", "//", "%2f", "%2F", "/./", "/%2e/", "%252f", "\\", "/;/", "%00/")
TAILS = ("tags/list", "manifests/secret", "manifests/%73ecret", "blobs/{digest}", "blobs/uploads/", "_catalog")

# Answers of nginx to a request that is no HTTP it speaks: the coding of a body, or the version, is not implemented.
OF_THE_PROTOCOL = {501, 505}


def strange_target(chance: random.Random, tail: str, fqdn: str, own: str = OWN, other: str = OTHER) -> str:
    """A path that some reading of it leads to the other repository."""
    up, slash = chance.choice(UPS), chance.choice(SLASHES)
    spelt = "".join(f"%{byte:02x}" if chance.random() < 0.3 else chr(byte) for byte in other.encode())
    host = chance.choice([fqdn, "registry:5000", "localhost"])
    place = chance.choice(["healthz", "account", "error", "token", "ui/account", "account/", "ui"])
    return chance.choice(
        [
            f"/v2/{own}{slash}{up}{slash}{up}{slash}{other}/{tail}",
            f"/v2/{other.replace('/', slash)}/{tail}",
            f"{slash}v2{slash}{other}{slash}{tail}",
            f"/v2/{spelt}/{tail}",
            f"/v2/{own}/manifests/x{slash}{up}{slash}{other}/{tail}",
            f"https://{host}/v2/{other}/{tail}",
            f"/v2/{own}/tags/list{chance.choice('?#;&')}/../../../{other}/{tail}",
            f"/{place}{slash}{up}{slash}v2/{other}/{tail}",
        ]
    )


def spoilt(chance: random.Random, target: str) -> str:
    """The same, which may be too long, or have a byte that belongs into no path."""
    if chance.random() < 0.1:
        target += "a" * chance.choice([300, 2000, 7000, 9000, 40000])
    if chance.random() < 0.1:
        target = target.replace("a", chr(chance.randrange(1, 256)), 1)
    return target


@dataclass
class Outcome:
    """What came back: statuses, and each request that must not have had its answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fuzz:
    """Requests to a registry, whose other repository has the tag `secret`, the blob `digest` and `marker` in both."""

    registry: Deployed
    digest: str
    marker: str

    def run(self, number: int) -> Outcome:
        """Sends them all, over a few connections side by side."""
        shares = [number // WORKERS + (worker < number % WORKERS) for worker in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS) as pool:
            outcomes = list(pool.map(self._work, range(WORKERS), shares))
        whole = Outcome()
        for outcome in outcomes:
            whole.statuses += outcome.statuses
            whole.wrong += outcome.wrong
        return whole

    def _work(self, worker: int, number: int) -> Outcome:
        outcome = Outcome()
        context = ssl.create_default_context(cafile=str(self.registry.ca))
        connection = RawConnection(self.registry.host.address, self.registry.fqdn, context)
        for request, known in self._requests(random.Random(SEED + worker), number):  # noqa: S311 - not for secrets
            status, answer = connection.ask(request)
            outcome.statuses[status] += 1
            crossed = self.marker.encode() in answer
            let_in = not known and 200 <= status < 300 and b"docker-distribution-api" in answer.lower()
            broken = status >= 500 and status not in OF_THE_PROTOCOL
            if crossed or let_in or broken:
                outcome.wrong.append(f"{status} for {request[:300]!r}: {answer[:200]!r}")
        connection.close()
        return outcome

    def _requests(self, chance: random.Random, number: int) -> Iterator[tuple[bytes, bool]]:
        """Requests, and whether each has the password of an account."""
        kinds = (self._path, self._path, self._path, self._method, self._headers, self._body, self._pair, self._mount)
        for index in range(number):
            known = chance.random() < 0.7
            yield kinds[index % len(kinds)](chance, self._head(known)), known

    def _head(self, known: bool) -> str:
        account = f"Authorization: {basic('team', PASSWORD)}\r\n" if known else ""
        return f"Host: {self.registry.fqdn}\r\n{account}"

    def _tail(self, chance: random.Random) -> str:
        return chance.choice(TAILS).format(digest=self.digest)

    def _path(self, chance: random.Random, head: str) -> bytes:
        target = spoilt(chance, strange_target(chance, self._tail(chance), self.registry.fqdn))
        return f"{chance.choice(METHODS)} {target} HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n".encode(
            "latin-1", "replace"
        )

    def _method(self, chance: random.Random, head: str) -> bytes:
        version = chance.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/3.7", "", "HTTP/1.1 x"])
        path = f"/v2/{OTHER}/{self._tail(chance)}"
        return f"{chance.choice(ODD_METHODS)} {path} {version}\r\n{head}\r\n".encode("latin-1")

    def _headers(self, chance: random.Random, head: str) -> bytes:
        path = f"/v2/{OTHER}/{self._tail(chance)}"
        more = chance.choice(
            [
                f"X-Original-URI: /v2/{OWN}/tags/list\r\nX-Rewrite-URL: /v2/{OWN}/tags/list\r\n",
                "X-HTTP-Method-Override: GET\r\nX-Account: alice\r\nX_Account: alice\r\n",
                f"Authorization: {basic('alice', 'x')}\r\n",
                f"Authorization: {basic('x' + chr(13) + chr(10) + 'X-Account: alice', 'x')}\r\n",
                f"X-A: {'b' * chance.choice([4000, 9000, 40000])}\r\n",
                "".join(f"X-{n}: {n}\r\n" for n in range(chance.choice([50, 200, 1200]))),
                "Host: registry\r\n",
                "Host : registry\r\n",
                " folded: line\r\n",
                "X-A: b\rX-Account: alice\r\n",
                "X-A: b\nX-Account: alice\n",
                "Authorization: Basic " + "".join(chance.choices(string.printable, k=40)) + "\r\n",
                "Authorization: Bearer " + basic("alice", "x")[6:] + "\r\n",
                "Connection: Authorization, close\r\n",
                "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                "Expect: 100-continue\r\n",
                "Range: bytes=0-0,0-0,0-0,-1\r\n",
            ]
        )
        return f"{chance.choice(METHODS)} {path} HTTP/1.1\r\n{more}{head}\r\n".encode("latin-1")

    def _body(self, chance: random.Random, head: str) -> bytes:
        path = chance.choice([f"/v2/{OWN}/blobs/uploads/", f"/v2/{OTHER}/blobs/uploads/", f"/v2/{OWN}/manifests/x"])
        form = f"mount={self.digest}&from={OTHER}"
        body = chance.choice(
            [
                "Transfer-Encoding: chunked\r\n\r\nZ\r\nabc\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc\r\n",
                "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabcX\r\n0\r\n\r\n",
                "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                "Content-Length: -1\r\n\r\n",
                "Content-Length: 1e3\r\n\r\n",
                "Content-Length: 99999999999999999999999\r\n\r\n",
                "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                "Content-Length: 3\r\nContent-Type: ../../x\r\n\r\nabc",
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}",
            ]
        )
        return f"{chance.choice(['POST', 'PUT', 'PATCH'])} {path} HTTP/1.1\r\n{head}{body}".encode("latin-1")

    def _pair(self, chance: random.Random, head: str) -> bytes:
        """One request around another, which a proxy and its server could cut apart in different places."""
        inner = f"GET /v2/{OTHER}/{self._tail(chance)} HTTP/1.1\r\nHost: {self.registry.fqdn}\r\n\r\n"
        size = len(inner)
        around = chance.choice(
            [
                f"Content-Length: {size + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
                f"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{size:x}\r\n{inner}\r\n0\r\n\r\n",
                f"Transfer-Encoding:\x0bchunked\r\nContent-Length: {size}\r\n\r\n{inner}",
                f"Transfer-Encoding : chunked\r\nContent-Length: {size}\r\n\r\n{inner}",
                f"Transfer-Encoding: identity\r\nContent-Length: {size}\r\n\r\n{inner}",
                f"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}",
                f"Content-Length: {size}\r\n\r\n{inner}",
                f"Content-Length: 0\r\n\r\n{inner}",
                f"Content-Length: +{size}\r\n\r\n{inner}",
                f"Content-Length: {size}, 0\r\n\r\n{inner}",
            ]
        )
        return f"POST /v2/{OWN}/blobs/uploads/ HTTP/1.1\r\n{head}{around}".encode("latin-1")

    def _mount(self, chance: random.Random, head: str) -> bytes:
        """A mount out of the other repository: were it done, the blob could be read in the own one."""
        name = chance.choice(["from", "%66rom", "FROM", "from%00", "from[]", "from ", ";from", "a&from", "+from"])
        value = chance.choice(
            [OTHER, OTHER.replace("/", "%2f"), f"{OWN}/../../{OTHER}", f"{OWN}&from={OTHER}", f"{OTHER}%00"]
        )
        own = chance.choice(["", f"from={OWN}&", f"from={OWN};"])
        query = f"{own}mount={self.digest}&{name}={value}"
        return f"POST /v2/{OWN}/blobs/uploads/?{query} HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n".encode("latin-1")
