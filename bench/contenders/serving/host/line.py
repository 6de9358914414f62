#!/usr/bin/env python3
"""Stands in front of servers as a long line does: each connection gets so many bytes a second of them, and no more.

    line.py LISTEN RATE PORT=ADDRESS:PORT…

What a client sends is not held up, and nothing is late: only the rate of answers is bounded.
"""

from __future__ import annotations

import asyncio
import sys

PIECE = 64 * 1024
LATE_SECONDS = 0.02
"""What a timer that rang late may catch up with."""


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: float) -> None:
    """Until the end; a rate of 0 is none."""
    clock = asyncio.get_running_loop().time
    due = clock()
    while piece := await reader.read(PIECE):
        writer.write(piece)
        await writer.drain()
        if rate:
            due = max(due, clock() - LATE_SECONDS) + len(piece) / rate
            await asyncio.sleep(max(0, due - clock()))
    writer.close()


async def serve(listen: str, port: int, address: str, to: int, rate: float) -> asyncio.Server:
    """One port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_connection(address, to)
        ways = _hand_on(reader, its_writer, 0), _hand_on(its_reader, writer, rate)
        await asyncio.gather(*ways, return_exceptions=True)
        for one in (writer, its_writer):
            one.close()

    return await asyncio.start_server(connected, listen, port)


async def _main(listen: str, rate: float, lines: list[str]) -> None:
    for line in lines:
        port, _, where = line.partition("=")
        address, _, to = where.rpartition(":")
        await serve(listen, int(port), address, int(to), rate)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
