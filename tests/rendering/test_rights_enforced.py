"""The real proxy shows of a large catalogue what an account may pull, and ends accounts in their second."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from config.access import Access
from tests.lab.docker import docker
from tests.rendering.proxy_connection import Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.rights_trial import put_repositories, walk
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

MANY, SEEN = 10_000, 50
AT_ONCE = 60
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """One for all; each test brings its own accounts."""
    with proxied([user("alice")]) as found:
        yield found


@pytest.mark.parametrize("query", ["n=-1", "n=x", "n=1001", "n=5e1", "n=99999999999999999999"])
def test_a_page_of_no_size_is_refused_as_the_registry_does(proxy: Proxy, query: str) -> None:
    """With its code."""
    proxy.configure([user("alice"), user("bob", repositories=("a/*",))])
    proxy.reload()
    answers = [proxy.connection(name).ask("GET", f"/v2/_catalog?{query}") for name in ("alice", "bob")]
    assert [found.status for found in answers] == [400, 400]
    assert {found.json["errors"][0]["code"] for found in answers} == {"PAGINATION_NUMBER_INVALID"}


@pytest.mark.parametrize("query", ["n=0", "n=", "n=5&n=1000", "%6e=3", "last=%ff", "last=..%2F..", "x&n=7&y", "n=%35"])
def test_odd_queries_hide_as_much(proxy: Proxy, query: str) -> None:
    """And are read as the registry reads them."""
    names = {f"a/r{number:03}" for number in range(9)} | {"b/x"}
    put_repositories(proxy.storage, names)
    proxy.configure([user("alice", repositories=("*",)), user("bob", repositories=("*/r*",))])
    proxy.reload()
    whole, mine = (proxy.connection(name).ask("GET", f"/v2/_catalog?{query}") for name in ("alice", "bob"))
    assert (whole.status, mine.status) == (200, 200)
    shown = mine.json["repositories"]
    assert all("/r" in name for name in shown)
    size = {"n=0": 0, "n=5&n=1000": 5, "%6e=3": 3, "x&n=7&y": 7, "n=%35": 5, "last=%ff": 0}.get(query, 100)
    assert len(shown) == min(size, 9)
    assert len(whole.json["repositories"]) == min(size, len(walk(proxy.connection("alice"), "/v2/_catalog")))


def test_the_longest_requests_can_be_compared(proxy: Proxy) -> None:
    """Compiled expressions have a stack of their own, with an end: none is reached by what a client can send."""
    proxy.configure([user("alice"), user("bob", repositories=("*a*b*c*d*", "team/*"))])
    proxy.reload()
    names = ["a" * 255, "a/" * 127 + "a", "a-" * 127 + "a", "a__" * 84 + "a", "a." * 127 + "a", "a-b/c__d.e/" * 23]
    digest = "sha256:" + "a" * 64
    sent = {"User_Agent": "x" * 256, "Origin": f"https://{'a.' * 500}b", "Referer": "x" * 3000}
    for connection in map(proxy.connection, ("alice", "bob", "\u00e9" * 127)):
        for name in (one.rstrip("/") for one in names):
            for method, path in (
                ("GET", f"{name}/tags/list"),
                ("GET", f"{name}/manifests/{'A1.' * 42}"),
                ("GET", f"{name}/blobs/{digest}"),
                ("POST", f"{name}/blobs/uploads/?from={name}&mount={digest}{'&a=b' * 200}"),
            ):
                answer = connection.ask(method, f"/v2/{path}", b"" if method == "POST" else None, **sent)
                assert answer.status < 500, (method, path, answer.body)
    assert "regex" not in proxy.errors() and "pcre" not in proxy.errors()


def test_long_names_have_room(proxy: Proxy) -> None:
    """A page of the registry's may be larger than what the proxy keeps of one."""
    names = {f"long/{'x' * 80}/{'y' * 80}/{number:04}{'z' * 60}" for number in range(1200)}
    put_repositories(proxy.storage, names)
    proxy.configure([user("bob", repositories=("long/*1*",))])
    proxy.reload()
    assert walk(proxy.connection("bob"), "/v2/_catalog?n=400") == sorted(n for n in names if "1" in n)


def test_a_walk_through_what_is_mostly_hidden(proxy: Proxy) -> None:
    """Takes at most twice the administrator's time, and little memory; `-s` prints both."""
    names = {f"many/{number:05}/{'app' if number % (MANY // SEEN) else 'seen'}" for number in range(MANY)}
    put_repositories(proxy.storage, names)
    proxy.configure([user("alice"), user("bob", repositories=("many/*/seen",))])
    proxy.reload()
    walks = {name: proxy.connection(name) for name in ("alice", "bob")}
    times: dict[str, list[float]] = {name: [] for name in walks}
    for _ in range(5):
        for name, connection in walks.items():
            began = time.monotonic()
            found = walk(connection, "/v2/_catalog?n=1000")
            times[name].append(time.monotonic() - began)
            assert len(found) == SEEN if name == "bob" else len(found) >= MANY
    memory = _memory(proxy)
    took = {name: min(found) for name, found in times.items()}
    print(f"\n{took}, {took['bob'] / took['alice']:.2f} times as long, {memory} MiB")
    assert took["bob"] < 2 * took["alice"]
    assert memory < 200


