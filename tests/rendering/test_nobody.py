"""A name that nobody has is answered as late as one that somebody has: what is compared, and with what."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from passlib.hash import apr_md5_crypt, bcrypt, sha512_crypt

from config import Account, Htpasswd
from config.access import Access
from config.nginx import Nginx
from config.site import Site
from config.users import User, password_hash
from rendering.access import accounts_file
from rendering.htpasswd import htpasswd_file
from tests.rendering.nginx_maps import Maps
from tests.rendering.sites import STRANGE_NAMES, user

PASSWORD = "the password"
VERIFIERS: dict[str, Any] = {"apr1": apr_md5_crypt, "sha512": sha512_crypt, "bcrypt": bcrypt}
OPTIONS: dict[str, dict[str, Any]] = {"apr1": {}, "sha512": {"rounds": 7000}, "bcrypt": {"rounds": 5, "ident": "2y"}}
HASHES: dict[str, str] = {name: VERIFIERS[name].using(**OPTIONS[name]).hash(PASSWORD) for name in VERIFIERS}


def _nobodies(*hashes: str) -> dict[str, str]:
    accounts = [Account(f"user{number}", hash=text) for number, text in enumerate(hashes)]
    file = htpasswd_file(accounts, Htpasswd(), fqdn="dr.example.net", root="/var/opt")
    return dict(line.split(":", 1) for line in file.content.splitlines() if " " in line)


def _maps(users: list[User], htpasswd: Htpasswd | None = None) -> tuple[Maps, list[str]]:
    """The maps, and what may come before a client's own words."""
    text = accounts_file(
        users=users,
        htpasswd=htpasswd or Htpasswd(),
        access=Access(),
        nginx=Nginx(),
        site=Site(fqdn="dr.example.net"),
        stack="a/b/c",
        root="/var/opt",
    ).content
    [clients] = re.findall(r"^split_clients .*?\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return Maps(text), [line.split()[1].rstrip(";") for line in clients.splitlines()]


def test_each_kind_of_hash_has_one_that_no_password_fits() -> None:
    """Of the same scheme and cost, so that the comparison takes as long."""
    found = _nobodies(*HASHES.values(), HASHES["apr1"])
    assert list(found) == ["noone 01", "noone 02", "noone 03"]
    for (scheme, real), text in zip(HASHES.items(), found.values(), strict=True):
        assert password_hash(text).kind == password_hash(real).kind
        assert not VERIFIERS[scheme].verify(PASSWORD, text)
        assert len(text) == len(real)


def test_as_many_are_asked_as_there_are() -> None:
    """The one file is made of the hashes, the other of the settings: they have to agree."""
    htpasswd = Htpasswd(scheme="bcrypt", bcrypt_cost=5)
    users = [
        User.model_validate({"name": "a", "password": PASSWORD}),
        User.model_validate({"name": "b", "password": PASSWORD, "scheme": "apr1"}),
        User.model_validate({"name": "c", "password": PASSWORD, "scheme": "sha512"}),
        *(User.model_validate({"name": name, "hash": text}) for name, text in HASHES.items()),
    ]
    accounts = [Account("a", PASSWORD), Account("b", PASSWORD, scheme="apr1")]
    accounts += [Account("c", PASSWORD, scheme="sha512")]
    accounts += [Account(name, hash=text) for name, text in HASHES.items()]
    lines = htpasswd_file(accounts, htpasswd, fqdn="dr.example.net", root="/var/opt").content.splitlines()
    names = [line.partition(":")[0] for line in lines if " " in line]
    _, prefixes = _maps(users, htpasswd)
    assert [base64.b64decode(prefix).decode() for prefix in prefixes] == [f"{name}:" for name in names]
    assert len(names) == 4


def _compared(maps: Maps, name: str, prefix: str) -> tuple[str, str]:
    """The name and password that are compared when a client says it is `name`."""
    header = "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    said = maps.value("compared", http_authorization=header, remote_user=name, nobody=prefix)
    found = base64.b64decode(said.removeprefix("Basic ")).decode()
    return found.partition(":")[0], found.partition(":")[2]


@pytest.mark.parametrize("name", [*STRANGE_NAMES, "alice"])
def test_a_known_name_is_compared_as_it_is(name: str) -> None:
    maps, [prefix] = _maps([user(name)])
    assert _compared(maps, name, prefix) == (name, PASSWORD)


@pytest.mark.parametrize("name", ["Alice", "alic", "alice2", "noone 01", "x" * 200, "ALICE", "alice\n"])
def test_any_other_is_compared_as_nobody(name: str) -> None:
    """With all that the client said, so that a long password takes longer for both."""
    maps, [prefix] = _maps([user("alice")])
    assert _compared(maps, name, prefix) == ("noone 01", f"{name}:{PASSWORD}")


def test_more_than_any_account_has_is_nobody_s() -> None:
    """Name and password of the greatest lengths are let through."""
    maps, _ = _maps([user("alice")])
    for name, password, passes in ((255, 240, True), (255, 300, False), (5000, 1, False), (1, 8000, False)):
        header = "Basic " + base64.b64encode(f"{'n' * name}:{'p' * password}".encode()).decode()
        found = maps.value("credentials", http_authorization=header)
        assert (found == header) == passes
        assert passes or base64.b64decode(found.removeprefix("Basic ")) == b"(too long):"
