"""The HTTP API of a registry, as far as a deletion needs it."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message

from registryctl.account import Account, account_of, trust_of
from registryctl.endings import EXIT, EndError
from registryctl.tokens import Challenge, TokenClient

ACCEPTED = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "oci.artifact.manifest.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v1",
    )
)
SECONDS = 60
LARGEST = 64 << 20
"""Bytes of an answer; a registry takes manifests of 4 MiB at most."""

_BY_STATUS = {
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "MANIFEST_UNKNOWN",
    405: "UNSUPPORTED",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?", re.ASCII)
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?', re.IGNORECASE)
_PAGE = 100


def is_host(text: str) -> bool:
    """Whether it is HOST or HOST:PORT."""
    return _HOST.fullmatch(text) is not None


@dataclass(frozen=True)
class Answer:
    """What came back, when that was no error."""

    headers: Message
    body: bytes


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only what reads may be sent elsewhere, and never from TLS to none."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.get_method() not in {"GET", "HEAD"} or (req.type == "https" and not newurl.startswith("https:")):
            return None
        again = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if again is not None and req.get_method() == "HEAD":
            again.method = "HEAD"
        return again


@dataclass
class Registry:
    """A registry, HOST or HOST:PORT, with the account and the trust that Docker has for it."""

    host: str
    account: Account | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=trust_of(self.host)),
            _Redirects(),
        ]
        self._local = _LOOPBACK.fullmatch(self.host) is not None
        if self._local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        self.account = account_of(self.host)
        self._base = f"https://{self.host}"
        self._header: Callable[[str], str] | None = None

    # What is asked.

    def catalog(self) -> Iterator[str]:
        """The names of all repositories but mirrors', of which nothing can be deleted here."""
        yield from self._pages("/v2/_catalog", "repositories", "registry:catalog:*")

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository. Raises `EndError` NAME_UNKNOWN where there is none."""
        return list(self._pages(f"/v2/{repository}/tags/list", "tags", _pulling(repository), "NAME_UNKNOWN"))

    def head(self, repository: str, reference: str) -> Message:
        """Headers of a manifest: its digest and type."""
        headers = {"Accept": ACCEPTED}
        return self._ask("HEAD", f"/v2/{repository}/manifests/{reference}", _pulling(repository), headers).headers

    def manifest(self, repository: str, digest: str) -> bytes:
        """A manifest as it is."""
        headers = {"Accept": ACCEPTED}
        return self._ask("GET", f"/v2/{repository}/manifests/{digest}", _pulling(repository), headers).body

    def delete(self, repository: str, reference: str) -> None:
        """Delete a manifest or, by its name, a tag alone."""
        self._ask("DELETE", f"/v2/{repository}/manifests/{reference}", f"repository:{repository}:delete")

    # How.

    def _pages(self, path: str, key: str, scope: str, unknown: str = "MANIFEST_UNKNOWN") -> Iterator[str]:
        where, seen = f"{path}?n={_PAGE}", set[str]()
        while where:
            answer = self._ask("GET", where, scope, unknown=unknown)
            try:
                names = json.loads(answer.body).get(key) or []
            except (ValueError, AttributeError):
                raise EndError("FAILED", f"{self.host} answered {path} with something else") from None
            fresh = [name for name in names if isinstance(name, str) and name not in seen]
            seen.update(fresh)
            mirrored = tuple(f"{prefix}/" for prefix in answer.headers.get("Docker-Registry-Mirrored", "").split())
            if mirrored and key == "tags":
                # To look at each would fetch all of them from the other registry.
                raise EndError("UNSUPPORTED", f"{path} of {self.host} is mirrored there: nothing of it can be deleted")
            yield from (name for name in fresh if not name.startswith(mirrored))
            # No further where nothing new came: however it counts, that is the end.
            where = self._next(answer.headers, path, fresh) if fresh else ""

    def _next(self, headers: Message, path: str, fresh: list[str]) -> str:
        link = _NEXT.search(headers.get("Link", ""))
        if link is None:
            # Those that don't tell send at most what was asked for.
            last = urllib.parse.quote(fresh[-1], safe="")
            return f"{path}?n={_PAGE}&last={last}" if len(fresh) >= _PAGE else ""
        query = urllib.parse.urlsplit(link[1]).query
        return f"{path}?{query}"

    def _ask(
        self,
        method: str,
        path: str,
        scope: str,
        headers: Mapping[str, str] | None = None,
        unknown: str = "MANIFEST_UNKNOWN",
    ) -> Answer:
        for last in (False, True):
            request = urllib.request.Request(self._base + path, method=method, headers=dict(headers or {}))  # noqa: S310
            if self._header is not None:
                # Not for whoever it may be redirected to.
                request.add_unredirected_header("Authorization", self._header(scope))
            try:
                return self._open(request)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != http.client.UNAUTHORIZED or last or not self._take_up(error.headers, scope):
                        raise self._error(error, unknown) from None
        raise AssertionError

    def _take_up(self, headers: Message, scope: str) -> bool:
        """Whether there is another try, with the account, after the registry has asked for one."""
        challenge = Challenge.parse(headers.get_all("WWW-Authenticate") or [])
        if challenge is None:
            return False
        if challenge.scheme == "basic":
            account = self.account
            if account is None or not account.name or self._header is not None:
                return False
            self._header = lambda _: account.basic
            return True
        tokens = TokenClient(challenge, self.account, self._open)
        # Where the registry names what it wants, it knows best.
        tokens.fetch(challenge.scope or scope, kept_for=scope)
        self._header = tokens.header
        return True

    def _open(self, request: urllib.request.Request) -> Answer:
        try:
            return self._opened(request)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException) as error:
            if self._without_tls(request, error):
                self._base = f"http://{self.host}"
                request.full_url = request.full_url.replace("https:", "http:", 1)
                return self._open(request)
            why = getattr(error, "reason", error)
            raise EndError("UNREACHABLE", f"{self.host}: {why}") from None

    def _opened(self, request: urllib.request.Request) -> Answer:
        with self._opener.open(request, timeout=SECONDS) as answer:
            body = answer.read(LARGEST + 1)
            if len(body) > LARGEST:
                raise EndError("FAILED", f"{self.host} answers {request.get_method()} without end")
            return Answer(answer.headers, body)

    def _without_tls(self, request: urllib.request.Request, error: Exception) -> bool:
        """Whether it is to be tried without, as Docker does on the machine itself."""
        why = getattr(error, "reason", error)
        trusted = not isinstance(why, ssl.SSLCertVerificationError)
        return (
            self._local
            and trusted
            and isinstance(why, ssl.SSLError)
            and request.full_url.startswith(f"https://{self.host}/")
        )

    def _error(self, error: urllib.error.HTTPError, unknown: str) -> EndError:
        """The registry's own code and words where it gave some that are known."""
        code, text = "", ""
        try:
            first = json.loads(error.read(LARGEST))["errors"][0]
            code, text = str(first.get("code") or ""), str(first.get("message") or "")
        except (ValueError, LookupError, TypeError, AttributeError, OSError, http.client.HTTPException):
            pass
        by_status = unknown if error.code == http.client.NOT_FOUND else _BY_STATUS.get(error.code, "FAILED")
        known = code in EXIT and code not in {"FAILED", "NOT_AGREED"}
        return EndError(code if known else by_status, f"{self.host}: {text or error.reason} ({error.code})")


def _pulling(repository: str) -> str:
    return f"repository:{repository}:pull"
