"""A host that somebody tells something by HTTP: it keeps each request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.lab.host import LabHost

PORT = 9000
_TOLD = "/root/told"
_ANSWER = "/root/answer"
_PROGRAM = f"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        told = {{"path": self.path, "headers": dict(self.headers), "body": json.loads(body)}}
        with open({_TOLD!r}, "a") as file:
            file.write(json.dumps(told) + "\\n")
        self.send_response(int(Path({_ANSWER!r}).read_text()))
        self.send_header("Content-Length", "0")
        self.end_headers()

ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Told:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Listener:
    """See above."""

    host: LabHost

    @classmethod
    def on(cls, host: LabHost) -> Listener:
        """Begins to listen there."""
        found = cls(host)
        host.put_file("/root/listener.py", _PROGRAM)
        host.put_file(_TOLD, "")
        found.answers(200)
        host.run(["systemd-run", "--quiet", "--unit=listener", "python3", "/root/listener.py"])
        return found

    @property
    def url(self) -> str:
        """Where it is told."""
        return f"http://{self.host.address}:{PORT}"

    def answers(self, status: int) -> None:
        """From now on."""
        self.host.put_file(_ANSWER, str(status))

    def told(self, path: str) -> list[Told]:
        """All that it was told there."""
        lines = self.host.get_file(_TOLD).splitlines()
        return [one for line in lines if (one := Told(**json.loads(line))).path == path]

    def forget(self) -> None:
        """What it was told until now."""
        self.host.put_file(_TOLD, "")
