"""The rules: what each finds wrong with one resource, by its type and inputs as Pulumi's engine has them.

They know nothing of how a policy pack runs, so that they can be tried on any resources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Inputs = Mapping[str, Any]

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
IMAGE = "docker:index/remoteImage:RemoteImage"
COMMANDS = ("command:remote:Command", "command:local:Command")

PROXY = "nginx"
"""The one container that others may reach."""

MOST_LOG_BYTES = 100 * 1024**2
_WITH_DOCKER = ("", "/run", "/var/run", "/var/lib/docker")
"""Directories with Docker's socket or its data; the first is the root directory."""

_SIZE = re.compile(r"([0-9]+)([kmg]?)")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_HASH = re.compile(r"\$(?:apr1|2[aby]|6)\$[./A-Za-z0-9$]{20,}")
_ASSIGNED = re.compile(
    r"(?i)\b[a-z0-9_.-]*(?:password|passwd|secret|token|(?:api|access)[_-]?key)[a-z0-9_]*=(?P<value>[^\s;\"'$]+)"
)

_SITE_FILE = re.compile(r"^== \S+/conf\.d/[^/ ]+\.conf ", re.MULTILINE)
_PROTOCOLS = re.compile(r"^\s*ssl_protocols\s+([^;]+);", re.MULTILINE)
_TLS_PORT = re.compile(r"^\s*listen\s+[^;]*\bssl\b", re.MULTILINE)
_MODERN = {"TLSv1.2", "TLSv1.3"}

_CONFIG_FILE = re.compile(r"^== \S+/docker-registry/etc/config\.yml ", re.MULTILINE)
_PLAIN_STORE = re.compile(r"^ +(?:regionendpoint: \"?http:|secure: false)", re.MULTILINE)

_DATA = re.compile(r"/(?:docker-registry/data|letsencrypt|nginx/etc/(?:auth|tls)|certbot)(?:/|\b)")
_REMOVES = re.compile(r"\brm\s+(?:-[a-zA-Z]*\s+)*[^;&|]*|\bdocker\s+volume\s+rm\b[^;&|]*|\bfind\s[^;&|]*-delete\b")


@dataclass(frozen=True)
class Rule:
    """A rule by its name, what it demands, and what it finds: a sentence for each violation."""

    name: str
    demands: str
    find: Callable[[str, Inputs], Iterator[str]]
    advisory: bool = False


