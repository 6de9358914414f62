"""Settings of webhooks: their defaults, and those that are refused, each with the one line that says why."""

from __future__ import annotations

from typing import Any

from tests.unit.config.bad_settings import Bad, bad

NOTIFY: dict[str, Any] = {
    "webhook": None,
    "headers": [],
    "command": None,
    "timeout_seconds": 10,
    "schedule": "*-*-* *:*:30",
}

_URL = "an http or https URL, for example https://hooks.example.net/registry"
_HEADER = {"name": "Authorization", "secret": "Bearer 0123"}


def _endpoint(found: str, expected: str, where: str = "", **changes: object) -> Bad:
    endpoint: dict[str, Any] = {"name": "ci", "url": "https://ci.example.net", **changes}
    key = f"docker-registry:notifications.endpoints[0]{where or f'.{next(iter(changes))}'}"
    return Bad({"notifications": {"endpoints": [endpoint]}}, key, found, expected)


def _notify(found: str, expected: str, where: str = "", **settings: object) -> Bad:
    key = f"docker-registry:status.notify{where or f'.{next(iter(settings))}'}"
    return Bad({"status": {"notify": settings}}, key, found, expected)


BAD_NOTIFICATIONS = [
    _endpoint('"CI"', "a name of small letters, digits, - and _, for example ci", name="CI"),
    _endpoint("something else", _URL, url="ftp://ci.example.net"),
    _endpoint("a login in a URL", "a URL without a login: headers are for that", url="https://a:b@ci.example.net"),
    _endpoint('"3"', "a duration with its unit (h, m or s), for example 168h or 1h30m", timeout="3"),
    _endpoint("0", "a whole number from 1 to 1000", threshold=0),
    _endpoint('"layers"', "a media type, for example application/octet-stream, which layers have",
              ignoreMediaTypes=["layers"], where=".ignoreMediaTypes[0]"),
    _endpoint("something else",
              "the name of a header, for example Authorization; not one that every request has by itself",
              headers=[{**_HEADER, "name": "Host"}], where=".headers[0].name"),
    _endpoint("[secret]", "visible ASCII characters in one line",
              headers=[{**_HEADER, "secret": "a\r\nb"}], where=".headers[0].secret"),
    bad("notifications", "endpoints", 2 * [{"name": "ci", "url": "https://ci.example.net"}],
        "a name that is there twice", "a name of its own for each"),
    Bad({"notifications": {"endpoints": [{"name": "ci", "url": "https://ci.example.net", "headers": [_HEADER]}]}},
        "docker-registry:registry.logLevel", '"info"',
        "warn or error, because below that the registry logs the headers of notifications.endpoints"),
    _notify("something else", _URL, webhook="hooks.example.net"),
    _notify("a login in a URL", "a URL without a login: headers are for that", webhook="https://a@hooks.example.net"),
    _notify("headers", "no value, because there is no webhook", headers=[_HEADER]),
    _notify("a list",
            "the absolute path of a program on the host, and its words, for example [/usr/local/bin/page-me]",
            command=["page-me"]),
    _notify("31", "a whole number of seconds from 1 to 30", timeoutSeconds=31),
    _notify("an unknown setting", "only webhook, headers, command, timeoutSeconds, schedule", url="https://x.example"),
]  # fmt: skip
