"""A connection that sends what no client of HTTP would."""

from __future__ import annotations

import re
import socket
import ssl

ANSWER_SECONDS = 10


class RawConnection:
    """A connection that is made anew as soon as an answer ends it, or leaves its end in doubt."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        self._address, self._name, self._context = address, name, context
        self._socket: ssl.SSLSocket | None = None
        self._session: ssl.SSLSession | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status, and all that came with it; 0 where the connection was closed without an answer."""
        try:
            if self._socket is None:
                self._connect()
            assert self._socket is not None
            self._socket.sendall(request)
            answer, whole = self._read(self._socket, bodiless=request.startswith(b"HEAD "))
        except (OSError, ValueError):
            answer, whole = b"", False
        # What follows a strange request may be the answer to its second half: all of it is read.
        if not whole or not _is_plain(request):
            answer += self._rest()
        found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        return int(found[1]) if found else 0, answer

    def close(self) -> None:
        """Ends it."""
        if self._socket is not None:
            self._session = self._socket.session
            self._socket.close()
            self._socket = None

    def _connect(self) -> None:
        dialled = socket.create_connection((self._address, 443), timeout=ANSWER_SECONDS)
        self._socket = self._context.wrap_socket(dialled, server_hostname=self._name, session=self._session)

    def _read(self, tls: ssl.SSLSocket, *, bodiless: bool) -> tuple[bytes, bool]:
        """An answer, and whether its end is known and another may follow."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = tls.recv(65536)
            if not piece:
                return data, False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if re.search(rb"(?i)\r\nconnection: close", head) or (size is None and not bodiless):
            return data, False
        wanted = 0 if bodiless or size is None else int(size[1])
        while len(body) < wanted:
            piece = tls.recv(65536)
            if not piece:
                return head + b"\r\n\r\n" + body, False
            body += piece
        return head + b"\r\n\r\n" + body, len(body) == wanted

    def _rest(self) -> bytes:
        """What else comes in a moment; the connection ends with it."""
        data = b""
        if self._socket is not None:
            try:
                self._socket.settimeout(0.02)
                while piece := self._socket.recv(65536):
                    data += piece
            except (OSError, ValueError):
                pass
        self.close()
        return data


def _is_plain(request: bytes) -> bool:
    """Whether nothing of the request can be taken for a second one."""
    return request.count(b"HTTP/1.1") == 1 and request.endswith(b"\r\n\r\n") and b"ransfer-Encoding" not in request
