"""A pipe in memory, with the manners of a real one."""

import asyncio

CAPACITY_BYTES = 1 << 16  # as a pipe of the kernel has it


class MemoryPipe:
    """Bytes from one side to the other; a writer waits while it is full."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = asyncio.Event()
        self._ended = False
        self._unread = False

    async def write(self, data: bytes) -> None:
        """Write all, waiting while it is full; cancelled, the data is still written whole.

        Raises:
            BrokenPipeError: either side has closed it.
        """
        if self._ended or self._unread:
            raise BrokenPipeError
        self._data += data
        self._changed.set()
        while len(self._data) >= CAPACITY_BYTES and not self._unread:
            self._changed.clear()
            await self._changed.wait()
        if self._unread:
            raise BrokenPipeError

    async def read(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        while not self._data and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._data[:limit])
        del self._data[:limit]
        self._changed.set()
        return data

    def end(self, last: bytes = b"") -> None:
        """Close the writing side after these last bytes; what was written can still be read."""
        if not self._ended:
            self._data += last
        self._ended = True
        self._changed.set()

    def refuse(self) -> None:
        """Close the reading side: a writer meets a broken pipe."""
        self._unread = True
        self._changed.set()
