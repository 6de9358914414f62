"""The long line in front of a registry, as the benchmark of mirrors has it."""

from __future__ import annotations

import asyncio
import time

from bench.contenders.serving.host import line

CONTENT = bytes(range(256)) * 8000
RATE = 10e6
CLIENTS = 3


def test_each_connection_has_its_rate() -> None:
    """However many there are: the content is whole, and comes neither sooner nor one after the other."""
    seconds = asyncio.run(_pulls())
    assert min(seconds) >= len(CONTENT) / RATE - 2 * line.LATE_SECONDS
    assert max(seconds) < CLIENTS * len(CONTENT) / RATE


async def _pulls() -> list[float]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"all\n"
        writer.write(CONTENT)
        await writer.drain()
        writer.close()

    async def pull(port: int) -> float:
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"all\n")
        assert await reader.read() == CONTENT
        writer.close()
        return time.monotonic() - started

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with await line.serve("127.0.0.1", 0, "127.0.0.1", port, RATE) as relay:
            there = relay.sockets[0].getsockname()[1]
            return await asyncio.gather(*(pull(there) for _ in range(CLIENTS)))
