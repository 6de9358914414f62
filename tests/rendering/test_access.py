"""Who may do what, decided by nginx's maps, which are evaluated here; the real nginx decides in the lab."""

from __future__ import annotations

import pytest

from config.access import Access
from rendering.access import access_file
from tests.rendering.nginx_maps import Maps
from tests.rendering.sites import STRANGE_NAMES, rights_of, user

DIGEST = "sha256:" + "0a" * 32
USERS = [
    user("admin"),
    user("pusher", role="push"),
    user("puller", role="pull"),
    user("team", role="push", repositories=("team-a/*", "tools.x"), pull_only=("base/*",)),
    user("lead", repositories=("team-a/*",), pull_only=("*",)),
    user("mid", role="pull", repositories=("*/mid-*",)),
    user("factor", role="pull", repositories=("*2fa*", "*fb")),
    *(user(name, role="pull") for name in STRANGE_NAMES),
]


def _maps(*anonymous: str) -> Maps:
    access = Access(anonymous_pull=anonymous)
    return Maps(access_file(users=USERS, access=access, stack="a/b/c", root="/var/opt").content)


MAPS, OPEN, PARTLY = _maps(), _maps("*"), _maps("public/*")


def _answer(account: str, method: str, uri: str, maps: Maps = MAPS) -> str:
    """The status with which nginx answers by itself; nothing where the registry is asked."""
    return maps.value("answer", request_method=method, request_uri=uri, account=account)


ALLOWED = ""
REQUESTS = {
    "login": ("GET", "/v2/"),
    "catalog": ("GET", "/v2/_catalog?n=1000"),
    "tags": ("GET", "/v2/{}/tags/list?n=5&last=a"),
    "manifest": ("GET", "/v2/{}/manifests/latest"),
    "by digest": ("HEAD", f"/v2/{{}}/manifests/{DIGEST}"),
    "encoded digest": ("GET", f"/v2/{{}}/blobs/{DIGEST.replace(':', '%3A')}"),
    "blob": ("GET", f"/v2/{{}}/blobs/{DIGEST}"),
    "referrers": ("GET", f"/v2/{{}}/referrers/{DIGEST}"),
    "start": ("POST", "/v2/{}/blobs/uploads/"),
    "piece": ("PATCH", "/v2/{}/blobs/uploads/0b1c-2d?_state=abc%3D"),
    "finish": ("PUT", f"/v2/{{}}/blobs/uploads/0b1c-2d?digest={DIGEST}"),
    "give up": ("DELETE", "/v2/{}/blobs/uploads/0b1c-2d"),
    "put": ("PUT", "/v2/{}/manifests/v1.0_x-y"),
    "delete": ("DELETE", f"/v2/{{}}/manifests/{DIGEST}"),
    "delete tag": ("DELETE", "/v2/{}/manifests/latest"),
    "delete blob": ("DELETE", f"/v2/{{}}/blobs/{DIGEST}"),
}
PULL = {"tags", "manifest", "by digest", "encoded digest", "blob", "referrers"}
PUSH = PULL | {"start", "piece", "finish", "give up", "put"}
DELETE = PUSH | {"delete", "delete tag", "delete blob"}
MATRIX = {
    ("admin", "any/thing"): DELETE | {"catalog"},
    ("pusher", "any"): PUSH | {"catalog"},
    ("puller", "any"): PULL | {"catalog"},
    ("team", "team-a/x"): PUSH,
    ("team", "team-a/x/y"): PUSH,
    ("team", "team-a"): set(),
    ("team", "team-ab/x"): set(),
    ("team", "x/team-a/x"): set(),
    ("team", "tools.x"): PUSH,
    ("team", "toolsyx"): set(),
    ("team", "tools.x/y"): set(),
    ("team", "base/x"): PULL,
    ("team", "other"): set(),
    ("lead", "team-a/x"): DELETE | {"catalog"},
    ("lead", "other"): PULL | {"catalog"},
    ("mid", "a/b/mid-x"): PULL,
    ("mid", "mid-x"): set(),
    # Nobody has granted this one anything; it can't be logged in either.
    ("stranger", "team-a/x"): None,
}


@pytest.mark.parametrize(("user", "repository"), MATRIX)
def test_roles_and_repositories(user: str, repository: str) -> None:
    """Every request of a client, and nothing beyond the role."""
    rights = MATRIX[user, repository]
    found = {name for name, (m, uri) in REQUESTS.items() if _answer(user, m, uri.format(repository)) == ALLOWED}
    assert found == (set() if rights is None else rights | {"login"})
    refused = REQUESTS.keys() - found
    assert {_answer(user, m, uri.format(repository)) for m, uri in map(REQUESTS.__getitem__, refused)} <= {"403"}


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_strange_names_of_accounts(name: str) -> None:
    """None means anything to nginx, and none is taken for another."""
    assert _answer(name, "GET", "/v2/any/tags/list") == ALLOWED
    assert _answer(name, "PUT", "/v2/any/manifests/a") == "403"


