"""Accounts that nobody has. An unknown name's password is compared with their hashes, so that it takes equally long."""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from config.users import Htpasswd, User, password_hash

# Nine bytes with the colon: whole groups of Base64, to which more can be appended. No account's name has a space.
_NAME = "noone {:02}"
_MOST = 99
# As long as the digest of apr1, the shortest.
_REPLACED = 22

LONGEST = 680
"""From this length on a header is no account's: longer than any name, and password, with what belongs to it."""

TOO_LONG = base64.b64encode(b"(too long):").decode()
"""What is said in place of such a header: a name that no account can have."""


def nobodies(hashes: Iterable[str], fqdn: str) -> list[dict[str, str]]:
    """An account for each kind of hash, with a hash that no password fits."""
    first: dict[str, str] = {}
    for text in hashes:
        first.setdefault(password_hash(text).kind, text)
    digest = hashlib.sha256(f"nobody\0{fqdn}".encode()).digest()
    # Only some bits of the last character count; with a dot there are none in any scheme.
    unfit = base64.b64encode(digest, altchars=b"./").decode()[: _REPLACED - 1] + "."
    return [
        {"name": _NAME.format(number), "hash": text[:-_REPLACED] + unfit}
        for number, text in enumerate(list(first.values())[:_MOST], start=1)
    ]


def prefixes(users: Sequence[User], htpasswd: Htpasswd) -> list[str]:
    """What goes before a client's own words, in Base64, to name each of those accounts: by their number alone."""
    kinds = dict.fromkeys(htpasswd.kind_of(user) for user in users)
    numbers = range(1, max(1, min(len(kinds), _MOST)) + 1)
    return [base64.b64encode(f"{_NAME.format(number)}:".encode()).decode() for number in numbers]
