"""Reading much beside other work: in a thread, which cannot be cancelled, or in a task of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from symphony.host.process import finish_first
from symphony.workspace.errors import WorkspaceError

READ_TIMEOUT = 1800.0  # seconds; reading a terabyte of holes would go on for hours

Found = TypeVar("Found")


async def in_thread(read: Callable[[], Found], stop: Callable[[], None]) -> Found:
    """Return what `read` finds in a thread that has ended when this returns, however it does.

    Args:
        read: blocks on the disk; looks often whether it was stopped.
        stop: lets it end soon.

    Raises:
        WorkspaceError: `workspace.too_large` after `READ_TIMEOUT`; whatever `read` raises.
    Cancellation: the thread ends first.
    """
    reading = asyncio.create_task(asyncio.to_thread(read))
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await asyncio.shield(reading)
    except TimeoutError as error:
        raise WorkspaceError(
            f"Reading the workspace's files took longer than {READ_TIMEOUT:g} seconds.",
            code="workspace.too_large",
            remedy="Add what is built or downloaded to .gitignore.",
        ) from error
    finally:
        stop()
        if not reading.done():
            await finish_first(reading)


async def to_end(work: Callable[[], Found]) -> Found:
    """Return what short work on the disk returns, in a thread that has ended when this returns or raises.

    Cancellation: the thread ends first.
    """
    task = asyncio.create_task(asyncio.to_thread(work))
    await finish_first(task)
    return task.result()


@asynccontextmanager
async def begun(work: Coroutine[Any, Any, Found]) -> "AsyncIterator[asyncio.Task[Found]]":
    """Let work go on beside a block; it has ended when the block is left, however that is.

    A thread in it ends as well if it is of `in_thread` or `to_end`. Whoever awaits the task in the block
    gets what it returns or raises; nobody has to.
    """
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await finish_first(asyncio.create_task(asyncio.wait({task})))
        if not task.cancelled():
            task.exception()