def test_names_that_hold_the_words_of_the_api() -> None:
    """The last of them counts, as for the registry."""
    for kind in ("manifests", "blobs", "tags", "blobs/uploads", "referrers"):
        uri = f"/v2/team-a/{kind}/x/tags/list"
        assert _answer("team", "GET", uri) == ALLOWED
        assert _answer("team", "GET", f"/v2/other/{kind}/team-a/x/tags/list") == "403"
        assert _answer("team", "GET", f"/v2/other/{kind}/manifests/team-a") == "403"


@pytest.mark.parametrize(
    "uri",
    [
        "/v2",
        "/v2//",
        "/v2/other//tags/list",
        "/v2/team-a/../other/tags/list",
        "/v2/team-a/%2e%2e/other/tags/list",
        "/v2/team-a%2Fx/tags/list",
        "/v2/team-a%2f..%2fother/tags/list",
        "/v2/team-a/x/../../other/manifests/latest",
        "/v2/team-a/x/manifests/..",
        "/v2/team-a/x/manifests/%2e%2e",
        "/v2/team-a/x/manifests/a/b",
        "/v2/team-a/x/blobs/uploads/..",
        "/v2/team-a/x/blobs/uploads/%2e%2e/%2e%2e",
        "/v2/team-a/x/blobs/uploads",
        "/v2/./team-a/x/tags/list",
        "/v2/team-a/x/tags/list/",
        "/v2/team-a/x/tags/list#",
        "/v2/team-a/x/tags/list?a#/../../other",
        "/v2/team-a/x;y/tags/list",
        "/v2/TEAM-A/x/tags/list",
        "/v2/team-a/x\\y/tags/list",
        "/v2/_catalog/",
        "/v2/_Catalog",
        "/v2/%5fcatalog",
        "/v2/team-a/" + "x" * 600 + "/tags/list",
        "/v2/" + "a/" * 3000 + "tags/list",
        "//v2/other/tags/list",
        "/ui/../v2/other/tags/list",
    ],
    ids=lambda uri: uri[:50],
)
def test_what_would_have_to_be_normalised_is_nothing(uri: str) -> None:
    """Not even the administrator reaches the registry with it."""
    assert {_answer(user, method, uri) for user in ("admin", "team") for method in ("GET", "PUT", "DELETE")} == {"404"}


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "POST", "PATCH"])
def test_other_methods(method: str) -> None:
    """Are not the registry's."""
    assert _answer("admin", method, "/v2/any/manifests/latest") == "405"


def test_without_an_account() -> None:
    """What is open to all is what the settings say, and no more; the others are told to log in."""
    nobody = {name: _answer("", m, uri.format("public/x")) for name, (m, uri) in REQUESTS.items()}
    assert set(nobody.values()) == {"401"}
    partly = {n for n, (m, uri) in REQUESTS.items() if _answer("", m, uri.format("public/x"), PARTLY) == ALLOWED}
    assert partly == PULL
    assert _answer("", "GET", "/v2/private/x/tags/list", PARTLY) == "401"
    opened = {n for n, (m, uri) in REQUESTS.items() if _answer("", m, uri.format("private/x"), OPEN) == ALLOWED}
    assert opened == PULL | {"catalog"}


def test_what_is_open_to_all_is_open_to_accounts() -> None:
    """Whatever their own repositories."""
    assert _answer("team", "GET", "/v2/public/x/tags/list", PARTLY) == ALLOWED
    assert _answer("team", "GET", "/v2/public/x/tags/list") == "403"
    assert _answer("team", "PUT", "/v2/public/x/manifests/a", PARTLY) == "403"


START = "/v2/team-a/x/blobs/uploads/"


