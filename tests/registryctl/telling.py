"""A host that tells somebody of its status, and who is told."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registryctl import notify_memory
from registryctl.machine import RESULTS, RUN
from tests.registryctl.running import Ran, run
from tests.registryctl.status_host import StatusHost

TOKEN = "Bearer 0123456789"


class Hook(ThreadingHTTPServer):
    """Answers as a test wants, and keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.told: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.answer = 204
        self.location = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/secret-part"


class _Asked(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((dict(self.headers), json.loads(body)))
        self.send_response(self.server.answer)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Telling:
    """A host that tells the hook."""

    def __init__(self, host: StatusHost, hook: Hook) -> None:
        self.host, self.hook = host, hook
        for folder in (RUN, RESULTS):
            host.machine.path(folder).mkdir(parents=True, exist_ok=True)
        self.configure(url=hook.url)

    def configure(self, url: str | None, command: list[str] | None = None, seconds: int = 5) -> None:
        settings = {"webhook": url is not None, "command": command, "timeoutSeconds": seconds}
        self.host.machine.file(notify_memory.SETTINGS, json.dumps(settings))
        if url is None:
            # The secrets stay.
            return
        secrets = {"webhook": url, "headers": {"Authorization": TOKEN}}
        self.host.machine.file(notify_memory.SECRETS, json.dumps(secrets))

    def run(self, *words: str) -> Ran:
        (self.host.machine.root / "host.json").write_text(json.dumps(self.host.facts))
        return run("notify", *words)

    def told(self) -> list[tuple[list[str], list[str]]]:
        """What became worse, and what is well again, of each message since it was asked last."""
        found = [([one["what"] for one in its["worse"]], [one["what"] for one in its["well"]])
                 for _, its in self.hook.told]  # fmt: skip
        self.hook.told.clear()
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.host.all("notify")[1]["notify"]
        return found
