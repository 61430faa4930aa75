"""What goes on beside a block has ended when the block is left, and nothing of either is lost."""

import asyncio
from collections.abc import Awaitable

import pytest

from symphony.workspace.reading import begun

BOUND_S = 30.0


class Work:
    """Work that goes on until it is cancelled, and takes a while to end then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.started, self.ending, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        try:
            self.started.set()
            await asyncio.Event().wait()
        finally:
            self.ending.set()
            await self.may_end.wait()
            self.ended = True
            if self.error is not None:
                raise self.error

    async def beside(self, block: Awaitable[object]) -> None:
        async with begun(self.run()):
            await self.started.wait()
            await block


async def fail() -> None:
    raise ValueError("of the block")


async def test_an_error_of_the_block_ends_the_work_first_and_is_the_one_that_is_told() -> None:
    work = Work(RuntimeError("of the work"))
    task = asyncio.create_task(work.beside(fail()))
    await asyncio.wait_for(work.ending.wait(), BOUND_S)
    assert not task.done()
    work.may_end.set()

    with pytest.raises(ValueError, match="of the block"):
        await task
    assert work.ended


async def test_who_awaits_the_work_gets_its_error() -> None:
    with pytest.raises(ValueError, match="of the block"):
        async with begun(fail()) as failing:
            await failing


async def test_a_cancellation_waits_for_the_work_however_often_it_comes() -> None:
    work = Work(RuntimeError("of the work"))
    task = asyncio.create_task(work.beside(asyncio.get_running_loop().create_future()))
    await asyncio.wait_for(work.started.wait(), BOUND_S)
    task.cancel()
    await asyncio.wait_for(work.ending.wait(), BOUND_S)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    work.may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended
