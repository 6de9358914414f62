"""What nginx makes of a request's line before anybody asks whose password it is, said once more by other means."""

from __future__ import annotations

from tests.rendering.proxy_connection import FQDN
from tests.rendering.rights_model import METRICS

LONGEST_LINE = 8192
PAGE = "/ui/"
DIGITS = set("0123456789")
CAPITALS = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
NAMES = {*DIGITS, *CAPITALS - {"_"}, *"abcdefghijklmnopqrstuvwxyz."}


def elsewhere(method: str, target: str) -> str:
    """The status of what is no request below /v2/ or for metrics, else nothing. The page's server is away."""
    host, path = _cut(target)
    name, _, port = host.partition("?")[0].partition(":")
    place = _resolved(path)
    malformed = not path.startswith("/") or any(letter <= " " or letter == "\x7f" for letter in path[:LONGEST_LINE])
    # As nginx comes to it.
    refusals = {
        "400 method": not method or any(letter not in CAPITALS for letter in method),
        "400 host": any(letter not in NAMES for letter in name) or any(letter not in DIGITS for letter in port),
        "400 letter": malformed,
        "414": len(f"{method} {target} HTTP/1.1\r\n") > LONGEST_LINE,
        "400 path": not place,
        "405": method in ("TRACE", "CONNECT"),
        "400": any(letter > "~" for letter in target),
        "421": name != FQDN,
    }
    for status, is_so in refusals.items():
        if is_so:
            return status.partition(" ")[0]
    return "" if place.startswith("/v2/") or place in METRICS else _beside(method, place)


def path_of(target: str) -> str:
    """As the proxy's rules see it: without scheme and host, and otherwise as it was sent."""
    return _cut(target)[1]


def _cut(target: str) -> tuple[str, str]:
    if not target.startswith("https://"):
        return FQDN, target
    host, slash, path = target.removeprefix("https://").partition("/")
    return host, slash + path


def _beside(method: str, place: str) -> str:
    if place in ("/", "/ui"):
        return "307"
    if not place.startswith(PAGE):
        return "404"
    if method not in ("GET", "HEAD"):
        return "405"
    return "502" if all(" " <= letter <= "~" for letter in place) else "404"


def _resolved(path: str) -> str:
    """Decoded once, with slashes merged and dots resolved; nothing where nginx takes it for no path."""
    decoded = _decoded(path.partition("?")[0].partition("#")[0])
    found: list[str] = []
    words = decoded.split("/")
    for word in words[1:]:
        if word == "..":
            if not found:
                return ""
            found.pop()
        elif word not in ("", "."):
            found.append(word)
    end = "/" if words[-1] in ("", ".", "..") and found else ""
    return f"/{'/'.join(found)}{end}" if decoded else ""


def _decoded(path: str) -> str:
    """Each byte as a letter; nothing where an escape is none, or a zero byte."""
    pieces = path.split("%")
    text = pieces[0]
    for piece in pieces[1:]:
        digits = piece[:2]
        if len(digits) < 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits) or digits == "00":
            return ""
        text += chr(int(digits, 16)) + piece[2:]
    return text
