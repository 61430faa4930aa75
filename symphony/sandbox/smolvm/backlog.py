"""Output of a guest's program that nobody has read yet.

The engine moves the bytes of all programs of a machine in one thread, which stands still while one
of them is not read: then no other program of the machine starts, speaks or ends. So everything is
read at once and kept here, up to a bound.
"""

import asyncio
from collections.abc import Awaitable, Callable

LIMIT_BYTES = 64 << 20  # of one stream: past it the whole machine waits for the reader
CHUNK_BYTES = 1 << 16

Read = Callable[[int], Awaitable[bytes]]


class Backlog:
    """One stream, read as it comes and given out as it is asked for.

    Args:
        source: reads from the stream; empty at its end.
        early: what was read from it before.
    """

    def __init__(self, source: Read, early: bytes = b"") -> None:
        self._source = source
        self._kept = bytearray(early)
        self._changed = asyncio.Event()
        self._ended = self._closing = False
        self._pump = asyncio.create_task(self._run())

    async def read(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        while not self._kept and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        given = bytes(self._kept[:limit])
        del self._kept[:limit]
        self._changed.set()
        return given

    async def close(self) -> None:
        """Take the rest of a stream that is about to end; what is kept can still be read."""
        self._closing = True
        self._changed.set()
        await asyncio.wait({self._pump})

    async def _run(self) -> None:
        try:
            while data := await self._source(CHUNK_BYTES):
                self._kept += data
                self._changed.set()
                while len(self._kept) >= LIMIT_BYTES and not self._closing:
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            self._ended = True
            self._changed.set()
