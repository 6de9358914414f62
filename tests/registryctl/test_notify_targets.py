"""Those who are told of the status hold nobody up."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from registryctl.notify_targets import Program, Webhook


def test_one_that_answers_a_byte_at_a_time_holds_nobody_up() -> None:
    """Each step of it is quick."""
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def drip() -> None:
            connection, _ = slow.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.1)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        begun = time.monotonic()
        why = Webhook(f"http://127.0.0.1:{slow.getsockname()[1]}/", {}, 1).tell("{}")
        assert (why, time.monotonic() - begun < 3) == ("it did not answer in time", True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["/nowhere"], "it can't be started: No such file or directory"),
        (["/bin/sh", "-c", "exit 3"], "it ended by 3"),
        # Without a look at what it is told, and with a child that outlives it.
        (["/bin/sh", "-c", "sleep 60 & sleep 60"], "it did not end in time"),
        (["/bin/true"], ""),
    ],
)
def test_a_program_that_fails(words: list[str], why: str) -> None:
    """Is said; and ended, with what it started."""
    begun = time.monotonic()
    assert Program(words, 1).tell("x" * 200_000) == why
    assert time.monotonic() - begun < 5
