"""Those who are told of the status: a webhook, a program. Neither holds up who tells, and no secret is said."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Target(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """How the status calls it."""

    def tell(self, text: str) -> str:
        """Tells it; what hindered that, or nothing."""


@dataclass(frozen=True)
class Webhook:
    """Gets it by POST. What an answer says is not read."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    seconds: int
    name: str = "webhook"

    def tell(self, text: str) -> str:
        """See `Target`."""
        said = ["it did not answer in time"]

        def post() -> None:
            said[0] = self._post(text)

        # Its timeout is one for each step, and one who answers a byte at a time has many.
        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        thread.join(self.seconds)
        return said[0]

    def _post(self, text: str) -> str:
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            request = urllib.request.Request(self.url, text.encode(), headers, method="POST")  # noqa: S310
            # The program takes no other URL.
            if request.type not in {"http", "https"}:
                return "it is no http or https URL"
            with urllib.request.build_opener(_Stay).open(request, timeout=self.seconds):
                return ""
        except (OSError, http.client.HTTPException, ValueError) as error:
            return _why(error)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: the headers are for this one."""

    def redirect_request(self, *_: object) -> None:
        """There is no such request."""


def _why(error: Exception) -> str:
    """In words of our own: those of the error may have the URL."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "it did not answer in time"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(reason, socket.gaierror):
        return "its name leads nowhere"
    if isinstance(reason, OSError) and reason.errno:
        return os.strerror(reason.errno)
    return type(reason).__name__


@dataclass(frozen=True)
class Program:
    """Gets it on its standard input. What it says is in the journal."""

    words: Sequence[str]
    seconds: int
    name: str = "command"

    def tell(self, text: str) -> str:
        """See `Target`."""
        try:
            process = subprocess.Popen(self.words, stdin=subprocess.PIPE, text=True, start_new_session=True)
        except OSError as error:
            return f"it can't be started: {os.strerror(error.errno or 0)}"
        try:
            process.communicate(text, timeout=self.seconds)
        except subprocess.TimeoutExpired:
            # With all that it has started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "it did not end in time"
        return f"it ended by {process.returncode}" if process.returncode else ""


def targets_of(settings: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[Target]:
    """Who is to be told. Raises what a file does that is none of ours."""
    if not settings:
        return []
    seconds = int(settings["timeoutSeconds"])
    found: list[Target] = []
    if settings["webhook"]:
        found.append(Webhook(str(secrets["webhook"]), {str(k): str(v) for k, v in secrets["headers"].items()}, seconds))
    if settings["command"]:
        found.append(Program([str(word) for word in settings["command"]], seconds))
    return found
