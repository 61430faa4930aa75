"""Waiting for a task, but not for ever: until a bound on the engine's own clock, or until a word."""

import asyncio
from collections.abc import Collection, Coroutine
from datetime import timedelta
from typing import Any

from symphony.core.ports import Clock


async def done_within(task: asyncio.Task[Any], clock: Clock, bound: timedelta) -> bool:
    """Say whether the task is done, waiting for it at most so long; it is never cancelled here."""
    return await any_done_within({task}, clock, bound)


async def any_done_within(tasks: Collection[asyncio.Task[Any]], clock: Clock, bound: timedelta) -> bool:
    """Say whether any of the tasks is done, waiting for it at most so long; none is ever cancelled here."""
    return any(task.done() for task in tasks) or await _done_first(
        tasks, clock.sleep_until(clock.now() + bound)
    )


async def done_before(task: asyncio.Task[Any], word: asyncio.Event) -> bool:
    """Say whether the task is done, waiting until it is or the word is given; it is never cancelled here."""
    return await _done_first({task}, word.wait())


async def _done_first(tasks: Collection[asyncio.Task[Any]], other: Coroutine[Any, Any, Any]) -> bool:
    waiting = asyncio.create_task(other)
    try:
        await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
    return any(task.done() for task in tasks)
