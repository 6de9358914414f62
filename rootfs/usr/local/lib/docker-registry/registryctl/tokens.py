"""What a registry asks for when it wants to know who comes, and the tokens that some want for it."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from registryctl.account import Account
from registryctl.endings import EndError

_SCHEME = re.compile(r"\s*(basic|bearer)\b", re.IGNORECASE)
_PAIR = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_CLIENT = "registryctl"


class _HasBody(Protocol):
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for: a password (basic), or a token (bearer) from somebody else."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""

    @classmethod
    def parse(cls, headers: Iterable[str]) -> Challenge | None:
        """The first that is known among the headers WWW-Authenticate."""
        for header in headers:
            if scheme := _SCHEME.match(header):
                pairs = {name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(header[scheme.end() :])}
                words = (pairs.get(name, "") for name in ("realm", "service", "scope"))
                return cls(scheme[1].lower(), *words)
        return None


class TokenClient:
    """Gets tokens for an account, or for nobody, and keeps them for as long as the program runs."""

    def __init__(
        self, challenge: Challenge, account: Account | None, opened: Callable[[urllib.request.Request], _HasBody]
    ) -> None:
        self._challenge, self._account, self._opened = challenge, account, opened
        self._tokens: dict[str, str] = {}
        realm = urllib.parse.urlsplit(challenge.realm)
        local = realm.hostname in {"localhost", "127.0.0.1", "::1"}
        if realm.scheme != "https" and not (realm.scheme == "http" and local):
            raise EndError("UNAUTHORIZED", f"the registry wants a token from {challenge.realm}, which is not safe")

    def header(self, scope: str) -> str:
        """The header for what is wanted, with the token that is there for it."""
        return f"Bearer {self._tokens.get(scope) or self.fetch(scope)}"

    def fetch(self, scope: str, kept_for: str = "") -> str:
        """Gets a token. Raises `EndError`."""
        try:
            found = json.loads(self._opened(self._request(scope)).body)
            token = found.get("token") or found["access_token"]
        except urllib.error.HTTPError as error:
            error.close()
            name = "UNAUTHORIZED" if error.code in {400, 401, 403} else "UNAVAILABLE"
            raise EndError(name, f"{self._challenge.realm} gives no token ({error.code})") from None
        except (ValueError, KeyError, AttributeError, TypeError):
            raise EndError("FAILED", f"{self._challenge.realm} answers with no token") from None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise EndError("FAILED", f"{self._challenge.realm} answers with no token")
        self._tokens[kept_for or scope] = token
        return token

    def _request(self, scope: str) -> urllib.request.Request:
        words = {"service": self._challenge.service, "scope": scope}
        account = self._account
        if account is not None and account.token:
            words |= {"grant_type": "refresh_token", "client_id": _CLIENT, "refresh_token": account.token}
            body = urllib.parse.urlencode(words).encode()
            return urllib.request.Request(self._challenge.realm, data=body, method="POST")  # noqa: S310 - see above
        if account is not None:
            words["account"] = account.name
        joint = "&" if urllib.parse.urlsplit(self._challenge.realm).query else "?"
        request = urllib.request.Request(f"{self._challenge.realm}{joint}{urllib.parse.urlencode(words)}")  # noqa: S310
        if account is not None:
            request.add_unredirected_header("Authorization", account.basic)
        return request
