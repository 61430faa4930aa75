"""How long an event loop is held up: a timer that is due now and then, and by how much it comes late."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

EVERY_S: Final = 0.25  # often enough to meet what holds the loop up, and nothing beside a daemon at rest


@contextmanager
def open_pulse(loop: asyncio.AbstractEventLoop, late: Callable[[float], None]) -> Iterator[None]:
    """Tell at each beat how many seconds late the loop came to it; leaving ends it."""
    timer: asyncio.TimerHandle

    def beat() -> None:
        nonlocal timer
        now = loop.time()
        late(max(0.0, now - timer.when()))
        timer = loop.call_at(now + EVERY_S, beat)

    timer = loop.call_at(loop.time() + EVERY_S, beat)
    try:
        yield
    finally:
        timer.cancel()
