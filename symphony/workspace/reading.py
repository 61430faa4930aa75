"""Reading much in a thread that can be told to end, since a thread cannot be cancelled."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

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
