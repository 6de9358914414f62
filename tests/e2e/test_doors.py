"""Doors that an attack found open, each tried as the attack did."""

from __future__ import annotations

import base64
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.clean_up import within
from tests.e2e.doors import (
    ACCESS,
    BESIDE,
    BODIES,
    ERROR,
    GUESSED,
    REMEMBERED,
    Drips,
    after_guesses,
    dripping,
    guess,
    guess_at_once,
    head,
    heard,
    logged,
    login,
    raw,
    seconds_of,
    status_of,
    with_strangers,
)
from tests.e2e.role_users import PASSWORD, Api, forget, restored, settings
from tests.e2e.support import USER, Deployed
from tests.lab.browser import open_page
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

SECRET, OPEN = "doors-b/secret", "doors-a/app"
ELSEWHERE = "http://elsewhere.example"
SLOW, HASH = "pusher", 0.06
"""An account whose hash is bcrypt's, and about the seconds that a comparison with it takes."""

LONGEST_LINE = 4096


@pytest.fixture(scope="module")
def roles(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry with more accounts, one of them with a slow hash."""
    with restored(deployed):
        deployed.stack.configure(with_strangers(settings(deployed, htpasswd={"bcryptCost": 10})))
        deployed.stack.up()
        yield deployed
    forget(deployed, "doors-a", "doors-b")


@pytest.fixture(scope="module")
def mount(roles: Deployed) -> str:
    """The path of a request that puts a layer of a secret repository into another."""
    digest = Api(roles, USER).push_blob(SECRET, b"a secret")
    return f"/v2/{OPEN}/blobs/uploads/?mount={digest}&from={SECRET}"


# --- other sites in a browser -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "says",
    [
        {"Origin": ELSEWHERE},
        {"Origin": "null"},
        {"Origin": "https://registry.example.net.elsewhere.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://registry.example.net"},
    ],
)
def test_nothing_is_changed_for_another_site(roles: Deployed, mount: str, says: dict[str, str]) -> None:
    """With the right password, which a browser sends by itself; to look on is free."""
    alice = Api(roles, USER)
    assert alice.code("POST", mount, **says) == "DENIED"
    assert alice.code("DELETE", f"/v2/{SECRET}/manifests/latest", **says) == "DENIED"
    assert alice.ask("GET", "/v2/", **says).status == 200


def test_clients_and_the_page_say_who_they_are(roles: Deployed, mount: str) -> None:
    """Or nothing of it."""
    alice = Api(roles, USER)
    own = f"https://{roles.fqdn}"
    for says in ({}, {"Origin": own}, {"Origin": own, "Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}):
        assert alice.ask("POST", mount, **says).status == 201, says


def test_a_form_on_another_site_changes_nothing(roles: Deployed) -> None:
    """In a browser that has the administrator's password."""
    digest = Api(roles, USER).push_blob(SECRET, b"another secret")
    url = f"https://{roles.fqdn}/v2/doors-a/form/blobs/uploads/?mount={digest}&from={SECRET}"
    inside = f"https://{roles.fqdn}/v2/"
    with open_page(
        inside, roles.fqdn, roles.host.address, authority=roles.ca, username=USER, password=roles.password
    ) as page:
        form = f'<form method=post action="{url}"><button>win a prize</button></form>'
        page.route(f"{ELSEWHERE}/**", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto(f"{ELSEWHERE}/")
        with page.expect_response(url) as answered:
            page.click("button")
        assert answered.value.status == 403
    assert Api(roles, USER).ask("HEAD", f"/v2/doors-a/form/blobs/{digest}").status == 404


def test_another_site_logs_nobody_out(roles: Deployed) -> None:
    """Neither by asking for the address, nor by a form. The page's own button does."""
    shown = roles.get("/ui/logout")
    assert shown.status == 200
    assert "clear-site-data" not in shown.headers
    for says, status in (
        (f"Origin: {ELSEWHERE}", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        (f"Origin: https://{roles.fqdn}", 200),
    ):
        answer = raw(roles, head("POST", "/ui/logout", roles.fqdn, says, "Content-Length: 0", "Connection: close"))
        assert status_of(answer) == status, says
        assert (b"Clear-Site-Data" in answer) == (status == 200)


# --- passwords --------------------------------------------------------------------------------------------------------
def test_wrong_passwords_lock_nobody_else_out(roles: Deployed, client: Client) -> None:
    """Behind one address another account gets in, though its password isn't remembered; the same one from elsewhere."""
    with ThreadPoolExecutor(1) as pool:
        attack = pool.submit(guess, client.host, roles, GUESSED, 400, 50)
        assert within(30, lambda: login(client.host, roles, GUESSED, f"wrong {time.time_ns()}") == "429")
        own = after_guesses(client.host, roles, GUESSED, PASSWORD)
        other = login(client.host, roles, BESIDE, PASSWORD)
        elsewhere = Api(roles, GUESSED).ask("GET", "/v2/").status
        assert not attack.done()
        assert attack.result()["429"] > 200
    assert (own, other, elsewhere) == ("429", "200", 200)


def test_a_name_after_the_other_is_tried_within_bounds(roles: Deployed, client: Client) -> None:
    """An address that tries names instead of passwords is slowed down, at a higher bound. `-s` prints what it took."""
    host, run = client.host, time.time_ns()
    lines = [
        f'url = "https://{roles.fqdn}/v2/"\nuser = "n{run}-{number}:x"\noutput = /dev/null\n'
        'write-out = "%{http_code}\\n"\ncacert = /root/registry-ca.pem\nsilent'
        for number in range(250)
    ]
    host.put_file("/root/doors", "\nnext\n".join(lines) + "\n", mode=0o600)
    began = time.monotonic()
    found = host.run("curl --parallel --parallel-max 100 -K /root/doors; rm /root/doors").stdout.split()
    seconds = time.monotonic() - began
    print(f"\n{len(found)} names took {seconds:.0f} s")
    assert set(found) <= {"401", "429"}
    # The first ones at once, and then ten a second.
    assert seconds > 15


def test_a_right_password_is_remembered_while_it_is_used(roles: Deployed) -> None:
    """For longer than the ten minutes after which one that is not used is forgotten; by nginx's own record."""
    since = roles.host.run("date +%s.%N").stdout.strip()
    assert Api(roles, REMEMBERED).ask("GET", "/v2/").status == 200
    files = f"find /var/cache/nginx/accounts -type f -newermt @{since}"
    ask = f'docker exec --user nginx nginx sh -c "{files} | xargs -n 1 od -An -t d8 -j 8 -N 8"'
    records = roles.host.run(ask).stdout.split()
    assert max(int(record) for record in records) - time.time() > 20 * 3600


def test_known_names_take_no_longer_than_unknown_ones(roles: Deployed) -> None:
    """A comparison with a hash of this kind takes some 60 ms. `-s` prints the shortest times, which no load makes.

    On a busy machine they come late: then more are measured, as many as the bounds of attempts let.
    An unknown name is compared with any kind of hash that the accounts have, but always with the same.
    """
    strangers = (f"stranger-{number}" for number in range(40))
    slow = next((name for name in strangers if min(seconds_of(roles, name, 3)) > HASH / 2), None)
    assert slow, "no unknown name takes as long as a known one with a slow hash"
    times: dict[str, list[float]] = {SLOW: [], slow: []}
    ratio = 0.0
    while not 0.8 < ratio < 1.25 and len(times[SLOW]) < 45:
        for _ in range(15):
            for name, found in times.items():
                found.extend(seconds_of(roles, name, 1))
        known, unknown = map(min, times.values())
        ratio = unknown / known
    print(f"\nknown, bcrypt of cost 10: {known * 1000:.1f} ms; unknown: {unknown * 1000:.1f} ms")
    assert 0.8 < ratio < 1.25


def test_slow_hashes_hold_nobody_up(roles: Deployed, client: Client) -> None:
    """Requests of a client that is logged in go on while many passwords are compared. `-s` prints the times."""
    alice = Api(roles, USER)
    assert alice.ask("GET", "/v2/").status == 200
    attack = threading.Thread(target=lambda: guess_at_once(client.host, roles, SLOW))
    attack.start()
    times = []
    while attack.is_alive():
        began = time.monotonic()
        assert alice.ask("GET", "/v2/").status == 200
        times.append(time.monotonic() - began)
    attack.join()
    # Behind fifty hashes nearly all would be late. On a busy machine a few are, and take most of the time.
    late = sum(seconds > HASH / 2 for seconds in times) / len(times)
    told = f"median {statistics.median(times) * 1000:.1f} ms, longest {max(times) * 1000:.1f} ms"
    print(f"\n{len(times)} requests in {sum(times):.1f} s: {told}; {late:.1%} held up by a hash")
    assert late < 0.1


@pytest.mark.parametrize("length", [300, 1000, 4200, 5000, 6100])
@pytest.mark.parametrize("in_the_name", [True, False])
def test_a_long_name_or_header_is_only_wrong(roles: Deployed, length: int, in_the_name: bool) -> None:
    """401, as for any other that nobody has."""
    name, password = ("n" * length, "p") if in_the_name else (USER, "p" * length)
    answer = roles.get("/v2/", user=name, password=password)
    assert answer.status == 401, answer
    assert "UNAUTHORIZED" in answer.body


# --- logs -------------------------------------------------------------------------------------------------------------
FORGED = b'{"forged":"line"}'
NAMES = [
    b"mallory\n" + FORGED,
    b"mallory\r\n\x1b[31m" + FORGED,
    b"mallory\x9b31m",
    "mallory\u009b31m".encode(),
    "mallory\u202egro.elpmaxe".encode(),
    "mal\u200blory".encode(),
    b"alice\n",
]


def test_logs_hold_printable_text_alone(roles: Deployed) -> None:
    """Whatever name a client claims, and whatever it sends along: in each log, and in Docker's."""
    since = roles.host.run("date +%s").stdout.strip()
    requests = [
        *(
            head("GET", "/v2/", roles.fqdn, f"Authorization: Basic {base64.b64encode(n + b':x').decode()}")
            for n in NAMES
        ),
        head("GET", "/healthz", "elsewhere.example", "Referer: \x1b[31mred\u202e"),
        head("GET", "/healthz\u202e", "elsewhere.example"),
        head("POST", "/ui/", roles.fqdn, "Referer: \x1b[31mred", "Content-Length: 100000"),
        head("GET", "/ui/%0a%7b%22forged%22%3a1%7d%1b%5b31m", roles.fqdn),
        head("GET", "/.well-known/acme-challenge/%0a%7b%22forged%22%3a1%7d%1b%5b31m", roles.fqdn),
    ]
    with logged(roles, ACCESS) as access, logged(roles, ERROR) as error:
        for request in requests:
            raw(roles, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 5)
        with roles.dial(80) as plain:
            plain.sendall(head("GET", "/.well-known/acme-challenge/%0aforged%1b", roles.fqdn, "Connection: close"))
            heard(plain, 5)
        with roles.dial(80) as plain:
            plain.sendall(head("GET", "/.well-known/acme-challenge/abc%0a", roles.fqdn, "Connection: close"))
            heard(plain, 5)
    docker = [
        base64.b64decode(roles.host.run(f"docker logs --since {since} {name} 2>&1 | base64 -w 0").stdout)
        for name in ("nginx", "registry-ui", "registry")
    ]
    for text in (access[0], error[0], *docker):
        assert all(sign.isprintable() or sign == "\n" for sign in text.decode()), text
        assert not [line for line in text.splitlines() if line.startswith((FORGED, b"forged", b'{"forged'))]
    assert b"(not printable)" in access[0]


def test_a_line_of_the_access_log_is_short(roles: Deployed) -> None:
    """However much is asked, by whatever method; what was asked is still to be seen."""
    name = base64.b64encode(b'"' * 250 + b":x").decode()
    path = "/v2/" + "a" * 3500 + "/manifests/" + "b" * 3500
    lines = ["User-Agent: " + "\\" * 7000, f"Authorization: Basic {name}", "Connection: close"]
    with logged(roles, ACCESS) as found:
        raw(roles, head("GET", path, roles.fqdn, *lines))
        raw(roles, head("A" * 7000, "/v2/", roles.fqdn, *lines))
    sizes = [len(line) for line in found[0].splitlines()]
    assert len(sizes) >= 2
    assert max(sizes) <= LONGEST_LINE
    assert b"/v2/aaaa" in found[0]


# --- requests without an account --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def drips(roles: Deployed) -> Iterator[Drips]:
    """All at once: each may take half a minute."""
    with dripping(roles) as begun:
        yield begun


@pytest.mark.parametrize("asked", BODIES, ids="-".join)
def test_a_body_that_drips_is_not_waited_for(drips: Drips, asked: tuple[str, str, str]) -> None:
    """Where no account is asked for, or none is given: the connection ends, however much still comes."""
    seconds, said = drips[asked].result()
    assert said.startswith(b"HTTP/1.1 ")
    assert seconds < 45, seconds
