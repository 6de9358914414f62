"""Whether the object store answers the registry, and how fast, where the images lie in one."""

from __future__ import annotations

import http.client
import os
import socket
import time
from pathlib import Path

from registryctl.machine import RUN
from registryctl.status import store_log
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here, iso

# One listing in the store: the first repository there is.
_QUESTION = "/v2/_catalog?n=1"
SECONDS: float = 10
SLOW = 2.0


def look(here: Here) -> Finding:
    """By asking the registry's reader for what it has to ask the store."""
    if not here.facts.objects:
        return Finding(OK, "", {"state": "off"})
    begin = time.monotonic()
    try:
        status = _ask(here.machine.path(RUN / "sockets"))
    except TimeoutError:
        return _finding(here, "silent", f"no answer within {SECONDS:g} s{_why(here)}", BROKEN)
    except (OSError, http.client.HTTPException):
        # Why, its container says.
        return _finding(here, "unknown", "the registry can not be asked", WARNING)
    return _judge(here, status, round(time.monotonic() - begin, 3))


def _judge(here: Here, status: int, took: float) -> Finding:
    if status == http.client.SERVICE_UNAVAILABLE:
        return _finding(here, "away", f"the registry can not use it{_why(here)}: docker logs registry", BROKEN)
    if status != http.client.OK:
        return _finding(here, "failing", f"the registry answers {status}{_why(here)}: docker logs registry", BROKEN)
    failed = store_log.failed_write(here.facts.root, here.machine.now())
    if failed is not None:
        detail = f"the last write failed at {iso(failed.time)}; {failed.words}: docker logs registry"
        return _finding(here, "refusing", detail, WARNING, took)
    if took >= SLOW:
        return _finding(here, "slow", f"answers in {took:.0f} s", WARNING, took)
    return _finding(here, "ok", f"answers in {took:.3f} s", OK, took)


def _why(here: Here) -> str:
    said = store_log.why(here.facts.root, here.machine.now())
    return f"; {said}" if said else ""


def _finding(here: Here, state: str, detail: str, level: int, took: float | None = None) -> Finding:
    bucket = here.facts.objects
    known = {"state": state, "bucket": bucket, "seconds": took, "detail": detail}
    return Finding(level, f"store ({bucket}): {state}; {detail}", known)


def _ask(sockets: Path) -> int:
    connection = _Connection(sockets)
    try:
        connection.request("GET", _QUESTION)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To the reader's socket, whose path may be longer than an address of one can be."""

    def __init__(self, sockets: Path) -> None:
        super().__init__("registry", timeout=SECONDS)
        self._sockets = sockets

    def connect(self) -> None:
        folder = os.open(self._sockets, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(SECONDS)
            self.sock.connect(f"/proc/self/fd/{folder}/reader.socket")
        finally:
            os.close(folder)
