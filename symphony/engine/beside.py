"""Work that goes on beside a block and ends with it; what it breaks of is logged, and the block goes on."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from symphony.engine.ports import Log


@asynccontextmanager
async def open_beside(
    work: Coroutine[Any, Any, None], log: Log, crashed: str, **fields: Any
) -> AsyncIterator[None]:
    """Run the work while the block runs.

    Args:
        work: cancelled at the block's end.
        log: told how it broke, if it did.
        crashed: the event of that.
        fields: logged with it.
    """
    task = asyncio.create_task(work, name=crashed.partition(".")[0])
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(crashed, **fields, error=repr(error), exc_info=error)
