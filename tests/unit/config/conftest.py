"""Every test of the configuration starts from an empty one, on a machine with an SSH agent."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.runtime import set_all_config


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine as the program likes it: an SSH agent that answers, root, no network of its own in the way."""
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("config.settings.attached_networks", list)
    # A directory of our own, because the path of a socket must be short.
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as agent:
        path = Path(directory) / "agent"
        agent.bind(str(path))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield


@pytest.fixture(autouse=True)
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Outputs, which are made of what is accepted, need an event loop; tests before may have left none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True)
def empty_configuration() -> Iterator[None]:
    """No setting of a test outlives it."""
    set_all_config({}, [])
    yield
    set_all_config({}, [])
