"""The accounts file: verified by an implementation that is not ours, and the same on every run."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from passlib.hash import apr_md5_crypt, bcrypt, sha512_crypt

from config import Account, Htpasswd
from config.users import Scheme
from rendering.htpasswd import hash_of, htpasswd_file

SCHEMES: tuple[Scheme, ...] = ("apr1", "sha512", "bcrypt")
VERIFIERS: dict[str, Any] = {"apr1": apr_md5_crypt, "sha512": sha512_crypt, "bcrypt": bcrypt}
READY = "$apr1$/e4lfekL$VmKqyJxKtij.KARJ9tl84/"
PASSWORDS = ("geheim", "mit Leerzeichen und ü", "x" * 72, "'\"$`\\:#")


def _lines(accounts: list[Account], hashing: Htpasswd, fqdn: str = "dr.example.net") -> list[str]:
    """Those of the accounts: no name of one has a space."""
    lines = htpasswd_file(accounts, hashing, fqdn=fqdn, root="/var/opt").content.splitlines()
    return [line for line in lines if " " not in line]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_password_is_verified_and_no_other(scheme: Scheme, password: str) -> None:
    """By passlib, from the hash alone."""
    digest = hash_of(Account("alice", password), Htpasswd(scheme=scheme), "dr.example.net")
    assert VERIFIERS[scheme].verify(password, digest)
    assert not VERIFIERS[scheme].verify(password[:-1] + "?", digest)
    assert password not in digest


@pytest.mark.parametrize(
    ("scheme", "prefix", "length"), [("apr1", "$apr1$", 37), ("sha512", "$6$", 106), ("bcrypt", "$2y$05$", 60)]
)
def test_the_hash_has_the_form_that_nginx_reads(scheme: Scheme, prefix: str, length: int) -> None:
    """apr1 by nginx itself; the others by crypt(), SHA-512 without a `rounds=`."""
    digest = hash_of(Account("alice", "geheim"), Htpasswd(scheme=scheme), "dr.example.net")
    assert digest.startswith(prefix)
    assert len(digest) == length


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("other", SCHEMES)
def test_a_user_can_have_a_scheme_of_its_own(scheme: Scheme, other: Scheme) -> None:
    """Whatever the others have: the hash is that of the same password under that scheme."""
    own = hash_of(Account("alice", "geheim", scheme=scheme), Htpasswd(scheme=other), "dr.example.net")
    assert own == hash_of(Account("alice", "geheim"), Htpasswd(scheme=scheme), "dr.example.net")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_settings_give_the_same_file(scheme: Scheme) -> None:
    """On every run and every machine: no preview shows a change that is none."""
    accounts = [Account("alice", "geheim"), Account("bob", "anders")]
    assert _lines(accounts, Htpasswd(scheme=scheme)) == _lines(accounts, Htpasswd(scheme=scheme))


def test_the_file_of_today_is_the_file_of_tomorrow() -> None:
    """Golden: a release that hashed otherwise would rewrite every stack's accounts."""
    assert _lines([Account("alice", "geheim")], Htpasswd()) == ["alice:$apr1$pzcbe8HA$NlbsXnGuRMGqZ5OBoVGB8."]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_password_has_another_hash_for_each_user_and_host(scheme: Scheme) -> None:
    """Nobody sees from two files, or two lines, that a password is used twice."""
    hashes = [
        hash_of(Account(name, "geheim"), Htpasswd(scheme=scheme), fqdn)
        for name, fqdn in itertools.product(("alice", "bob"), ("a.example.net", "b.example.net"))
    ]
    salts = {digest[:28] if scheme == "bcrypt" else digest.split("$")[2] for digest in hashes}
    assert len(set(hashes)) == len(salts) == 4


def test_the_salt_tells_nothing_of_the_password() -> None:
    """It stays the same when the password changes."""
    one, two = (hash_of(Account("alice", word), Htpasswd(), "dr.example.net") for word in ("one", "two"))
    assert one.split("$")[2] == two.split("$")[2]
    assert one != two


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_ready_made_hash_is_handed_through(scheme: Scheme) -> None:
    """Whatever the scheme of the others."""
    assert _lines([Account("bob", hash=READY)], Htpasswd(scheme=scheme)) == [f"bob:{READY}"]


@pytest.mark.parametrize("cost", [None, 5, 6, 12])
def test_bcrypt_costs_what_the_settings_say(cost: int | None) -> None:
    """5 where they say nothing."""
    digest = hash_of(Account("alice", "geheim"), Htpasswd(scheme="bcrypt", bcrypt_cost=cost), "dr.example.net")
    assert digest.startswith(f"$2y${cost or 5:02}$")


def test_accounts_keep_their_order() -> None:
    """One line each, in the order of the settings."""
    names = ["zoe", "alice", "böb", "mallory"]
    lines = _lines([Account(name, "geheim") for name in names], Htpasswd())
    assert [line.partition(":")[0] for line in lines] == names


def test_the_file_lies_where_nginx_mounts_it() -> None:
    """Below the storage root, and ends in a line end."""
    file = htpasswd_file([Account("alice", "geheim")], Htpasswd(), fqdn="dr.example.net", root="/srv")
    assert file.path == "/srv/nginx/etc/auth/registry.htpasswd"
    assert file.content.endswith("\n")


def test_a_user_without_password_and_hash_is_an_error() -> None:
    """That names the user; nobody gets in with an empty password."""
    with pytest.raises(ValueError, match="mallory"):
        hash_of(Account("mallory"), Htpasswd(), "dr.example.net")
