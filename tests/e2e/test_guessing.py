"""Guessed passwords: they are few, and they disturb nobody else; right ones are never too many."""

from __future__ import annotations

import contextlib
import itertools
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

BURSTS, GUESSES, A_SECOND = 10, 100, 80
"""A thousand guesses: enough to be a nuisance, and little of the machine on which both clients and the registry run."""

PAUSE = GUESSES / A_SECOND

ATTACK = """
cd /root
# Never the same guess twice, in no measurement: the answer to one that is known is not counted as a guess.
run=$(date +%s)
for burst in $(seq {bursts}); do
    for guess in $(seq {guesses}); do
        [ "$guess" = 1 ] || echo next
        printf '%s\\n' 'url = "https://{fqdn}/v2/"' "user = \\"{user}:$run-$burst-$guess\\"" 'output = /dev/null' \\
            'write-out = "%{{http_code}}\\n"' 'cacert = /root/registry-ca.pem' silent
    done >guesses-$burst
done
for burst in $(seq {bursts}); do
    echo "begin $(date +%s.%N)"
    curl --rate {rate}/s -K guesses-$burst
    echo "end $(date +%s.%N)"
    sleep {pause}
done
rm -f guesses-*
"""

LIMIT = 60
"""`access.attemptsPerMinute`, by default."""

BURST = 300
SIZE = 2 * 1024 * 1024
REPOSITORY = "guessing/blob"
SLOWER = 1.10
MEASUREMENTS = 3
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
    """Another client's pulls take as long as without; of the guesses few are checked at all. `-s` prints the ratio.

    What else the machine does can be more than all that is measured here: a ratio that is too high is measured anew,
    twice at most. A proxy that guesses do slow down is found each time.
    """
    assert slow.fileno() >= 0
    ratios: list[float] = []
    while len(ratios) < MEASUREMENTS and (not ratios or ratios[-1] > SLOWER):
        ratios.append(_ratio(deployed, client.host, blob))
    print(f"\npulls during guesses / without: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    assert ratios[-1] <= SLOWER


def _ratio(registry: Deployed, attacker: LabHost, blob: str) -> float:
    """The time of a pull during bursts of guesses, divided by the time between them."""
    api = Api(registry, USER)
    pulls: list[tuple[float, float]] = []
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(_attack, attacker, registry)
        while not attack.done():
            began = time.time()
            assert api.ask("GET", blob).status == 200
            pulls.append((began, time.time()))
    statuses, bursts = attack.result()
    assert statuses.total() == BURSTS * GUESSES
    assert statuses.keys() == {"401", "429"}
    # The first ones at once, and then one a second.
    assert statuses["401"] <= LIMIT + (bursts[-1][1] - bursts[0][0]) + 1
    between = [(end, begin) for (_, end), (begin, _) in itertools.pairwise(bursts)]
    return _median(pulls, bursts) / _median(pulls, between)


def _median(pulls: list[tuple[float, float]], times: list[tuple[float, float]]) -> float:
    """The median of the pulls that lie within some times."""
    return statistics.median(end - begin for begin, end in pulls if any(b <= begin and end <= e for b, e in times))


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


def _attack(host: LabHost, registry: Deployed) -> tuple[Counter[str], list[tuple[float, float]]]:
    """Guesses, each another password, one after the other: the answers, and when each burst began and ended."""
    script = ATTACK.format(bursts=BURSTS, guesses=GUESSES, rate=A_SECOND, pause=PAUSE, fqdn=registry.fqdn, user=USER)
    words = host.run(script).stdout.split()
    times = [float(words[index + 1]) for index, word in enumerate(words) if word in ("begin", "end")]
    return Counter(word for word in words if len(word) == 3 and word != "end"), list(
        zip(times[::2], times[1::2], strict=True)
    )


@contextmanager
def _configuration(host: LabHost, registry: Deployed, line: str) -> Iterator[str]:
    """Flags by which curl reads the password from a file."""
    path = "/root/guessing.curlrc"
    assert registry.fqdn
    host.put_file(path, f"{line}\n", mode=0o600)
    yield f"--cacert /root/registry-ca.pem -K {shlex.quote(path)}"
    host.run(["rm", "-f", path])
