"""An event loop whose time is a number: it runs until it is quiet, and time passes when it is told to.

No selector, no thread and no sleep; the order of everything depends on the program alone.
"""

import asyncio
import heapq
from asyncio import events
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MOST_PASSES = 20_000  # turns of the loop without time passing; more is a loop that spins


class Spins(Exception):
    """Something goes on for ever without time passing."""


class NoSelector:
    """There is nothing outside to wait for."""

    def select(self, timeout: float | None) -> tuple[()]:
        return ()


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop that is driven turn by turn, from outside."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = NoSelector()
        self._clock_resolution = 1e-7
        self._seconds = 0.0
        self.turns = 0

    def time(self) -> float:
        return self._seconds

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    @property
    def next_due(self) -> float | None:
        """When the first timer fires; None without timers."""
        while self._scheduled and self._scheduled[0].cancelled():
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            self._timer_cancelled_count -= 1
        return self._scheduled[0].when() if self._scheduled else None

    def turn(self, most: int | None = None) -> bool:
        """Run until nothing can run without time passing, or for so many turns; say whether it is quiet."""
        left = MOST_PASSES if most is None else most
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while self._ready and left > 0:
                self._run_once()
                left -= 1
                self.turns += 1
        finally:
            events._set_running_loop(before)
        if self._ready and most is None:
            raise Spins(f"{MOST_PASSES} turns of the loop without time passing")
        return not self._ready

    def jump_to_next(self) -> bool:
        """Make it the time of the first timer, without running it; False without timers."""
        due = self.next_due
        if due is None:
            return False
        self._wake(due)
        return True

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass; each timer fires at its own time, and all that it sets off runs."""
        until = self._seconds + seconds
        self.turn()
        while (due := self.next_due) is not None and due <= until:
            self._wake(due)
            self.turn()
        self._seconds = max(self._seconds, until)

    def _wake(self, due: float) -> None:
        self._seconds = max(self._seconds, due)
        while self._scheduled and self._scheduled[0].when() <= self._seconds:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            if handle.cancelled():
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(handle)


class LoopClock:
    """The loop's time as a `core.ports.Clock`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual time, aware UTC."""
        return EPOCH + timedelta(seconds=self._loop.time())

    async def sleep_until(self, due: datetime) -> None:
        """Return once it is `due`; in the past, after other tasks had their turn."""
        seconds = (due - EPOCH).total_seconds()
        if seconds <= self._loop.time():
            await asyncio.sleep(0)
            return
        woken = self._loop.create_future()
        timer = self._loop.call_at(seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
