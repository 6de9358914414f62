"""What stands before the ACME server: passes requests on, makes the faults it is told to make, logs every request.

It runs inside a container with nothing but Python's standard library. `front.json` in its folder says where to
listen and what is behind; `faults.json` is read anew for every request.
"""

import http.client
import json
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
READ_ATTEMPTS = 10


def find_fault(path: str) -> dict[str, Any]:
    """The fault for requests to `path`, {} if there is none."""
    for attempt in range(READ_ATTEMPTS):
        try:
            faults = json.loads((FOLDER / "faults.json").read_text())
        except (OSError, ValueError):
            # It is being written at this moment.
            if attempt == READ_ATTEMPTS - 1:
                raise
            time.sleep(0.05)
        else:
            break
    found: dict[str, Any] = next((fault for fault in faults if path.startswith(fault["path"])), {})
    return found


def patched(body: bytes, changes: dict[str, Any]) -> bytes:
    """A JSON object with some members set; None removes one."""
    content = json.loads(body) | changes
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


class Front(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = 120
    settings: dict[str, Any]
    trust: ssl.SSLContext

    def do_GET(self) -> None:
        """Answer any request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = find_fault(self.path)
        time.sleep(fault.get("delay", 0))
        if "problem" in fault:
            headers = [("Content-Type", "application/problem+json"), *fault.get("headers", {}).items()]
            self._send(fault["status"], headers, json.dumps(fault["problem"]).encode())
            return
        try:
            status, headers, answer = self._pass_on(body)
        except (OSError, http.client.HTTPException) as error:
            self._send(http.HTTPStatus.BAD_GATEWAY, [("Content-Type", "text/plain")], f"{error}\n".encode())
            return
        if "patch" in fault and status < http.HTTPStatus.BAD_REQUEST:
            answer = patched(answer, fault["patch"])
        self._send(status, headers, answer)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def _pass_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPSConnection(self.settings["upstream"], timeout=60, context=self.trust)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in HOP_BY_HOP]
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line for each request: method, path, status."""
        del size
        print(self.command, self.path, int(code), flush=True)


def main() -> None:
    """Serve until killed."""
    Front.settings = json.loads((FOLDER / "front.json").read_text())
    Front.trust = ssl.create_default_context(cafile=str(FOLDER / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "certificate.pem", FOLDER / "key.pem")
    server = ThreadingHTTPServer(("", Front.settings["port"]), Front)
    # The handshake comes with the first byte read, in the connection's own thread: a silent client holds up no other.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
