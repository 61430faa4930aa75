"""The ends of a child's pipes: bounded memory, nothing lost, closed on every path.

Called by `host.process` alone.
"""

import asyncio
from contextlib import suppress
from typing import cast

HIGH_WATER = 1 << 18  # bytes kept for a slow reader before the child has to wait
LOW_WATER = 1 << 16  # bytes below which the child may go on


class PipeReader(asyncio.Protocol):
    """Collects what a child writes and makes the child wait while nobody reads it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.ReadTransport | None = None
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self._paused = False
        self._bounded = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep the bytes, and stop reading when too many wait."""
        self._buffer += data
        self._changed.set()
        if self._bounded and len(self._buffer) >= HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Note that nothing more comes."""
        self._closed.set()
        self._changed.set()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._closed.is_set()

    async def read(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        while not self._buffer and not self._closed.is_set():
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        if self._paused and len(self._buffer) < LOW_WATER:
            self._resume()
        return data

    async def finish(self, seconds: float) -> None:
        """Take what is still in the pipe, wait at most `seconds` for its end, and close it.

        What was taken can still be read. Call it when the writers are gone: the kernel's pipe
        is then all that is added to memory.
        """
        self._bounded = False
        self._resume()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        if self._transport is not None:
            self._transport.close()

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._closed.is_set():
            self._transport.resume_reading()
        self._paused = False


class PipeWriter(asyncio.BaseProtocol):
    """Writes to a child, waiting while its pipe is full."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = False
        self._finishing = False
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._transport is None or self._lost or self._transport.is_closing()

    def pause_writing(self) -> None:
        """Note that the pipe is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the pipe takes more."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is closed, and whether all was written before."""
        self._lost = True
        self._broken = exc is not None or not self._finishing
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Write all, waiting while the pipe is full; cancelled, the data is still written whole.

        Raises:
            BrokenPipeError: it is closed, on either side.
        """
        if self._transport is None or self.closed:
            raise BrokenPipeError
        self._transport.write(data)
        await self._writable.wait()
        if self._broken or (self._transport.is_closing() and not self._finishing):
            raise BrokenPipeError

    def close(self) -> None:
        """Close it once all is written; repeating it does nothing."""
        if self._transport is not None and not self.closed:
            self._finishing = True
            self._transport.close()

    def abort(self) -> None:
        """Close it now, whatever is still to be written; repeating it does nothing."""
        transport = self._transport
        if transport is None or self._lost:
            return
        if not transport.is_closing() or transport.get_write_buffer_size():
            self._finishing = False
            transport.abort()
