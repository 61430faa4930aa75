"""Work that blocks, off the loop: in a thread that never keeps the program from ending.

Pipes too are read and written so: a loop would make them non-blocking for whoever shares them.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Callable, TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Return the future of what `work` returns or raises; cancelling it leaves the work to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # there is a result when there is no error
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        failed: BaseException | None = None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is the awaiter's
            failed = error
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, daemon=True).start()
    return future