def test_an_address_reads_few_catalogues_at_a_time(proxy: Proxy) -> None:
    """Each reads all that is hidden. Other requests are served meanwhile."""
    put_repositories(proxy.storage, {f"more/{number:05}" for number in range(3000)})
    proxy.configure([user("alice")], Access(anonymous_pull=("public/*",)))
    proxy.reload()
    together = Barrier(AT_ONCE)

    def ask(number: int) -> tuple[bool, int]:
        nobody = proxy.connection(None)
        nobody.ask("GET", "/v2/")
        together.wait()
        path = "/v2/_catalog" if number % 2 else "/v2/public/x/tags/list"
        return bool(number % 2), nobody.ask("GET", path).status

    with ThreadPoolExecutor(AT_ONCE) as pool:
        counted = Counter(pool.map(ask, range(AT_ONCE)))
    assert counted[False, 404] == AT_ONCE // 2
    assert counted.keys() <= {(False, 404), (True, 200), (True, 429)}
    assert counted[True, 200] >= 10
    assert counted[True, 429] > 0


def _memory(proxy: Proxy) -> int:
    """The most that a process of nginx has ever had, in MiB."""
    said = docker("exec", proxy.name, "sh", "-c", "cat /proc/[0-9]*/status").stdout
    return max(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmHWM")) // 1024


@pytest.fixture(scope="module")
def ended() -> Iterator[dict[str, Future[None]]]:
    """What was seen in each zone, all at once: it is mostly waiting."""
    with ThreadPoolExecutor() as pool:
        yield {zone: pool.submit(_end, zone) for zone in ZONES}


@pytest.mark.parametrize("zone", ZONES)
def test_an_account_ends_in_its_second(ended: dict[str, Future[None]], zone: str) -> None:
    """On a connection that is open, with a password that is remembered, across reload and restart, in any zone."""
    ended[zone].result()


def _end(zone: str) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=40)
    users = [user("alice"), user("bob", repositories=("team/*",), expires=end), user("carol", expires=end)]
    with proxied(users, Access(anonymous_pull=("public/*",)), zone=zone) as proxy:
        moments = _asked(proxy, end.timestamp() - 18)
        proxy.reload()
        moments += _asked(proxy, end.timestamp() - 14)
        _restart(proxy)
        restarted = time.time()
        moments += _asked(proxy, end.timestamp() + 3)
        late = [one for one in moments if one[0] >= end.timestamp() and one[2] != 401]
        early = [one for one in moments if one[1] < end.timestamp() and one[2] == 401]
        assert (late, early) == ([], [])
        print(f"\n{len(moments)} answers, the last 200 {end.timestamp() - _last_let(moments):.3f} s before the end")
        assert sum(restarted < one[0] < end.timestamp() for one in moments) > 30
        assert sum(one[0] >= end.timestamp() for one in moments) > 30
        _restart(proxy)
        assert proxy.connection("bob").ask("GET", "/v2/").status == 401
        assert proxy.connection("alice").ask("GET", "/v2/").status == 200


def _asked(proxy: Proxy, until: float) -> list[tuple[float, float, int, str]]:
    """When a question began and was answered, how, and which it was: all kinds of them, on connections that stay."""
    kinds = [proxy.connection("bob"), proxy.connection("bob", bearer=True), proxy.connection("carol")]
    moments = []
    while time.time() < until:
        for connection in kinds:
            for path in ("/v2/", "/v2/team/x/tags/list", "/v2/public/x/tags/list", "/v2/_catalog", "/token"):
                began = time.time()
                status = connection.ask("GET", path).status
                moments.append((began, time.time(), status, path))
        time.sleep(0.02)
    return moments


def _last_let(moments: list[tuple[float, float, int, str]]) -> float:
    return max(answered for _, answered, status, _ in moments if status != 401)


def _restart(proxy: Proxy) -> None:
    docker("restart", "--time=1", proxy.name)
    # What answered until then may still do so for a moment.
    time.sleep(2)
    proxy.find()


def test_where_a_browser_logs_in(proxy: Proxy) -> None:
    """Where something is open to all, the page asks nobody; this address does, and leads to the page."""
    proxy.configure([user("alice"), user("bob", repositories=("a/*",))], Access(anonymous_pull=("public/*",)))
    proxy.reload()
    asked = proxy.connection(None).ask("GET", "/login")
    assert (asked.status, asked.headers["www-authenticate"]) == (401, 'Basic realm="Registry realm"')
    for name in ("alice", "bob"):
        let = proxy.connection(name).ask("GET", "/login")
        assert (let.status, let.headers["location"]) == (303, "https://dr.example.net/ui/")
        assert "www-authenticate" not in let.headers
    wrong = Connection(proxy.address, "nobody").ask("GET", "/login", Sec_Fetch_Mode="navigate")
    assert (wrong.status, wrong.headers["www-authenticate"]) == (401, 'Basic realm="Registry realm"')
    proxy.configure([user("alice")])
    proxy.reload()
    # Where nothing is open, the page asks by itself.
    assert proxy.connection("alice").ask("GET", "/login").status == 404
