"""Waiting for a task, but not for ever, on the engine's own clock."""

import asyncio
from datetime import timedelta
from typing import Any

from symphony.core.ports import Clock


async def done_within(task: asyncio.Task[Any], clock: Clock, bound: timedelta) -> bool:
    """Say whether the task is done, waiting for it at most so long; it is never cancelled here."""
    if not task.done():
        patience = asyncio.create_task(clock.sleep_until(clock.now() + bound))
        try:
            await asyncio.wait({task, patience}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
            await asyncio.wait({patience})
    return task.done()