def _data_is_retained(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind == VOLUME:
        options = inputs.get("driverOpts") or {}
        if "bind" not in str(options.get("o", "")).split(",") or not str(options.get("device", "")).startswith("/"):
            yield f"the volume {inputs.get('name')} holds its data itself: bind it to a directory, which outlives it"
    if kind in COMMANDS:
        for removal in _REMOVES.findall(str(inputs.get("delete") or "")):
            if _DATA.search(removal) or "docker volume rm" in removal or re.search(r"\s-[a-zA-Z]*[rR]", removal):
                yield f"on destroy it would run {removal.strip()!r}: data is removed by hand, never by destroy"


def _is_pinned(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind != IMAGE:
        return
    name, _, digest = str(inputs.get("name", "")).partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not digest and tag in ("", "latest"):
        yield f"the image {name} moves: give it a version's tag, or a digest"


def _is_pinned_by_digest(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind == IMAGE and "@sha256:" not in str(inputs.get("name", "")):
        yield f"the image {inputs.get('name')} is pinned by its tag, which its owner can move: a digest can't be"


def _only_the_proxy_is_reached(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind != CONTAINER:
        return
    name = inputs.get("name")
    if name != PROXY and (inputs.get("ports") or inputs.get("publishAllPorts")):
        yield f"the container {name} publishes a port: it is reached through the proxy only"
    if inputs.get("networkMode") == "host":
        yield f"the container {name} is in the host's own network, where all its ports can be reached"


def _is_confined(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind != CONTAINER:
        return
    name = inputs.get("name")
    if inputs.get("privileged"):
        yield f"the container {name} is privileged: it could do on the host whatever root can"
    sources = [str(volume.get("hostPath") or "") for volume in inputs.get("volumes") or []]
    sources += [str(mount.get("source") or "") for mount in inputs.get("mounts") or []]
    for source in filter(None, sources):
        if source.endswith("docker.sock") or source.rstrip("/") in _WITH_DOCKER:
            yield f"the container {name} mounts {source}, and with it Docker: it could do on the host whatever root can"


def _shows_no_secret(kind: str, inputs: Inputs) -> Iterator[str]:
    """Where everybody on the host, or everybody who may ask Docker, reads it: there a mark as secret is of no use.

    What travels by standard input is not looked at: a pack can't tell whether it is marked.
    """
    if kind in COMMANDS:
        for act in ("create", "update", "delete"):
            yield from (f"its {act} command {what}" for what in _secrets_in(str(inputs.get(act) or "")))
        for name, value in (inputs.get("environment") or {}).items():
            yield from (f"its environment {what}" for what in _secrets_in(f"{name}={value}"))
    if kind == CONTAINER:
        labels = [f"{label.get('label')}={label.get('value')}" for label in inputs.get("labels") or []]
        places = {"environment": inputs.get("envs") or [], "labels": labels, "command": inputs.get("command") or []}
        for place, words in places.items():
            yield from (f"its {place} {what}" for word in words for what in _secrets_in(str(word)))


def _secrets_in(text: str) -> Iterator[str]:
    if _KEY.search(text):
        yield "has a private key"
    if _HASH.search(text):
        yield "has the hash of a password"
    for found in _ASSIGNED.finditer(text):
        # A path is where a secret lies, not the secret; a word of a switch is none either.
        if not found["value"].startswith("/") and found["value"].lower() not in ("true", "false", "none"):
            yield f"has a value for {found.group().partition('=')[0]}"


def _has_modern_tls(kind: str, inputs: Inputs) -> Iterator[str]:
    site = str(inputs.get("stdin") or "")
    if kind not in COMMANDS or not _SITE_FILE.search(site):
        return
    if _TLS_PORT.search(site) and not _PROTOCOLS.search(site):
        yield "the site leaves the TLS versions to nginx: name them"
    for versions in _PROTOCOLS.findall(site):
        if old := sorted(set(versions.split()) - _MODERN):
            yield f"the site offers {', '.join(old)}: TLS 1.2 is the least"


def _has_bounded_logs(kind: str, inputs: Inputs) -> Iterator[str]:
    if kind != CONTAINER:
        return
    name, driver, options = inputs.get("name"), inputs.get("logDriver"), inputs.get("logOpts") or {}
    if driver in ("journald", "none"):
        return
    bound = _bytes(str(options.get("max-size", ""))) * int(options.get("max-file") or 1)
    if not 0 < bound <= MOST_LOG_BYTES:
        yield f"the log of the container {name} may fill the disk: set max-size and max-file, to 100 MiB at most"


def _bytes(size: str) -> int:
    found = _SIZE.fullmatch(size.lower())
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _is_backed_up(kind: str, inputs: Inputs) -> Iterator[str]:
    create = str(inputs.get("create") or "")
    if kind in COMMANDS and "/prepare-host " in create and "--backup " not in create:
        yield "nothing of this registry survives its disk: set docker-registry:backup"


def _reaches_its_store_by_tls(kind: str, inputs: Inputs) -> Iterator[str]:
    config = str(inputs.get("stdin") or "")
    if kind in COMMANDS and _CONFIG_FILE.search(config) and _PLAIN_STORE.search(config):
        yield "the registry asks its object store without TLS: images travel in plain text"


RULES = (
    Rule("data-retained", "Destroy removes no image, certificate or account.", _data_is_retained),
    Rule("images-pinned", "Outside development an image has a version's tag or a digest.", _is_pinned),
    Rule("images-by-digest", "An image is pinned to its content.", _is_pinned_by_digest, advisory=True),
    Rule("proxy-only", "The registry and its page are reached through the proxy.", _only_the_proxy_is_reached),
    Rule("confined", "No container is privileged or has Docker's socket.", _is_confined),
    Rule("no-plain-secret", "No secret is in a command line, an environment or a label.", _shows_no_secret),
    Rule("tls-floor", "TLS 1.2 is the oldest that the proxy speaks.", _has_modern_tls),
    Rule("store-tls", "The registry asks its object store by TLS.", _reaches_its_store_by_tls, advisory=True),
    Rule("bounded-logs", "The log of a container has a bound.", _has_bounded_logs),
    Rule("backed-up", "Outside development a registry has a backup.", _is_backed_up, advisory=True),
)
