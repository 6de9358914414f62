"""The kinds of requests of ACME clients, and what can go wrong with them."""

from collections.abc import Mapping
from typing import Any, Literal

Request = Literal[
    "directory", "new-nonce", "new-account", "new-order", "order", "finalize", "authorization", "challenge",
    "certificate", "renewal-info",
]  # fmt: skip

PATHS: dict[Request, str] = {
    "directory": "/dir",
    "new-nonce": "/nonce-plz",
    "new-account": "/sign-me-up",
    "new-order": "/order-plz",
    "order": "/my-order/",
    "finalize": "/finalize-order/",
    "authorization": "/authZ/",
    "challenge": "/chalZ/",
    "certificate": "/certZ/",
    "renewal-info": "/draft-ietf-acme-ari-03/renewalInfo/",
}
"""Pebble's paths, or what they begin with; on purpose they are not those of Let's Encrypt."""


def count(log: str, kind: Request) -> int:
    """How many requests of a `kind` are in the front's log, whatever the answer was."""
    lines = [line.split() for line in log.splitlines()]
    return sum(len(words) == 3 and words[1].startswith(PATHS[kind]) for words in lines)


def problem(name: str, detail: str, status: int, retry_after: int | None = None) -> dict[str, Any]:
    """The fault of an error as an answer: `name` as in RFC 8555 (`rateLimited`), the HTTP status, Retry-After (s)."""
    content = {"type": f"urn:ietf:params:acme:error:{name}", "detail": detail, "status": status}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return {"problem": content, "status": status, "headers": headers}


def patch(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fault of an answer in which some members have other values (None: are absent)."""
    return {"patch": dict(changes)}


def delay(seconds: float) -> dict[str, Any]:
    """The fault of waiting before the request is passed on."""
    return {"delay": seconds}


RATE_LIMIT = problem("rateLimited", "too many certificates already issued for this exact set of names", 429, 3600)
BAD_NONCE = problem("badNonce", "JWS has an invalid anti-replay nonce", 400)
INVALID_ORDER = patch(
    {
        "status": "invalid",
        "error": {
            "type": "urn:ietf:params:acme:error:unauthorized",
            "detail": "the order became invalid before it was finalized",
        },
    }
)