@pytest.mark.parametrize(
    ("query", "user", "mounts"),
    [
        (f"mount={DIGEST}&from=team-a/y", "team", True),
        ("from=team-a%2Fy&mount=sha256%3A0a", "team", True),
        ("from=base%2fy&mount=sha256%3A0a", "team", True),
        ("from=base/y&mount=a&origin=r.example.net", "team", True),
        ("from=other/y&mount=a", "team", False),
        ("from=other/y&mount=a", "admin", True),
        ("from=team-a%2Fy%2F..%2F..%2Fother&mount=a", "team", False),
        # Twice, or spelt in another way: what the registry makes of it is not for us to guess.
        ("from=team-a/y&from=other/y&mount=a", "team", False),
        ("from=team-a/y&from=other/y&mount=a", "admin", False),
        ("from=team-a/y&%66rom=other/y&mount=a", "team", False),
        ("%66rom=other/y&mount=a", "team", False),
        ("from=team-a/y&mount=a&;from=other/y", "team", False),
        ("from=team-a/y;from=other/y&mount=a", "team", False),
        ("from=team-a/y%26from=other/y&mount=a", "team", False),
        ("from=team-a/y&FROM=other/y&mount=a", "team", False),
        ("from=team%2Da/y&mount=a", "team", False),
        ("from=team-a/y+&mount=a", "team", False),
        # The digits of an encoded slash are none of the name.
        ("from=other%2fapp&mount=a", "factor", False),
        ("from=other%2fb&mount=a", "factor", False),
        ("from=other%2Fa-x%2fapp&mount=a", "factor", False),
        ("from=other%2F2fa-app&mount=a", "factor", True),
        ("from=x2fa%2fapp&mount=a", "factor", True),
        ("from=other%2Ffb&mount=a", "factor", True),
        ("from=&mount=a", "admin", False),
        ("digest=a", "admin", False),
        ("x=" + "y" * 3000 + "&from=team-a/y", "team", False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_mounts(query: str, user: str, mounts: bool) -> None:
    """From where the account may pull; all else becomes an ordinary upload: the registry never sees the query."""
    uri = f"{START}?{query}"
    passed = MAPS.value("registry_uri", request_method="POST", request_uri=uri, account=user)
    assert passed == (uri if mounts else START)


def test_a_form_in_the_body_is_no_query() -> None:
    """The registry would read `from` from it, and the digest of what is put."""
    form = {"content_type": "application/x-www-form-urlencoded"}
    for method, path in (("POST", "blobs/uploads/"), ("PUT", "blobs/uploads/0b1c"), ("PATCH", "blobs/uploads/0b1c")):
        uri = f"/v2/team-a/x/{path}"
        assert MAPS.value("registry_content_type", request_method=method, request_uri=uri, **form) == ""
    manifest = MAPS.value("registry_content_type", request_method="PUT", request_uri="/v2/a/manifests/x", **form)
    assert manifest == form["content_type"]


def test_other_requests_pass_as_they_were_sent() -> None:
    """With their query."""
    uri = "/v2/team-a/x/blobs/uploads/0b1c?_state=a&digest=sha256%3A0a"
    assert MAPS.value("registry_uri", request_method="PUT", request_uri=uri, account="team") == uri


def test_whom_a_client_claims_to_be() -> None:
    """A name as it is, nobody where there is none, and nothing that would end a header of the answer."""
    for anonymous in ((), ("*",)):
        passwords, *_ = rights_of(Access(anonymous_pull=anonymous))
        maps = Maps(passwords.content)
        assert [maps.value("claimed", remote_user=name) for name in ("alice", "ümlaut", "")] == ["alice", "ümlaut", ""]
        assert maps.value("claimed", remote_user="a\r\nX-Account: alice") == "(not printable)"


def test_the_same_rights_have_the_same_number() -> None:
    """So that a hundred accounts of a kind cost no more than one."""
    content = access_file(users=USERS, access=Access(), stack="a/b/c", root="/var/opt").content
    assert content.count('" 3;') == 1 + len(STRANGE_NAMES)
    assert not [line for line in content.splitlines() if line != line.rstrip()]


HOST, OWN = "dr.example.net", "https://dr.example.net"


@pytest.mark.parametrize(
    ("site", "origin", "host"),
    [
        ("", "", HOST),
        ("none", "", HOST),
        ("same-origin", OWN, HOST),
        ("", OWN, f"{HOST}:443"),
        ("", f"{OWN}:8443", f"{HOST}:8443"),
        ("", OWN, HOST.upper()),
    ],
)
def test_who_asks_from_nowhere_else_may_write(site: str, origin: str, host: str) -> None:
    """Clients that are no browsers say nothing of sites."""
    said = {"http_sec_fetch_site": site, "http_origin": origin, "http_host": host}
    for method in ("PUT", "GET"):
        request = {"request_method": method, "request_uri": "/v2/any/manifests/a"}
        assert MAPS.value("answer", account="admin", **request, **said) == ALLOWED


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("cross-site", ""),
        ("same-site", ""),
        ("cross-site", OWN),
        ("same-origin, cross-site", OWN),
        ("", "null"),
        ("", "https://elsewhere.example"),
        ("", "http://dr.example.net"),
        ("", f"{OWN}:8443"),
        ("", f"{OWN}.elsewhere.example"),
        ("", f"{OWN} {OWN}"),
    ],
)
def test_who_asks_from_elsewhere_may_only_read(site: str, origin: str) -> None:
    """By no method but two, whatever else it is called."""
    said = {"http_sec_fetch_site": site, "http_origin": origin, "http_host": HOST}
    for method in ("PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get", "GETS"):
        request = {"request_method": method, "request_uri": "/v2/any/manifests/a"}
        assert MAPS.value("answer", account="admin", **request, **said) == "403", method
    for method in ("GET", "HEAD"):
        request = {"request_method": method, "request_uri": "/v2/any/manifests/a"}
        assert MAPS.value("answer", account="admin", **request, **said) == ALLOWED
