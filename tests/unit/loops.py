"""What the SDK leaves open under mocks."""

from __future__ import annotations

import asyncio
import contextlib
import threading


def close_loop() -> None:
    """The loop that the SDK's mocks make for each thread, which would keep its files open."""
    if threading.current_thread() is threading.main_thread():
        return
    with contextlib.suppress(RuntimeError):
        asyncio.get_event_loop().close()
        asyncio.set_event_loop(None)
