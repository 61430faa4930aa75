"""A form that is sent twice is carried out once, and both get the one result."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

KEPT: Final = 256  # results; a form is sent again within seconds, by a double click or a reload
T = TypeVar("T")


class Once(Generic[T]):
    """Remembers what became of the latest forms."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._begun: OrderedDict[Hashable, asyncio.Task[T]] = OrderedDict()

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the work, or return what it gave before for this key; a failure may be tried again.

        Cancellation: the work goes on, for whoever sends the form again.
        """
        begun = self._begun.get(key)
        if begun is None or _failed(begun):
            begun = self._begun[key] = asyncio.create_task(work())
        self._begun.move_to_end(key)
        while len(self._begun) > self._kept and next(iter(self._begun.values())).done():
            self._begun.popitem(last=False)
        return await asyncio.shield(begun)

    def close(self) -> None:
        """End what is still under way."""
        for task in self._begun.values():
            task.cancel()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
