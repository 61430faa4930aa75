"""What a form asks for is carried through in bounded sight, and once however often it is sent."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

from symphony.web.errors import Refusal

KEPT: Final = 256  # results; a form is sent again within seconds, by a double click or a reload
BOUND_S: Final = 30.0  # a person waits no longer; the work itself goes on
T = TypeVar("T")


class Once(Generic[T]):
    """Remembers what became of the latest forms."""

    def __init__(self, *, kept: int = KEPT, bound_s: float = BOUND_S) -> None:
        self._kept = kept
        self._bound_s = bound_s
        self._begun: OrderedDict[Hashable, asyncio.Task[T]] = OrderedDict()

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the work, or return what it gave before for this key; a failure may be tried again.

        Raises:
            Refusal: 504 when it takes too long, 503 when the daemon stops meanwhile.
        Cancellation: the work goes on, for whoever sends the form again.
        """
        begun = self._begun.get(key)
        if begun is None or _failed(begun):
            begun = self._begun[key] = asyncio.create_task(work())
        self._begun.move_to_end(key)
        while len(self._begun) > self._kept and next(iter(self._begun.values())).done():
            self._begun.popitem(last=False)
        done, _ = await asyncio.wait({begun}, timeout=self._bound_s)
        if not done:
            raise Refusal(
                504,
                "timed_out",
                f"symphony has not finished this within {self._bound_s:g} s and goes on with it.",
                remedy="Look at the board before you send it again.",
            )
        if begun.cancelled():
            raise Refusal(503, "draining", "symphony is stopping and has not finished this.")
        return begun.result()

    def close(self) -> None:
        """End what is still under way."""
        for task in self._begun.values():
            task.cancel()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
