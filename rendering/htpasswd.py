"""`registry.htpasswd`: one `name:hash` a line, the same for the same settings on every run."""

import hashlib
from collections.abc import Callable, Sequence

from passlib.hash import apr_md5_crypt, bcrypt, sha512_crypt
from passlib.utils.binary import bcrypt64, h64

from config.secrets import Account
from config.users import SHA512_ROUNDS, Htpasswd
from rendering.nobody import nobodies
from rendering.rootfs import HostFile, render


def _salt_bytes(fqdn: str, name: str) -> bytes:
    """The salt's bytes: public and fixed for a user on a host.

    A random salt would change the file on every run. One derived from the password would hand an attacker
    a quick test for guesses, so it comes from the host's name and the user's alone.
    """
    return hashlib.sha256(f"htpasswd\0{fqdn}\0{name}".encode()).digest()


def _apr1(password: str, salt: bytes, _: Htpasswd) -> str:
    return str(apr_md5_crypt.using(salt=h64.encode_bytes(salt[:6]).decode()).hash(password))


def _sha512(password: str, salt: bytes, _: Htpasswd) -> str:
    return str(sha512_crypt.using(salt=h64.encode_bytes(salt[:12]).decode(), rounds=SHA512_ROUNDS).hash(password))


def _bcrypt(password: str, salt: bytes, htpasswd: Htpasswd) -> str:
    # "2y" is the identifier that Apache's htpasswd writes and both it and crypt() read.
    encoded = bcrypt64.encode_bytes(salt[:16]).decode()
    return str(bcrypt.using(salt=encoded, rounds=htpasswd.cost, ident="2y").hash(password))


_SCHEMES: dict[str, Callable[[str, bytes, Htpasswd], str]] = {
    "apr1": _apr1,
    "sha512": _sha512,
    "bcrypt": _bcrypt,
}


def hash_of(account: Account, htpasswd: Htpasswd, fqdn: str) -> str:
    """The account's hash; a ready-made one is handed through. `fqdn` is the host's FQDN."""
    if account.hash is not None:
        return account.hash
    if account.password is None:
        raise ValueError(f"user {account.name} has neither a password nor a hash")
    return _SCHEMES[account.scheme or htpasswd.scheme](account.password, _salt_bytes(fqdn, account.name), htpasswd)


def htpasswd_file(accounts: Sequence[Account], htpasswd: Htpasswd, *, fqdn: str, root: str) -> HostFile:
    """The file with the accounts in the order of the settings, and then those that nobody has."""
    lines = [{"name": account.name, "hash": hash_of(account, htpasswd, fqdn)} for account in accounts]
    lines += nobodies([line["hash"] for line in lines], fqdn)
    return render("/var/opt/nginx/etc/auth/registry.htpasswd", root=root, accounts=lines)
