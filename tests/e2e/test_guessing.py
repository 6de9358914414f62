"""Guessed passwords: they are few, and they disturb nobody else; right ones are never too many."""

from __future__ import annotations

import contextlib
import shlex
import socket
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.e2e.role_users import Api, forget
from tests.e2e.support import USER, Deployed
from tests.lab.clients import Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

GUESSES = 1000
ROUNDS = 5
A_SECOND = 80
"""Guesses: enough to be a nuisance, and little of the machine on which both clients and the registry run."""

LIMIT = 60
"""`access.attemptsPerMinute`, by default."""

BURST = 300
SIZE = 8 * 1024 * 1024
REPOSITORY = "guessing/blob"
SLOWER = 1.10
HEAD_SECONDS = 25


@pytest.fixture(scope="module")
def blob(deployed: Deployed) -> Iterator[str]:
    """The path of a blob to pull."""
    content = bytes(range(256)) * (SIZE // 256)
    yield f"/v2/{REPOSITORY}/blobs/{Api(deployed, USER).push_blob(REPOSITORY, content)}"
    forget(deployed, REPOSITORY.partition("/")[0])


@pytest.fixture(scope="module")
def slow(deployed: Deployed) -> Iterator[socket.socket]:
    """A request whose head never ends; others are served meanwhile."""
    with deployed.connect("https").sock as connection:
        connection.sendall(f"GET /v2/ HTTP/1.1\r\nHost: {deployed.fqdn}\r\nX-Slow: ".encode())
        yield connection


def test_a_thousand_guesses_do_not_slow_others(
    deployed: Deployed, client: Client, blob: str, slow: socket.socket
) -> None:
    """Another client's pulls take as long as without; of the guesses few are checked at all. `-s` prints the ratio."""
    assert slow.fileno() >= 0
    api = Api(deployed, USER)
    quiet, disturbed = [], []
    statuses: Counter[str] = Counter()
    with ThreadPoolExecutor(1) as pool:
        for number in range(ROUNDS):
            attack = pool.submit(_guess, client.host, deployed, number)
            while not attack.done():
                disturbed.append(_seconds(api, blob))
            statuses += attack.result()
            end = time.monotonic() + GUESSES / ROUNDS / A_SECOND
            while time.monotonic() < end:
                quiet.append(_seconds(api, blob))
    ratio = statistics.median(disturbed) / statistics.median(quiet)
    print(f"\npull during guesses / without: {ratio:.3f} ({len(disturbed)} and {len(quiet)} pulls); {dict(statuses)}")
    assert statuses.total() == GUESSES
    assert statuses.keys() == {"401", "429"}
    assert statuses["401"] < GUESSES / 4
    assert ratio <= SLOWER


def test_a_burst_of_right_logins_is_never_limited(deployed: Deployed, client: Client) -> None:
    """Not even from the address that has just guessed: what is known to be right is no guess."""
    with _configuration(client.host, deployed, f'user = "{USER}:{deployed.password}"') as flags:
        urls = " ".join([f"https://{deployed.fqdn}/v2/"] * BURST)
        command = f"curl -sS {flags} --parallel --parallel-max 40 --http1.1 -o /dev/null -w '%{{http_code}}\\n' {urls}"
        found = Counter(client.host.run(command).stdout.split())
    # One -o is for one URL; the other bodies are "{}".
    assert found["200"] + sum(count for word, count in found.items() if word.endswith("200") and word != "200") == BURST


def test_the_same_wrong_password_is_one_guess(deployed: Deployed, client: Client) -> None:
    """A job that was forgotten when the password changed gets 401 for ever, and does not use up its address."""
    with _configuration(client.host, deployed, f'user = "{USER}:forgotten"') as flags:
        command = f"for i in $(seq 1 {2 * LIMIT}); do echo url = https://{deployed.fqdn}/v2/; echo -o /dev/null; done"
        ask = f"{command} | curl -sS {flags} -K - -w '%{{http_code}}\\n'"
        time.sleep(2)
        found = Counter(client.host.run(ask).stdout.split())
    assert found == {"401": 2 * LIMIT}


def test_a_request_without_end_is_ended(slow: socket.socket) -> None:
    """A head has twenty seconds, however much of it still comes."""
    slow.settimeout(HEAD_SECONDS)
    began = time.monotonic()
    while time.monotonic() < began + HEAD_SECONDS:
        try:
            slow.sendall(b"x")
        except OSError:
            return
        with contextlib.suppress(TimeoutError):
            slow.settimeout(0.5)
            if slow.recv(1024) == b"":
                return
    pytest.fail("the connection is still open")


def _seconds(api: Api, path: str) -> float:
    began = time.monotonic()
    assert api.ask("GET", path).status == 200
    return time.monotonic() - began


def _guess(host: LabHost, registry: Deployed, number: int) -> Counter[str]:
    """A share of the guesses, each another password, one after the other."""
    share = GUESSES // ROUNDS
    entries = "\n".join(
        f'url = "https://{registry.fqdn}/v2/"\nuser = "{USER}:guess-{number}-{guess}"\noutput = /dev/null\n'
        'write-out = "%{http_code}\\n"\ncacert = /root/registry-ca.pem\nsilent\n'
        + ("next\n" if guess < share - 1 else "")
        for guess in range(share)
    )
    done = host.run(["curl", "--rate", f"{A_SECOND}/s", "-K", "-"], stdin=entries)
    return Counter(done.stdout.split())


@contextmanager
def _configuration(host: LabHost, registry: Deployed, line: str) -> Iterator[str]:
    """Flags by which curl reads the password from a file."""
    path = "/root/guessing.curlrc"
    assert registry.fqdn
    host.put_file(path, f"{line}\n", mode=0o600)
    yield f"--cacert /root/registry-ca.pem -K {shlex.quote(path)}"
    host.run(["rm", "-f", path])
