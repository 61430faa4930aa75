"""An event loop whose time is a number: it runs until it is quiet, and time passes when it is told to.

No selector, no thread and no sleep; the order of everything depends on the program alone. It is as small
as it is because nearly all the time of a simulation is spent in it.
"""

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MOST_PASSES = 20_000  # turns of the loop without time passing; more is a loop that spins


class Spins(Exception):
    """Something goes on for ever without time passing."""


class Call:
    """What the loop is to call; an `asyncio.Handle` as far as anybody looks."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        """Do not call it."""
        self._cancelled = True
        self._callback, self._args = None, ()

    def cancelled(self) -> bool:
        """Say whether it is not going to be called."""
        return self._cancelled


class LaterCall(Call):
    """What the loop is to call at a time."""

    __slots__ = ("_when",)

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        super().__init__(callback, args, context)
        self._when = when

    def when(self) -> float:
        """Return when it is due."""
        return self._when


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop that is driven turn by turn, from outside.

    Attributes:
        complaints: what went wrong where nobody waits for an answer.
        slept_until: the end of the last sleep that caught the process in the middle of its work.
    """

    def __init__(self, new_task: Callable[[asyncio.AbstractEventLoop, Any], "asyncio.Task[Any]"]) -> None:
        self.complaints: list[str] = []
        self._new_task = new_task
        self._ready: deque[Call] = deque()
        self._later: list[tuple[float, int, LaterCall]] = []
        self._calls = 0
        self._seconds = 0.0
        self.slept_until = 0.0

    def time(self) -> float:
        return self._seconds

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def close(self) -> None:
        self._ready.clear()
        self._later.clear()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:
        call = Call(callback, args, copy_context() if context is None else context)
        self._ready.append(call)
        return call

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> LaterCall:
        call = LaterCall(when, callback, args, copy_context() if context is None else context)
        self._calls += 1  # two that are due at once keep their order
        heapq.heappush(self._later, (when, self._calls, call))
        return call

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> LaterCall:
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> "asyncio.Task[Any]":
        task = self._new_task(self, coro)
        if name is not None:
            task.set_name(name)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    @property
    def next_due(self) -> float | None:
        """When the first timer fires; None without timers."""
        while self._later and self._later[0][2].cancelled():
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def turn(self, most: int | None = None) -> bool:
        """Run until nothing can run without time passing, or for so many turns; say whether it is quiet."""
        left = MOST_PASSES if most is None else most
        ready = self._ready
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while ready and left > 0:
                left -= 1
                for _ in range(len(ready)):
                    call = ready.popleft()
                    if call._callback is not None:
                        call._context.run(call._callback, *call._args)
        finally:
            events._set_running_loop(before)
        if ready and most is None:
            raise Spins(f"{MOST_PASSES} turns of the loop without time passing")
        return not ready

    def jump_to_next(self) -> bool:
        """Make it the time of the first timer, without running it; False without timers."""
        due = self.next_due
        if due is None:
            return False
        if self._ready:
            self.slept_until = due
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
        while self._later and self._later[0][0] <= self._seconds:
            call = heapq.heappop(self._later)[2]
            if not call.cancelled():
                self._ready.append(call)


class LoopClock:
    """The loop's time as a `core.ports.Clock`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._seconds, self._now = 0.0, EPOCH

    def now(self) -> datetime:
        """Return the virtual time, aware UTC."""
        if self._seconds != self._loop._seconds:
            self._seconds = self._loop._seconds
            self._now = EPOCH + timedelta(seconds=self._seconds)
        return self._now

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
