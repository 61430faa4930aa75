"""A guest's output is read as it comes, kept in order, and bounded."""

import asyncio

from symphony.sandbox.smolvm import backlog
from symphony.sandbox.smolvm.backlog import Backlog


class Source:
    """A stream that gives what it is told to, and counts what was taken."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.taken = 0

    async def read(self, limit: int) -> bytes:
        await asyncio.sleep(0)
        data = self.pieces.pop(0) if self.pieces else b""
        self.taken += len(data)
        return data


async def test_everything_is_taken_though_nobody_reads_and_comes_out_in_order() -> None:
    source = Source(b"b" * 100_000, b"c")
    stream = Backlog(source.read, b"a")
    async with asyncio.timeout(10):
        await stream.close()
        assert source.taken == 100_001
        assert await stream.read(2) == b"ab"
        assert await stream.read(200_000) == b"b" * 99_999 + b"c"
        assert await stream.read(1) == b""


async def test_past_the_bound_the_stream_waits_for_its_reader(monkeypatch) -> None:
    monkeypatch.setattr(backlog, "LIMIT_BYTES", 10)
    source = Source(b"x" * 10, b"y" * 10, b"z")
    stream = Backlog(source.read)
    for _ in range(20):
        await asyncio.sleep(0)
    assert source.taken == 10
    async with asyncio.timeout(10):
        read = b""
        while piece := await stream.read(3):
            read += piece
    assert read == b"x" * 10 + b"y" * 10 + b"z"


async def test_a_reader_that_came_first_is_woken() -> None:
    source = Source(b"late")
    stream = Backlog(source.read)
    async with asyncio.timeout(10):
        assert await stream.read(10) == b"late"
        assert await stream.read(10) == b""


async def test_closing_takes_what_is_left_past_the_bound(monkeypatch) -> None:
    monkeypatch.setattr(backlog, "LIMIT_BYTES", 10)
    source = Source(b"x" * 10, b"y" * 10, b"z" * 10)
    stream = Backlog(source.read)
    async with asyncio.timeout(10):
        await stream.close()
        assert await stream.read(100) == b"x" * 10 + b"y" * 10 + b"z" * 10
