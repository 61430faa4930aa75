"""The time: of the machine for the daemon, and a virtual one for tests and simulation.

Both are `core.ports.Clock`; the composition root picks one and everything else is handed it.
"""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

SLICE_SECONDS = 5.0  # a machine that was suspended notices what is due this soon after it wakes
SETTLE_PASSES = 32  # turns of the loop for what a woken task sets off, before time goes on
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def elapsed_seconds() -> float:
    """Return seconds that never go back and, where the kernel can say so, count suspension."""
    if boottime := getattr(time, "CLOCK_BOOTTIME", None):
        return time.clock_gettime(boottime)
    return time.monotonic()


def wall_time() -> datetime:
    """Return what the machine's clock says, aware UTC."""
    return datetime.now(UTC)


class SystemClock:
    """The machine's time when this was made, advanced by what has really elapsed since.

    Setting the machine's clock, forward or back, makes nothing due early, late or twice.

    Args:
        wall: read once, now.
        elapsed: seconds since any fixed moment.
    """

    def __init__(
        self, wall: Callable[[], datetime] = wall_time, elapsed: Callable[[], float] = elapsed_seconds
    ) -> None:
        self._elapsed = elapsed
        self._started = elapsed()
        self._start = wall()

    def now(self) -> datetime:
        """Return the time, aware UTC; it never goes back."""
        return self._start + timedelta(seconds=self._elapsed() - self._started)

    async def sleep_until(self, due: datetime) -> None:
        """Return at or after `due`; in the past, after other tasks had their turn."""
        await asyncio.sleep(0)
        while (left := (due - self.now()).total_seconds()) > 0:  # noqa: ASYNC110  time sets no event
            await asyncio.sleep(min(left, SLICE_SECONDS))


class VirtualClock:
    """A time that stands still until it is advanced; deterministic and without real time."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Return the virtual time, aware UTC."""
        return self._now

    @property
    def next_due(self) -> datetime | None:
        """When the first sleeper wakes; None when nobody sleeps."""
        self._forget_cancelled()
        return self._sleepers[0][0] if self._sleepers else None

    async def sleep_until(self, due: datetime) -> None:
        """Return once the time was advanced to `due`; in the past, after other tasks had their turn."""
        if due <= self._now:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._order), woken))
        await woken

    async def advance(self, to: datetime) -> None:
        """Move the time forward to `to`, waking each sleeper at its own time.

        Sleepers wake in the order of their time, those of the same time in the order in which
        they went to sleep. Between two, everything that the first set off runs, and may sleep again.
        """
        await settle()
        while (due := self.next_due) is not None and due <= to:
            _, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, due)
            woken.set_result(None)
            await settle()
        self._now = max(self._now, to)
        await settle()

    def _forget_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)


async def settle() -> None:
    """Let tasks that can run without time or input do so, for `SETTLE_PASSES` turns of the loop."""
    for _ in range(SETTLE_PASSES):
        await asyncio.sleep(0)
